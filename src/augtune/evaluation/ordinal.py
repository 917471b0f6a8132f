"""Metrics of labels with an order: how far predictions are from the truth on the scale.

Shapes: ``N`` rows, ``K`` labels, ``C`` sums, ``R`` resamples; ``...`` any number of leading dimensions.

A prediction stands at its expected position, sum_k p_k position_k; a label's position is its own number where all
labels are numbers, else its place among them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from augtune.core.errors import SettingsError
from augtune.core.labels import Labels
from augtune.core.task import TaskName
from augtune.evaluation.metrics import Metric, ratio
from augtune.evaluation.ranking import RankMetric

__all__ = ["Mae", "Placed", "Qwk", "Rmse", "Spearman"]


class Placed(Metric):
    """Base of the metrics on a scale."""

    tasks: ClassVar[tuple[TaskName, ...]] = ("ordinal",)
    needs_probabilities: ClassVar[bool] = False

    positions: tuple[float, ...] | None = None
    """Position of each label; None: the labels' own numbers, else 0, 1, 2 and so on."""

    def bound(self, labels: Labels) -> Metric:
        """Return the metric with the positions of these labels.

        Raises:
            SettingsError: If the task is another, or there are not as many positions as labels.
        """
        fitting = super().bound(labels)
        given = labels.positions if self.positions is None else self.positions
        if len(given) != len(labels):
            raise SettingsError(f"metric {self.kind}: positions: expected {len(labels)}, one for each of {labels}")
        return fitting.model_copy(update={"positions": given})

    def scale(self, classes: int) -> np.ndarray:
        """Return the position of each label, ``(K,)``."""
        return np.arange(float(classes)) if self.positions is None else np.array(self.positions)

    def places(self, probabilities: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where each row is predicted and where it is, ``(N,)`` each."""
        scale = self.scale(probabilities.shape[1])
        return probabilities @ scale, scale[truth]


class Mae(Placed):
    """Mean distance between expected and true position, in units of the scale."""

    kind: ClassVar[str] = "mae"
    title: ClassVar[str] = "MAE"
    higher_is_better: ClassVar[bool] = False
    is_share: ClassVar[bool] = False

    def row_sums(self, probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return ``(N, 2)``: the distance, and 1."""
        said, true = self.places(probabilities, truth)
        return np.stack([np.abs(said - true), np.ones(len(truth))], axis=1)

    def of(self, sums: np.ndarray) -> np.ndarray:
        """Return the mean."""
        return ratio(sums[..., 0], sums[..., 1])


class Rmse(Placed):
    """Root of the mean squared distance between expected and true position, in units of the scale."""

    kind: ClassVar[str] = "rmse"
    title: ClassVar[str] = "RMSE"
    higher_is_better: ClassVar[bool] = False
    is_share: ClassVar[bool] = False

    def row_sums(self, probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return ``(N, 2)``: the squared distance, and 1."""
        said, true = self.places(probabilities, truth)
        return np.stack([(said - true) ** 2, np.ones(len(truth))], axis=1)

    def of(self, sums: np.ndarray) -> np.ndarray:
        """Return the root of the mean."""
        return np.asarray(np.sqrt(ratio(sums[..., 0], sums[..., 1])))


class Qwk(Placed):
    """Quadratic-weighted kappa of the labels nearest to the expected positions (Cohen 1968): 1 at best, 0 for chance.

    Misses count by their squared distance on the scale. Undefined if both sides are one and the same label: then 0.
    """

    kind: ClassVar[str] = "qwk"
    title: ClassVar[str] = "quadratic kappa"

    def row_sums(self, probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return ``(N, 6)``: 1, x, y, their squares and their product, x predicted and y true."""
        scale = self.scale(probabilities.shape[1])
        said, y = self.places(probabilities, truth)
        x = scale[np.abs(said[:, None] - scale).argmin(axis=1)]
        return np.stack([np.ones(len(truth)), x, y, x * x, y * y, x * y], axis=1)

    def of(self, sums: np.ndarray) -> np.ndarray:
        """Return 1 less the mean squared distance over what chance would give."""
        rows, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
        seen = xx + yy - 2 * xy
        chance = xx + yy - 2 * ratio(x * y, rows)
        return np.where(chance > 1e-12, 1 - ratio(seen, chance), 0.0)


class Spearman(Placed, RankMetric):
    """Spearman's rank correlation of expected and true positions; 0 if undefined."""

    kind: ClassVar[str] = "spearman"
    title: ClassVar[str] = "Spearman"

    def scorer(self, probabilities: np.ndarray, truth: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Return a function from how often each row counts, ``(R, N)``, to the correlation each time, ``(R,)``."""
        ranks = [_ranks(values) for values in self.places(probabilities, truth)]

        def score(weights: np.ndarray) -> np.ndarray:
            x, y = (of(weights) - weights.sum(axis=1, keepdims=True) / 2 for of in ranks)
            spread = np.sqrt((weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1))
            return ratio((weights * x * y).sum(axis=1), spread)

        return score


def _ranks(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from row weights to mean ranks, ``(R, N)`` both, counted from one half below the first."""
    distinct, group = np.unique(np.round(values, 12), return_inverse=True)
    order = np.argsort(group, kind="stable")
    ends = np.searchsorted(group[order], np.arange(len(distinct)), side="right")

    def of(weights: np.ndarray) -> np.ndarray:
        reached = np.zeros((len(weights), len(values) + 1))
        np.cumsum(weights[:, order], axis=1, out=reached[:, 1:])
        upto = reached[:, ends]
        before = np.concatenate([np.zeros((len(weights), 1)), upto[:, :-1]], axis=1)
        return np.asarray(((before + upto) / 2)[:, group])

    return of
