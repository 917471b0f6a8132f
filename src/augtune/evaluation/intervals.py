"""Intervals: between which values a measured number may well lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from augtune.core.dataset import HumanDataset
from augtune.core.seeds import generator
from augtune.core.tables import Predictions
from augtune.evaluation.answers import aligned, truth_of
from augtune.evaluation.metrics import Metric
from augtune.evaluation.resample import pooled, resample, run_weights

__all__ = ["Interval", "mean_intervals", "percentile_interval"]


@dataclass(frozen=True, slots=True)
class Interval:
    """Two ends.

    Args:
        low: The lower end.
        high: The upper end.
    """

    low: float
    high: float

    def to_json(self) -> list[float]:
        """Return ``[low, high]``."""
        return [self.low, self.high]

    def __contains__(self, value: object) -> bool:
        return isinstance(value, (int, float)) and self.low <= value <= self.high

    def __repr__(self) -> str:
        return f"[{self.low:.3f}, {self.high:.3f}]"


def percentile_interval(resampled: np.ndarray, level: float = 0.95) -> Interval:
    """Return the middle ``level`` of resampled values (Efron 1981)."""
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def mean_intervals(
    runs: Sequence[Predictions],
    truth: HumanDataset,
    metrics: Sequence[Metric],
    *,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
    groups: Sequence[int] | None = None,
) -> Mapping[str, Interval]:
    """Return the interval of each metric's mean over runs, by a bootstrap of the rows and of the runs.

    It says how the mean could come out on other rows and with other seeds. With one run it is about the rows alone.
    With few runs it is rough: five seeds say little of how seeds vary.

    Args:
        runs: Predictions of the same method, one per seed.
        truth: The test rows.
        metrics: What to compute.
        resamples: How many.
        level: Share of resamples inside.
        seed: Of the chance used.
        groups: The draw of the data each run belongs to; draws are then resampled, each with its runs.

    Raises:
        DataError: If a row has no prediction or labels differ.
    """
    random = generator(seed, "interval")
    weights = run_weights(len(runs), resamples, random, groups)
    values = resample(aligned(runs, truth), truth_of(truth), metrics, resamples=resamples, random=random)
    return {kind: percentile_interval(pooled(found, weights), level) for kind, found in values.items()}
