"""What ``dedup`` and ``contamination`` share: settings that say when two rows are nearly the same, and the pairs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from augtune.core.dataset import Dataset, Example
from augtune.curation.alike import earlier_alike, passages_alike
from augtune.curation.base import Context, Step
from augtune.curation.forms import Passage
from augtune.embedding.neighbours import Pairs, blocks_above, blocks_before

__all__ = ["Likeness", "best_matches", "passage_of", "passages_of", "tells_repeats"]

# Rows looked at, and the share of them that may look like a row of another class.
LOOKED_AT = 500
MOST_ALIKE = 0.2


class Likeness(Step):
    """A step that asks whether texts are nearly the same."""

    threshold: float = Field(0.9, ge=0.1, le=1)
    """Similarity from which two rows count as nearly the same, 0.1 to 1."""

    measure: Literal["cosine", "jaccard"] = "cosine"
    """How similarity is measured: cosine of their embeddings (meaning), or jaccard of their letters (wording)."""

    encoder: str | None = None
    """Encoder for cosine; none: the one of the run."""

    def near(self, left: Sequence[Passage], right: Sequence[Passage], context: Context) -> Iterator[Pairs]:
        """Yield the pairs whose similarity is at least the threshold, in blocks, ``left`` in order.

        In pair tasks both texts have to be near, and the lower similarity counts.
        """
        if not left or not right:
            return iter(())
        if self.measure == "jaccard":
            return passages_alike(left, right, self.threshold)
        return self._cosine(left, right, context)

    def near_earlier(self, passages: Sequence[Passage], context: Context) -> dict[int, tuple[int, float]]:
        """Return for each passage that is near an earlier one that stays the most similar such, and how similar it is.

        A passage stays if it is near none itself; of equally similar ones the first counts.
        """
        if self.measure == "jaccard":
            return earlier_alike(passages, self.threshold)
        return best_matches(self._cosine(passages, passages, context), earlier_only=True) if passages else {}

    def _cosine(self, left: Sequence[Passage], right: Sequence[Passage], context: Context) -> Iterator[Pairs]:
        """Yield the pairs that are near; those of a row and an earlier one where left and right are the same."""
        a = context.vectors([text for text, _ in left], encoder=self.encoder)
        if left is right:
            b, blocks = a, blocks_before(a, self.threshold)
        else:
            b = context.vectors([text for text, _ in right], encoder=self.encoder)
            blocks = blocks_above(a, b, self.threshold)
        if all(pair is None for _, pair in (*left, *right)):
            yield from blocks
            return
        second_a, has_a = self._second(left, context)
        second_b, has_b = (second_a, has_a) if left is right else self._second(right, context)
        for block in blocks:
            same_form = block.where(has_a[block.left] == has_b[block.right])
            second = np.einsum("ph,ph->p", second_a[same_form.left], second_b[same_form.right])
            both = np.where(has_a[same_form.left], np.minimum(same_form.similarity, second), same_form.similarity)
            yield Pairs(same_form.left, same_form.right, both).where(both >= np.float32(self.threshold))

    def _second(self, passages: Sequence[Passage], context: Context) -> tuple[np.ndarray, np.ndarray]:
        """Return the vectors of the second texts, any where there is none, and where there is one."""
        vectors = context.vectors([pair or "" for _, pair in passages], encoder=self.encoder)
        return vectors, np.array([pair is not None for _, pair in passages])

    def described(self, similarity: float) -> str:
        """Return a similarity as reasons state it, e.g. ``cosine 0.934``."""
        return f"{self.measure} {min(similarity, 1.0):.3f}"


def passage_of(row: Example) -> Passage:
    """Return a row's texts."""
    return row.text, row.text_pair


def passages_of(rows: Dataset) -> list[Passage]:
    """Return the texts of every row."""
    return list(zip(rows.texts, rows.text_pairs, strict=True))


def best_matches(blocks: Iterable[Pairs], *, earlier_only: bool = False) -> dict[int, tuple[int, float]]:
    """Return for each row on the left its most similar row on the right, the first of equals, and how similar it is.

    Args:
        blocks: Near pairs, all pairs of one left row in one block, left rows in order.
        earlier_only: Left and right are the same rows: count only rows before the row itself that match none
            themselves, so that every match is with a row that stays.
    """
    matches: dict[int, tuple[int, float]] = {}
    for block in blocks:
        starts = np.flatnonzero(np.diff(block.left, prepend=-1))
        for start, end in itertools.pairwise([*starts.tolist(), len(block)]):
            i = int(block.left[start])
            right, similarity = block.right[start:end], block.similarity[start:end]
            if earlier_only:
                stays = np.array([j < i and j not in matches for j in right.tolist()], dtype=bool)
                right, similarity = right[stays], similarity[stays]
            if len(right):
                best = int(similarity.argmax())
                matches[i] = int(right[best]), float(similarity[best])
    return matches


def tells_repeats(units: np.ndarray, classes: np.ndarray, threshold: float = 0.9) -> bool:
    """Return whether a cosine of this encoder says that two rows nearly repeat each other.

    To some encoders (untrained ones, means over the tokens of a language model) all texts look alike. That shows where
    rows of different classes reach the threshold: it is taken to say nothing if more than a fifth of the rows do.

    Args:
        units: ``(N, H)`` unit vectors of human rows.
        classes: ``(N,)`` class of each.
        threshold: Cosine from which rows count as nearly the same.
    """
    looked = np.unique(np.linspace(0, len(units) - 1, min(len(units), LOOKED_AT)).round().astype(int))
    alike = units[looked] @ units[looked].T >= threshold
    others = classes[looked][:, None] != classes[looked]
    return bool((alike & others).any(axis=1).mean() <= MOST_ALIKE)
