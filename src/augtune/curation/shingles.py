"""Texts as people see them: one form for all that differ in case, spaces or edge punctuation, and Jaccard likeness.

Near duplicates are found by MinHash and locality-sensitive hashing (Broder 1997; Indyk and Motwani 1998) and then
verified with the exact Jaccard similarity of their character shingles.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from augtune.core.seeds import derive
from augtune.embedding.neighbours import Pairs

__all__ = ["Passage", "jaccard", "normalise", "passage_key", "passages_alike", "shingles"]

Passage = tuple[str, str | None]
"""A text and, in pair tasks, the text it comes with."""

# Three characters: short enough for a Chinese clause, long enough that unrelated English sentences share few.
WIDTH = 3
PERMUTATIONS = 128
# Chance that a pair exactly at the threshold is overlooked; one above it is overlooked less often still.
MISS = 1e-4
ROWS = 1024

# Characters that nobody sees: zero-width space, word joiner, byte-order mark, soft hyphen.
INVISIBLE = dict.fromkeys(map(ord, "\u200b\u2060\ufeff\u00ad"))


def normalise(text: str) -> str:
    r"""Return the form that texts share which differ only in case, spaces, width or punctuation at their ends.

    Symbols, emoji among them, are content and stay. A text that is nothing but punctuation keeps it, so that ``"!!!"``
    and ``"???"`` are two texts.

    >>> normalise("  “Great\u00a0FILM!” "), normalise("ＡＢＣ。"), normalise("?!")
    ('great film', 'abc', '?!')
    """
    plain = unicodedata.normalize("NFKC", text)
    folded = unicodedata.normalize("NFKC", plain.translate(INVISIBLE).casefold())
    words = " ".join(folded.split())
    start, end = 0, len(words)
    while start < end and _is_edge(words[start]):
        start += 1
    while end > start and _is_edge(words[end - 1]):
        end -= 1
    return words[start:end] or plain.strip()


def _is_edge(character: str) -> bool:
    return character == " " or unicodedata.category(character).startswith("P")


def passage_key(passage: Passage) -> Passage:
    """Return what two passages share exactly when both their texts are the same once normalised."""
    text, pair = passage
    return normalise(text), None if pair is None else normalise(pair)


def shingles(text: str) -> frozenset[str]:
    """Return the runs of ``WIDTH`` characters of a normalised text; a shorter text is its own only shingle."""
    form = normalise(text)
    return frozenset(form[i : i + WIDTH] for i in range(max(1, len(form) - WIDTH + 1)))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Return the share of all shingles of two texts that both have, in [0, 1]."""
    common = len(a & b)
    return common / (len(a) + len(b) - common)


def passages_alike(left: Sequence[Passage], right: Sequence[Passage], threshold: float) -> Iterator[Pairs]:
    """Yield, in blocks, the pairs of passages whose Jaccard similarity is at least ``threshold``.

    In pair tasks both texts have to be that alike, and the lower similarity counts; a passage with a second text is
    never like one without. Similarities are exact; a pair at the threshold is overlooked with a chance below 1e-4
    (for thresholds of 0.07 and more).

    Args:
        left: ``N`` passages.
        right: ``M`` passages.
        threshold: In (0, 1].
    """
    from datasketch import MinHash, MinHashLSH

    queries, pool = [_Sets(passage) for passage in left], [_Sets(passage) for passage in right]
    sketch = MinHash(num_perm=PERMUTATIONS, seed=derive(0, "curation", "minhash") % 2**32)
    index = MinHashLSH(num_perm=PERMUTATIONS, params=_bands(threshold))
    for j, sets in enumerate(pool):
        index.insert(j, _sketched(sketch, sets))
    for start in range(0, len(queries), ROWS):
        found: list[tuple[int, int, float]] = []
        for i, sets in enumerate(queries[start : start + ROWS], start=start):
            alike = ((j, sets.similarity(pool[j])) for j in sorted(index.query(_sketched(sketch, sets))))
            found.extend((i, j, value) for j, value in alike if value >= threshold)
        rows, columns, values = zip(*found, strict=True) if found else ((), (), ())
        yield Pairs(np.array(rows, dtype=np.int64), np.array(columns, dtype=np.int64), np.array(values, np.float32))


class _Sets:
    """The shingles of a passage's texts."""

    __slots__ = ("first", "second")

    def __init__(self, passage: Passage) -> None:
        text, pair = passage
        self.first = shingles(text)
        self.second = None if pair is None else shingles(pair)

    def similarity(self, other: _Sets) -> float:
        first = jaccard(self.first, other.first)
        if self.second is None and other.second is None:
            return first
        if self.second is None or other.second is None:
            return 0.0
        return min(first, jaccard(self.second, other.second))

    def marked(self) -> list[bytes]:
        """Return the shingles of both texts, marked with which text they are of.

        Where each of two Jaccard similarities is at least ``t``, that of the marked union is too: it is their
        mediant. So hashing the union overlooks no more than hashing one text would.
        """
        second = self.second if self.second is not None else frozenset()
        return [("1" + s).encode() for s in self.first] + [("2" + s).encode() for s in second]


def _sketched(empty: Any, sets: _Sets) -> Any:
    sketch = empty.copy()
    sketch.update_batch(sets.marked())
    return sketch


def _bands(threshold: float) -> tuple[int, int]:
    """Return the most selective (bands, rows per band) that overlooks a pair at the threshold with chance <= ``MISS``.

    A pair of similarity ``s`` is a candidate with chance ``1 - (1 - s**rows)**bands``.
    """
    for rows in range(PERMUTATIONS // 2, 1, -1):
        bands = PERMUTATIONS // rows
        if (1 - threshold**rows) ** bands <= MISS:
            return bands, rows
    return PERMUTATIONS, 1
