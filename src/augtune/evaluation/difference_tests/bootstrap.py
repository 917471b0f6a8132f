"""The paired bootstrap's p."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from augtune.evaluation.difference_tests.base import DifferenceTest, Pair
from augtune.evaluation.metrics import Metric
from augtune.evaluation.significance import bootstrap_p

__all__ = ["PairedBootstrap"]


class PairedBootstrap(DifferenceTest):
    """Two-sided p of the paired bootstrap over test rows and seeds (Efron 1979; Davison and Hinkley 1997).

    It asks how often the difference would come out on the other side on other rows and with other seeds. It is about
    any metric, and its p belongs to the interval: under 0.05 just when the 95 % interval is clear of 0, unless very few
    rows differ. Resamples of ``D`` rows that all favour one method never say otherwise, but as many tosses of a coin
    come out alike with a chance of 2 / 2^D, so p is never under that, the smallest p of an exact sign test.
    """

    kind: ClassVar[str] = "paired_bootstrap"
    title: ClassVar[str] = "paired bootstrap"

    def p_values(self, pair: Pair) -> Mapping[str, float]:
        """Return p of every metric."""
        return {
            metric.key: max(bootstrap_p(pair.resampled[metric.key]), self.smallest_p(pair, metric))
            for metric in pair.metrics
        }

    def smallest_p(self, pair: Pair, metric: Metric) -> float:
        """Return 2 / (R + 1), or 2 / 2^D if so few rows as ``D`` differ that this is more."""
        return min(1.0, max(2 / (pair.resamples + 1), 2.0 ** (1 - min(pair.differing(metric), 64))))
