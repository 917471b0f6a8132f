"""How many rows a language model writes of each label when classes are unbalanced, and when it is enough.

Rows are written in rounds. Before each, the need of every class is measured on held-out human rows, with the rows
written so far: the share of the class's rows that is missed, plus half the width of that share's 95 % interval, so that
a class of which little is known gets rows too. The round's rows are shared out by need.

The rule that ends it, in full. After each round the score of a regression on frozen vectors with all rows so far is
held against its score without the rows of this round, on the same folds of human rows; a written row plays no part
where a row judges that it comes from. The error of the mean gain is corrected for folds that share rows (Nadeau and
Bengio, Machine Learning 52, 2003) and widened by what a stand-in may be off; the gain shrinks towards none. A round
counts as idle if the probability that it gained is under ``below``. So many idle rounds one after the other (``idle``)
end it. With the usual numbers that takes two rounds that each lowered the score: one such round of two is what chance
makes of rows that are worth nothing. Nothing but human rows is looked at, and no test row.

Shapes: ``N`` human rows, ``M`` synthetic rows, ``H`` features, ``K`` classes, ``J`` folds of all repeats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from augtune.choosing.candidates.base import IMBALANCED
from augtune.choosing.decide import DecideSettings, Posterior, Rung, posteriors
from augtune.choosing.folds import FoldSettings, folds_of, ties_of
from augtune.choosing.frozen import Vectors
from augtune.choosing.learning import class_needs
from augtune.choosing.measure import Judged, fold_scores, predicted
from augtune.core.dataset import Dataset, HumanDataset
from augtune.core.decision import Boost, BoostRound, ClassNeed
from augtune.core.settings import Settings
from augtune.evaluation.metrics import metrics_of

__all__ = ["BoostSettings", "Boosting", "Measure", "Standing", "gain_of", "is_over", "is_unbalanced", "shared_out"]

# What a stand-in's gain may be off by: a standard deviation.
STAND_IN_NOISE = 0.02


class BoostSettings(Settings):
    """How rows are written by need, in rounds."""

    rows: int | None = Field(default=None, ge=1)
    """Rows in all; None: 50 for each label there is."""
    rounds: int = Field(default=4, ge=1)
    """Parts in which they are written, each by what the ones before left to be desired; 1: all at once."""
    below: float = Field(default=0.5, gt=0, le=1)
    """Probability of a gain under which a round counts as idle."""
    idle: int | None = Field(default=2, ge=1)
    """Idle rounds one after the other that end it; None: all rounds are written."""
    weight: float = Field(default=0.5, gt=0, le=1)
    """What a written row counts beside one of yours where rounds are measured."""


def is_unbalanced(human: HumanDataset) -> bool:
    """Return whether the largest class has three times the rows of the smallest that has some, or more."""
    counts = [count for count in human.counts().values() if count]
    return not human.labels.has_many and len(counts) > 1 and max(counts) >= IMBALANCED * min(counts)


def shared_out(needs: Sequence[ClassNeed], total: int) -> dict[str, int]:
    """Return ``total`` rows shared out by need, the largest remainders getting what is left.

    Each class gets one at least; where there are fewer rows than classes, those in most need get one.
    """
    weights = np.array([1 - (one.recall or 0.0) + (one.interval[1] - one.interval[0]) / 2 for one in needs])
    least = int(total >= len(needs))
    room = total - least * len(needs)
    shares = room * weights / weights.sum()
    rows = np.floor(shares).astype(int)
    rows[np.argsort(rows - shares, kind="stable")[: room - int(rows.sum())]] += 1
    found = {one.label: least + int(count) for one, count in zip(needs, rows, strict=True)}
    return {label: count for label, count in found.items() if count}


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """How things stand with the rows written so far.

    Args:
        scores: ``(J,)`` of the stand-in, fold by fold.
        folds: Folds of a repeat.
        needs: How well each class is found that has human rows, in the order of the labels.
    """

    scores: np.ndarray
    folds: int
    needs: tuple[ClassNeed, ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """How it is measured how things stand.

    Args:
        folds: How human rows are parted.
        metric: Kind of the score: a share, higher is better.
        weight: What a written row counts beside a human one.
        seed: Of the folds.
    """

    folds: FoldSettings
    metric: str
    weight: float
    seed: int

    @property
    def title(self) -> str:
        """The score's name."""
        (metric,) = metrics_of([self.metric])
        return metric.title

    def of(self, human: HumanDataset, rows: Dataset | None, vectors: np.ndarray) -> Standing:
        """Return how things stand.

        Args:
            human: Human rows, the only ones that judge.
            rows: Synthetic rows, or None.
            vectors: What a probe sees of both, human rows first, ``(N + M, H)``.

        Raises:
            DataError: If there are too few rows to judge some by models of the others.
        """
        (metric,) = metrics_of([self.metric])
        ties = None
        if rows is not None:
            units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
            ties = ties_of(human, rows, (units[: len(human)], units[len(human) :]), near=self.folds.near)
        folds = folds_of(human, rows, ties, self.folds, seed=self.seed)
        known = Vectors.of(vectors, human, rows)
        tables = [
            predicted(known.fold(fold).fit(self.weight, balanced=True), known.human[fold.held_out]) for fold in folds
        ]
        judged = Judged(folds, tables)
        place = {label: k for k, label in enumerate(human.labels)}
        needs = sorted(class_needs(judged, human, rows), key=lambda one: place[one.label])
        scores = fold_scores(judged, human.label_indices, metric.bound(human.labels))
        return Standing(scores, len({fold.number for fold in folds}), tuple(one for one in needs if one.human))


def gain_of(before: np.ndarray, after: np.ndarray, folds: int) -> Posterior:
    """Return what is known of a round's gain.

    Args:
        before: ``(J,)`` scores without the round's rows.
        after: ``(J,)`` scores with them, on the same folds of human rows.
        folds: Folds of a repeat.
    """
    rung = Rung(("the round",), (after - before)[None], folds, STAND_IN_NOISE)
    return posteriors([rung], DecideSettings())[1][0]


def is_over(probabilities: Sequence[float], settings: BoostSettings) -> bool:
    """Return whether so many rounds were idle, one after the other, that it ends.

    Args:
        probabilities: Of a gain, for each round so far.
        settings: The rule's numbers.
    """
    last = probabilities[-settings.idle :] if settings.idle is not None else ()
    return len(last) == settings.idle and all(one < settings.below for one in last)


class Boosting:
    """Rows written by need, round after round: what to ask for next, and whether to go on.

    Args:
        human: Human rows.
        settings: Rows, rounds, and the rule that ends them.
        measure: How it is measured how things stand.
        rows: Rows in all, where the settings leave that open.
    """

    def __init__(self, human: HumanDataset, settings: BoostSettings, measure: Measure, rows: int) -> None:
        self.human, self.settings, self.measure = human, settings, measure
        self.rows = settings.rows or rows
        classes = sum(count > 0 for count in human.counts().values())
        self.planned = max(1, min(settings.rounds, self.rows // classes))
        self._standings: list[Standing] = []
        self._asked: list[dict[str, int]] = []
        self._kept: list[dict[str, int]] = []
        self._gains: list[Posterior] = []

    def wanted(self) -> dict[str, int] | None:
        """Return the rows to be written next, by label; None: it is over."""
        done = len(self._asked)
        if done == self.planned or self.is_idle:
            return None
        size = self.rows // self.planned + (done < self.rows % self.planned)
        found = shared_out(self._standings[-1].needs, size)
        self._asked.append({label: found[label] for label in self.human.labels if label in found})
        return self._asked[-1]

    @property
    def is_idle(self) -> bool:
        """Whether the rule ends it."""
        return is_over([one.probability for one in self._gains], self.settings)

    def stands(self, rows: Dataset | None, vectors: np.ndarray, kept: Mapping[str, int] | None = None) -> None:
        """Measure how things stand: first before any row is written, then after each round.

        Args:
            rows: All synthetic rows so far, or None.
            vectors: What a probe sees of the human rows and of these, ``(N + M, H)``.
            kept: Rows of the round that are among them, by label.
        """
        now = self.measure.of(self.human, rows, vectors)
        if self._standings:
            self._gains.append(gain_of(self._standings[-1].scores, now.scores, now.folds))
            self._kept.append({label: count for label, count in (kept or {}).items() if count})
        self._standings.append(now)

    def told(self) -> Boost:
        """Return the rounds there were and why they ended."""
        rounds = [
            BoostRound(asked, kept, float(now.scores.mean()), gain.measured, gain.interval, gain.probability)
            for asked, kept, now, gain in zip(self._asked, self._kept, self._standings[1:], self._gains, strict=True)
        ]
        because = "all rows were written"
        if len(rounds) < self.planned:
            idle = "the last round was" if self.settings.idle == 1 else f"the last {self.settings.idle} rounds were"
            because = f"{idle} less likely than {self.settings.below:g} to have gained anything on human rows"
        start = float(self._standings[0].scores.mean())
        return Boost(tuple(rounds), self.planned, self.rows, because, self.measure.title, start)
