"""McNemar's tests: of the rows that just one of two models gets right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from augtune.evaluation.difference_tests.base import DifferenceTest, Pair
from augtune.evaluation.metrics import Metric
from augtune.evaluation.significance import mcnemar_p

__all__ = ["McNemarExact", "McNemarMidP"]


class McNemarExact(DifferenceTest):
    """Exact McNemar test of accuracy (McNemar 1947).

    Under no difference, which of the two models is right in a row that only one gets right is the toss of a coin. It
    knows rows only: of several seeds it compares the ensembles, that is the means of the runs' probabilities.
    """

    kind: ClassVar[str] = "mcnemar"
    title: ClassVar[str] = "exact McNemar"

    def p_values(self, pair: Pair) -> Mapping[str, float]:
        """Return p of accuracy."""
        return self._of_accuracy(pair, mcnemar_p(*pair.discordant())[0])

    def smallest_p(self, pair: Pair, metric: Metric) -> float:
        """Return what it would give if one model were right in every row that only one gets right."""
        return mcnemar_p(0, sum(pair.discordant()))[0]

    def _of_accuracy(self, pair: Pair, p: float) -> Mapping[str, float]:
        return {metric.key: p for metric in pair.metrics if metric.kind == "accuracy"}


class McNemarMidP(McNemarExact):
    """McNemar test of accuracy with the mid-p (Fagerland, Lydersen and Laake 2013).

    The exact test gives a p over 0.05 too often, the more so the fewer rows differ; counting half the probability of
    what was observed mends that, and it rarely claims more than it may.
    """

    kind: ClassVar[str] = "mcnemar_midp"
    title: ClassVar[str] = "mid-p McNemar"

    def p_values(self, pair: Pair) -> Mapping[str, float]:
        """Return mid-p of accuracy."""
        return self._of_accuracy(pair, mcnemar_p(*pair.discordant())[1])

    def smallest_p(self, pair: Pair, metric: Metric) -> float:
        """Return what it would give if one model were right in every row that only one gets right."""
        return mcnemar_p(0, sum(pair.discordant()))[1]
