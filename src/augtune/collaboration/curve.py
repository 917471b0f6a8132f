"""The cost-quality curve: what a metric comes to for every share of rows that is sent to the language model."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from augtune.core.errors import SettingsError
from augtune.evaluation.metrics import CountMetric, Metric, metrics_of

__all__ = ["ALL", "NONE", "Curve", "Point", "curve_of", "metric_of"]

NONE, ALL = 0.0, 2.0  # thresholds that no confidence is under, and that every one is
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Point:
    """One threshold.

    Args:
        threshold: Rows whose confidence is under it are sent.
        share: Share of rows sent, from 0 to 1.
        value: The metric.
        usd_per_1000: What the calls for a thousand predictions cost; None if unknown.
    """

    threshold: float
    share: float
    value: float
    usd_per_1000: float | None = None

    def __repr__(self) -> str:
        price = "" if self.usd_per_1000 is None else f" · ${self.usd_per_1000:.3f} per 1,000"
        return f"below {self.threshold:.3f}: {self.share:.1%} sent, {self.value:.4f}{price}"


@dataclass(frozen=True, eq=False)
class Curve:
    """All points, from no row sent to all.

    Args:
        metric: Name of the metric.
        rows: ``N``.
        confidences: ``(P - 1,)`` distinct confidences of the classifier, rising; point ``i`` sends those before ``i``.
        shares: ``(P,)`` shares of rows sent, from 0 to 1.
        values: ``(P,)``.
        usd_per_call: What sending one row costs; None if unknown.
    """

    metric: str
    rows: int
    confidences: np.ndarray
    shares: np.ndarray
    values: np.ndarray
    usd_per_call: float | None = None

    @functools.cached_property
    def thresholds(self) -> np.ndarray:
        """``(P,)``, rising: half-way between confidences, so that rounding elsewhere moves no row across."""
        between = (self.confidences[:-1] + self.confidences[1:]) / 2
        ends = (np.array([NONE]), np.array([ALL])) if len(self.confidences) else (np.array([NONE]), np.zeros(0))
        return np.concatenate([ends[0], between, ends[1]])

    def __len__(self) -> int:
        return len(self.shares)

    def __getitem__(self, index: int) -> Point:
        share = float(self.shares[index])
        usd = None if self.usd_per_call is None else 1000 * share * self.usd_per_call
        return Point(float(self.thresholds[index]), share, float(self.values[index]), usd)

    def __iter__(self) -> Iterator[Point]:
        return (self[i] for i in range(len(self)))

    @property
    def alone(self) -> Point:
        """The classifier without calls."""
        return self[0]

    @property
    def everything(self) -> Point:
        """Every row sent."""
        return self[len(self) - 1]

    def at(self, threshold: float) -> Point:
        """Return the point of any threshold."""
        found = self[int(np.searchsorted(self.confidences, threshold, side="left"))]
        return Point(threshold, found.share, found.value, found.usd_per_1000)

    def best(self, *, most_share: float = 1.0, tolerance: float = 0.0) -> Point:
        """Return the highest point with at most a share of rows sent; of nearly equal ones that with fewest calls.

        Args:
            most_share: Most that may be sent.
            tolerance: How much of the metric may be given up for fewer calls.
        """
        allowed = self.values[self.shares <= most_share + 1e-12]
        return self[int(np.flatnonzero(allowed >= allowed.max() - tolerance - 1e-12)[0])]

    def cheapest(self, least: float, *, most_share: float = 1.0) -> Point | None:
        """Return the point with the fewest calls that reaches a value, None if none does.

        Args:
            least: The value to reach.
            most_share: Most that may be sent.
        """
        good = np.flatnonzero((self.values >= least) & (self.shares <= most_share + 1e-12))
        return self[int(good[0])] if len(good) else None

    def budget_share(self, usd_per_1000: float) -> float | None:
        """Return the share of rows that a budget pays for, at most 1; None if a call's price is unknown."""
        if self.usd_per_call is None:
            return None
        return 1.0 if self.usd_per_call == 0 else min(1.0, usd_per_1000 / (1000 * self.usd_per_call))

    def to_json(
        self, *, most: int = SHOWN, chosen: Point | None = None, budget_share: float | None = None
    ) -> dict[str, Any]:
        """Return what a chart needs: at most so many points, the chosen one and the line of the budget.

        Args:
            most: Points to keep, evenly over the share of rows sent, ends included.
            chosen: The point in use.
            budget_share: Where the budget's vertical line stands.
        """
        wanted = np.linspace(0, 1, min(most, len(self)))
        kept = sorted({0, len(self) - 1, *np.searchsorted(self.shares, wanted).clip(0, len(self) - 1).tolist()})
        usd = None if self.usd_per_call is None else (1000 * self.usd_per_call * self.shares[kept]).tolist()
        return {
            "metric": self.metric,
            "rows": self.rows,
            "threshold": self.thresholds[kept].tolist(),
            "share": self.shares[kept].tolist(),
            "value": self.values[kept].tolist(),
            "usd_per_1000": usd,
            "chosen": None if chosen is None else {"share": chosen.share, "value": chosen.value},
            "budget_share": budget_share,
        }

    def __repr__(self) -> str:
        return f"{self.metric} {self.alone.value:.4f} alone, best {self.best()!r}, {self.everything.value:.4f} all sent"


def metric_of(name: str) -> CountMetric:
    """Return a metric of predicted labels by its name.

    Raises:
        SettingsError: If there is none, or it needs probabilities.
    """
    metric: Metric = metrics_of([name], where="route.metric")[0]
    if not isinstance(metric, CountMetric):
        raise SettingsError(f"route.metric: expected a metric of predicted labels, e.g. macro_f1, got {name!r}")
    return metric


def curve_of(
    confidence: np.ndarray,
    labels: tuple[np.ndarray, np.ndarray, np.ndarray],
    *,
    classes: int,
    metric: CountMetric,
    usd_per_call: float | None = None,
) -> Curve:
    """Return the curve; a point for every distinct confidence, by running sums.

    Args:
        confidence: ``(N,)``, the classifier's.
        labels: Three times ``(N,)`` columns: the truth, the classifier's alone, and the two models' together.
        classes: ``K``.
        metric: A metric of predicted labels.
        usd_per_call: What sending one row costs.
    """
    truth, alone, together = labels
    order = np.argsort(confidence, kind="stable")
    one_hot = np.eye(classes)
    before, after, true = (one_hot[column[order]] for column in (alone, together, truth))
    zero = np.zeros((1, classes))
    predicted = before.sum(axis=0) + np.concatenate([zero, np.cumsum(after - before, axis=0)])
    right = (before * true).sum(axis=0) + np.concatenate([zero, np.cumsum((after - before) * true, axis=0)])
    rising = confidence[order]
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(rising)) + 1, [len(rising)]]).astype(np.int64)
    there = np.broadcast_to(true.sum(axis=0), (len(cuts), classes))
    sums = np.concatenate([right[cuts], predicted[cuts], there], axis=1)
    values = metric.of_part(sums, sums)
    return Curve(metric.kind, len(rising), rising[cuts[:-1]], cuts / len(rising), values, usd_per_call)
