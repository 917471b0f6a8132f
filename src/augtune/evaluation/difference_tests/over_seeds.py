"""Tests over seeds: whether the difference is larger than training by chance makes it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from pydantic import Field

from augtune.core.errors import DataError
from augtune.evaluation.difference_tests.base import DifferenceTest, Pair
from augtune.evaluation.metrics import Metric

__all__ = ["CorrectedT", "Wilcoxon", "corrected_t_p", "wilcoxon_p"]


class CorrectedT(DifferenceTest):
    """Corrected resampled t-test of the differences with each seed (Nadeau and Bengio 2003).

    Runs that share training rows are alike, so a plain t-test takes their differences to vary less than they would on
    other rows. Here the variance is 1/S + test rows / training rows times that of the ``S`` differences, not 1/S. It
    takes the differences for normal, which few seeds cannot show.
    """

    kind: ClassVar[str] = "corrected_t"
    title: ClassVar[str] = "corrected t"
    seeds_needed: ClassVar[int] = 2

    train_rows: int | None = Field(default=None, ge=1)
    """Human rows each run was trained on; a run of an experiment file knows them."""

    def p_values(self, pair: Pair) -> Mapping[str, float]:
        """Return p of every metric.

        Raises:
            DataError: If there are too few seeds, or it is not known how many rows were trained on.
        """
        rows = self.train_rows or pair.train_rows
        if rows is None:
            raise DataError(
                "test corrected_t: needs to know how many human rows each run was trained on.",
                hint="Give them: --train-rows N on the command line, test: {kind: corrected_t, train_rows: N} in YAML.",
            )
        share = len(pair.truth) / rows
        return {one.key: corrected_t_p(pair.by_seed(one, self.kind), share) for one in pair.metrics}

    def smallest_p(self, pair: Pair, metric: Metric) -> float:
        """Return 0: the normal distribution has no end."""
        return 0.0


class Wilcoxon(DifferenceTest):
    """Exact signed-rank test of the differences with each seed (Wilcoxon 1945).

    It asks whether the arm is ahead with more seeds, and by more, than coin tosses would have it. Five seeds cannot
    give a p under 0.0625, six not under 0.03125. It says nothing of other test rows.
    """

    kind: ClassVar[str] = "wilcoxon"
    title: ClassVar[str] = "Wilcoxon over seeds"
    seeds_needed: ClassVar[int] = 2

    def p_values(self, pair: Pair) -> Mapping[str, float]:
        """Return p of every metric.

        Raises:
            DataError: If there are too few seeds.
        """
        return {one.key: wilcoxon_p(pair.by_seed(one, self.kind)) for one in pair.metrics}

    def smallest_p(self, pair: Pair, metric: Metric) -> float:
        """Return 2 / 2^S."""
        return min(1.0, 2.0 ** (1 - pair.draws))


def corrected_t_p(differences: np.ndarray, test_over_train: float) -> float:
    """Return the two-sided p of the corrected resampled t-test.

    Differences that do not vary at all measure no chance: p is 1.

    Args:
        differences: ``(S,)``, 2 or more.
        test_over_train: Test rows over training rows.
    """
    from scipy.stats import t

    runs, variance = len(differences), float(np.var(differences, ddof=1))
    if variance <= (1e-12 * float(np.abs(differences).max(initial=0.0))) ** 2:
        return 1.0
    statistic = float(differences.mean()) / math.sqrt((1 / runs + test_over_train) * variance)
    return 2 * float(t.sf(abs(statistic), runs - 1))


def wilcoxon_p(differences: np.ndarray) -> float:
    """Return the exact two-sided p of the signed-rank test, ties in rank included; zeros are left out.

    All ``2^S`` ways to give the ranks a sign are counted, not gone through: the number of ways to each sum of ranks
    is that of the ranks before, shifted and added.

    Args:
        differences: ``(S,)``.
    """
    from scipy.stats import rankdata

    found = differences[differences != 0]
    if not len(found):
        return 1.0
    twice = np.rint(2 * rankdata(np.abs(found))).astype(np.int64)  # ranks of ties are halves
    chances = np.zeros(int(twice.sum()) + 1)
    chances[0] = 1.0
    for rank in twice:
        shifted = np.concatenate([np.zeros(rank), chances[:-rank]])
        chances = (chances + shifted) / 2
    positive = int(twice[found > 0].sum())
    fewer = min(positive, len(chances) - 1 - positive)
    return min(1.0, 2 * float(chances[: fewer + 1].sum()))
