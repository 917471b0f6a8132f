"""Metrics of the order of scores, which are no function of sums over rows: AUROC.

Shapes: ``N`` rows, ``K`` classes, ``R`` resamples, ``G`` groups of rows with the same score.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from augtune.core.task import TaskName
from augtune.evaluation.metrics import Metric, ratio

__all__ = ["Auroc", "RankMetric"]


class RankMetric(Metric):
    """Base of the metrics that look at pairs of rows; a subclass says its value given how often each row counts."""

    def scorer(self, probabilities: np.ndarray, truth: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Return a function from how often each row counts, ``(R, N)``, to the metric each time, ``(R,)``."""
        raise NotImplementedError

    def value(self, probabilities: np.ndarray, truth: np.ndarray) -> float:
        """Return the metric over all rows."""
        return float(self.scorer(probabilities, truth)(np.ones((1, len(truth))))[0])


class Auroc(RankMetric):
    """Area under the ROC curve, one label against the rest, mean over the labels (Fawcett 2006).

    The chance that a row of the label has a higher probability of it than a row of another label; equal ones count
    half. A label without rows, or with all of them, plays no part; if that is every label, it is 0.5.
    """

    kind: ClassVar[str] = "auroc"
    title: ClassVar[str] = "AUROC"
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal", "multi_label")

    def scorer(self, probabilities: np.ndarray, truth: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Return a function from how often each row counts, ``(R, N)``, to the mean area each time, ``(R,)``."""
        if truth.ndim == 2:
            areas = [_area(probabilities[:, k], truth[:, k] > 0) for k in range(truth.shape[1])]
        else:
            binary = probabilities.shape[1] == 2  # then both labels have the same area
            areas = [_area(probabilities[:, k], truth == k) for k in ([1] if binary else range(probabilities.shape[1]))]

        def score(weights: np.ndarray) -> np.ndarray:
            total, defined = np.zeros(len(weights)), np.zeros(len(weights))
            for area in areas:
                wins, pairs = area(weights)
                total += ratio(wins, pairs)
                defined += pairs > 0
            return np.where(defined > 0, ratio(total, defined), 0.5)

        return score


def _area(scores: np.ndarray, positive: np.ndarray) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return a function from ``(R, N)`` row weights to the pairs won and all pairs of one label, each ``(R,)``."""
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    group = np.concatenate([[0], np.cumsum(ranked[1:] > ranked[:-1])]).astype(np.int64)
    is_positive = positive[order]
    above, below = order[is_positive], order[~is_positive]
    above_group, below_group = group[is_positive], group[~is_positive]
    # Per positive row: how many of the negative rows, in order, score less, and how many no more.
    less = np.searchsorted(below_group, above_group, side="left")
    no_more = np.searchsorted(below_group, above_group, side="right")

    def of(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        beaten = np.zeros((len(weights), len(below) + 1))
        np.cumsum(weights[:, below], axis=1, out=beaten[:, 1:])
        own = weights[:, above]
        wins = np.einsum("rp,rp->r", own, beaten[:, less] + beaten[:, no_more]) / 2
        return wins, own.sum(axis=1) * beaten[:, -1]

    return of
