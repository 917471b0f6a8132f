"""``inspect``: what the rows a language model wrote are like, measured before anything is trained on them.

Shapes: ``N`` synthetic rows, ``M`` human rows, ``K`` classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from augtune.core.dataset import Dataset, HumanDataset
from augtune.core.encoders import DEFAULT_ENCODER
from augtune.core.errors import DataError
from augtune.core.seeds import generator
from augtune.curation.forms import passage_key
from augtune.curation.quality.leaks import LabelFinder
from augtune.curation.quality.nearness import Embed, agreement, near_an_earlier, similarity_to, vectors_of
from augtune.curation.quality.settings import InspectSettings
from augtune.curation.quality.value import GroupQuality, Quality
from augtune.curation.quality.wording import Words, distinct, divergence, self_bleu, words
from augtune.curation.similar import passages_of

__all__ = ["inspect"]


def inspect(
    rows: Dataset,
    human: HumanDataset,
    *,
    test: HumanDataset | None = None,
    settings: InspectSettings | None = None,
    encoder: str = DEFAULT_ENCODER,
    seed: int = 0,
    embed: Embed | None = None,
) -> Quality:
    """Return what synthetic rows are like: repeats, wording, drift, leaks, sources, and what a checker says of labels.

    Args:
        rows: Synthetic rows; human ones among them are left out.
        human: The human rows trained on, which every number is held against.
        test: Test rows, which no row may be near; None if there are none.
        settings: How it is done.
        encoder: Encoder of the vectors, unless the settings name one.
        seed: Of the samples and of the checker's parts.
        embed: Texts to ``(N, H)`` unit rows, in place of the encoder.

    Raises:
        DataError: If there is no synthetic row, or labels differ.
    """
    asked = settings or InspectSettings()
    made = rows.synthetic()
    if not len(made):
        raise DataError(f"{rows.name}: there are no synthetic rows to inspect.")
    for other in filter(None, (human, test)):
        if other.labels.names != made.labels.names:
            raise DataError(f"{other.name}: expected the labels {made.labels} in this order, got {other.labels}.")
    name = asked.encoder or encoder
    found = _Inspected(made, human, test, asked, seed, embed or partial(_embedded, name))
    by_label = {label: found.group(k) for k, label in enumerate(made.labels)}
    return Quality(found.group(None), by_label, len(found.sampled), name, asked.threshold, seed)


def _embedded(encoder: str, texts: tuple[str, ...]) -> np.ndarray:
    from augtune.embedding.encode import embed

    return embed(texts, encoder=encoder)


@dataclass(frozen=True, slots=True)
class _Side:
    """Rows with their words and what they give away.

    Args:
        rows: The rows.
        words: Their words, both texts of a pair.
        names_own: ``(N,)`` whether the text names the row's label.
        tags: The label a tag names, by row; None without a tag.
    """

    rows: Dataset
    words: tuple[Words, ...]
    names_own: np.ndarray
    tags: tuple[str | None, ...]

    @classmethod
    def of(cls, rows: Dataset) -> _Side:
        finder = LabelFinder(rows.labels)
        texts = [text if pair is None else f"{text}\n{pair}" for text, pair in passages_of(rows)]
        leaks = [finder.find(text) for text in texts]
        named = (bool(leak.named.intersection(own)) for leak, own in zip(leaks, rows.label_sets, strict=True))
        return cls(
            rows,
            tuple(map(words, texts)),
            np.fromiter(named, dtype=bool, count=len(rows)),
            tuple(leak.tag for leak in leaks),
        )


class _Inspected:
    """Everything that is computed per row, and the numbers of a group of rows."""

    def __init__(
        self,
        rows: Dataset,
        human: HumanDataset,
        test: HumanDataset | None,
        settings: InspectSettings,
        seed: int,
        embed: Embed,
    ) -> None:
        self.settings, self.seed = settings, seed
        self.made, self.human = _Side.of(rows), _Side.of(human)
        self.repeats = _repeats(rows, human)
        self.sampled = np.arange(len(rows))
        if len(rows) > settings.rows:
            self.sampled = np.sort(generator(seed, "inspect", "rows").choice(len(rows), settings.rows, replace=False))
        self._look(rows.take(self.sampled), human, test, embed)

    def _look(self, rows: Dataset, human: HumanDataset, test: HumanDataset | None, embed: Embed) -> None:
        """Compare vectors; numbers of rows that are not in the sample are NaN."""
        threshold = np.float32(self.settings.threshold)
        near, features = vectors_of(rows, embed)
        others, human_features = vectors_of(human, embed) if len(human) else (near[:0], features[:0])
        self.near_repeats = self._spread(near_an_earlier(near, float(threshold)))
        self.nearest_human = self._spread(similarity_to(near, others))
        self.human_nearest = similarity_to(others, others, skip_itself=True)
        self.near_test = None
        if test is not None and len(test):
            self.near_test = self._spread(similarity_to(near, vectors_of(test, embed)[0]) >= threshold)
        self.agrees: np.ndarray | None = None
        self.human_agrees: np.ndarray | None = None
        if not rows.labels.has_many and len(human):
            checked = agreement(
                (human_features, human.label_indices), (features, rows.label_indices), self.settings.folds,
                generator(self.seed, "inspect", "folds"),
            )  # fmt: skip
            if checked is not None:
                self.human_agrees, self.agrees = checked[0], self._spread(checked[1])

    def _spread(self, values: np.ndarray) -> np.ndarray:
        whole = np.full(len(self.made.rows), np.nan)
        whole[self.sampled] = values
        return whole

    def group(self, label: int | None) -> GroupQuality:
        """Return the numbers of one label, or of all rows."""
        own, human = (_places(side.rows, label) for side in (self.made, self.human))
        wording, human_wording = self._wording(own, human, label)
        sources = _sources(self.made.rows, own)
        names = self.made.rows.label_sets
        tags = [(self.made.tags[i], names[i]) for i in own if self.made.tags[i] is not None]
        near_human = np.where(np.isnan(self.nearest_human), np.nan, self.nearest_human >= self.settings.threshold)
        return GroupQuality(
            rows=len(own),
            human_rows=len(human),
            repeats=int(self.repeats[own].sum()),
            near_repeats=_mean(self.near_repeats[own]),
            near_human=_mean(near_human[own]),
            near_test=None if self.near_test is None else int(np.nansum(self.near_test[own])),
            **wording,
            nearest_human=_median(self.nearest_human[own]),
            agreement=None if self.agrees is None else _mean(self.agrees[own]),
            length=_median(np.array([len(self.made.words[i]) for i in own], dtype=float)) or 0.0,
            names_label=_mean(self.made.names_own[own].astype(float)) or 0.0,
            tagged=len(tags),
            tagged_wrong=sum(tag not in own_names for tag, own_names in tags),
            sources=None if sources is None else sources[0],
            largest_source=None if sources is None else sources[1],
            human={
                **human_wording,
                "nearest_human": _median(self.human_nearest[human]),
                "agreement": None if self.human_agrees is None else _mean(self.human_agrees[human].astype(float)),
                "length": _median(np.array([len(self.human.words[i]) for i in human], dtype=float)),
                "names_label": _mean(self.human.names_own[human].astype(float)),
                "tagged": float(sum(self.human.tags[i] is not None for i in human)),
            },
        )

    def _wording(
        self, own: np.ndarray, human: np.ndarray, label: int | None
    ) -> tuple[dict[str, float | None], dict[str, float | None]]:
        """Return the wording of synthetic and of human rows, on samples of the same size, the mean of some draws.

        The drift of either is from one half of the human rows: that of as many synthetic rows, and of the other half.
        """
        drawing = generator(self.seed, "inspect", "wording", "all" if label is None else label)
        size, half = min(len(own), len(human) or len(own), self.settings.sample), len(human) // 2
        half = min(half, len(own), self.settings.sample)
        drawn = []
        for _ in range(self.settings.draws):
            some = [self.made.words[i] for i in drawing.choice(own, size, replace=False)] if len(own) else []
            mixed = [self.human.words[i] for i in drawing.permutation(human)]
            drawn.append(
                (_told(some, mixed[:half], half), _told(mixed[:size], mixed[half : 2 * half], half, mixed[:half]))
            )
        return tuple(_means([one[side] for one in drawn]) for side in (0, 1))  # type: ignore[return-value]


def _told(
    some: Sequence[Words], other: Sequence[Words], half: int, own: Sequence[Words] | None = None
) -> dict[str, float | None]:
    return {
        "distinct_1": distinct(some, 1),
        "distinct_2": distinct(some, 2),
        "self_bleu": self_bleu(some),
        "drift": divergence(some[:half] if own is None else own, other) if half else None,
    }


def _means(drawn: Sequence[dict[str, float | None]]) -> dict[str, float | None]:
    table: dict[str, float | None] = {}
    for key in drawn[0]:
        known = [value for one in drawn if (value := one[key]) is not None]
        table[key] = float(np.mean(known)) if known else None
    return table


def _places(rows: Dataset, label: int | None) -> np.ndarray:
    return np.arange(len(rows)) if label is None else np.flatnonzero(rows.marks[:, label])


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _median(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None


def _repeats(rows: Dataset, human: HumanDataset) -> np.ndarray:
    """Return ``(N,)`` True for rows that are an earlier synthetic row or a human one, but for case and the like."""
    seen = set(map(passage_key, passages_of(human)))
    found = np.zeros(len(rows), dtype=bool)
    for i, key in enumerate(map(passage_key, passages_of(rows))):
        found[i] = key in seen
        seen.add(key)
    return found


def _sources(rows: Dataset, own: np.ndarray) -> tuple[int, int] | None:
    """Return of how many sources rows were made, and how many of the one used most; None if none is on record."""
    counts: Counter[str] = Counter()
    parents, texts = rows.table.column("parents").to_pylist(), rows.table.column("source_text").to_pylist()
    for i in own.tolist():
        counts.update(set(parents[i] or ([texts[i]] if texts[i] else [])))
    return (len(counts), max(counts.values())) if counts else None
