"""The permutation test's p."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from augtune.evaluation.difference_tests.base import DifferenceTest, Pair
from augtune.evaluation.metrics import Metric
from augtune.evaluation.permute import permute

__all__ = ["Permutation"]


class Permutation(DifferenceTest):
    """Paired permutation test over test rows: all swaps where they are few, else random ones (Fisher 1935).

    If it made no difference which model predicts a row, swapping the two in any rows would give as large a difference
    about as often. It assumes nothing else and is about any metric. Runs are swapped with the run of the same seed; of
    two methods with different numbers of seeds it compares the ensembles.
    """

    kind: ClassVar[str] = "permutation"
    title: ClassVar[str] = "permutation"

    def p_values(self, pair: Pair) -> Mapping[str, float]:
        """Return p of every metric."""
        arm, baseline = pair.probabilities
        if len(arm) != len(baseline):
            arm, baseline = (one[None] for one in pair.ensembles())
        found = permute(
            (arm, baseline), pair.truth, pair.metrics, resamples=pair.resamples, random=pair.random("permutation")
        )
        return {key: one.p for key, one in found.items()}

    def smallest_p(self, pair: Pair, metric: Metric) -> float:
        """Return 1 / (R + 1), that of drawn swaps, or 2 / 2^D if so few rows as ``D`` differ that this is more."""
        return min(1.0, max(1 / (pair.resamples + 1), 2.0 ** (1 - min(pair.differing(metric), 64))))
