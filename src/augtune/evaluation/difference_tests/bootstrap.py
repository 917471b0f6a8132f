"""The paired bootstrap's p."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from augtune.evaluation.difference_tests.base import DifferenceTest, Pair
from augtune.evaluation.significance import bootstrap_p

__all__ = ["PairedBootstrap"]


class PairedBootstrap(DifferenceTest):
    """Two-sided p of the paired bootstrap over test rows and seeds (Efron 1979; Davison and Hinkley 1997).

    It asks how often the difference would come out on the other side on other rows and with other seeds. It is about
    any metric, and its p belongs to the interval: under 0.05 just when the 95 % interval is clear of 0.
    """

    kind: ClassVar[str] = "paired_bootstrap"
    title: ClassVar[str] = "paired bootstrap"

    def p_values(self, pair: Pair) -> Mapping[str, float]:
        """Return p of every metric."""
        return {key: bootstrap_p(differences) for key, differences in pair.resampled.items()}

    def smallest_p(self, pair: Pair) -> float:
        """Return 2 / (R + 1)."""
        return 2 / (pair.resamples + 1)
