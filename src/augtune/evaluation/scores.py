"""Scores: what predictions are worth on human-labelled rows, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from augtune.core.dataset import Dataset, HumanDataset
from augtune.core.errors import DataError
from augtune.core.labels import Labels
from augtune.core.tables import Predictions
from augtune.evaluation.answers import Marked, aligned, marked, truth_of
from augtune.evaluation.intervals import Interval, mean_intervals
from augtune.evaluation.metrics import DEFAULT_METRICS, Metric, metrics_of, ratio

__all__ = ["ClassScores", "MeanScores", "Scores", "evaluate", "evaluate_runs", "majority"]


@dataclass(frozen=True, slots=True)
class ClassScores:
    """How well one label is predicted.

    Args:
        precision: Share of rows predicted as the label that are of it; 0 if there are none.
        recall: Share of rows of the label that are predicted as it; 0 if there are none.
        f1: Harmonic mean of the two.
        support: Rows of the label.
    """

    precision: float
    recall: float
    f1: float
    support: int

    def to_json(self) -> dict[str, float | int]:
        """Return the fields as a JSON object."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, eq=False)
class Scores:
    """What predictions are worth.

    Args:
        values: Each metric's value, by its name.
        intervals: Each metric's interval over the rows; empty if none was asked for.
        per_class: Each label's scores, labels in order.
        confusion: ``(K, K)`` counts; row = true label, column = predicted. Where a row may have several labels, the
            diagonal counts a label's rows in which it is found, the rest those in which it is missed and another is
            predicted that the row has not.
        labels: The ``K`` labels.
        made_by: Who made the predictions.
        titles: How reports name the metrics.
    """

    values: Mapping[str, float]
    intervals: Mapping[str, Interval]
    per_class: Mapping[str, ClassScores]
    confusion: np.ndarray
    labels: Labels
    made_by: str = "unknown"
    titles: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, metric: str) -> float:
        """Return a metric's value by name."""
        return self.values[metric]

    def to_json(self) -> dict[str, Any]:
        """Return the metrics by name and ``per_class`` as one JSON object."""
        return {**self.values, "per_class": {name: scores.to_json() for name, scores in self.per_class.items()}}

    def __repr__(self) -> str:
        return _line(self.values, self.intervals, self.titles)


@dataclass(frozen=True, eq=False)
class MeanScores:
    """What a method is worth over several seeds.

    Args:
        per_seed: The scores of each run.
        mean: Each metric's mean over runs.
        std: Each metric's standard deviation over runs (divisor runs - 1); None of a single run.
        intervals: Each metric's interval of the mean, over rows and runs.
        titles: How reports name the metrics.
    """

    per_seed: tuple[Scores, ...]
    mean: Mapping[str, float]
    std: Mapping[str, float | None]
    intervals: Mapping[str, Interval]
    titles: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"{_line(self.mean, self.intervals, self.titles)} · {len(self.per_seed)} runs"


def evaluate(
    predictions: Predictions,
    truth: HumanDataset,
    metrics: Sequence[str | Mapping[str, Any] | Metric] = DEFAULT_METRICS,
    *,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Scores:
    """Return what predictions are worth, with intervals by a bootstrap of the rows.

    Args:
        predictions: For every row of ``truth``; any order, more rows than needed are fine.
        truth: Human-labelled rows.
        metrics: Names of metrics, or metrics.
        resamples: Of the bootstrap; 0 for no intervals.
        level: Share of resamples that intervals hold.
        seed: Of the bootstrap.

    Raises:
        DataError: If there are no rows, a row has no prediction, or labels differ.
        SettingsError: If a metric is unknown.
    """
    measured = _bound(metrics, truth)
    answers, true = aligned([predictions], truth)[0], truth_of(truth)
    intervals: Mapping[str, Interval] = {}
    if resamples:
        intervals = mean_intervals([predictions], truth, measured, resamples=resamples, level=level, seed=seed)
    marks = marked(answers, true)
    return Scores(
        {metric.key: metric.value(answers, true) for metric in measured},
        intervals,
        _per_class(marks, truth.labels),
        _confusion(marks, truth.labels),
        truth.labels,
        predictions.made_by,
        {metric.key: metric.title for metric in measured},
    )


def evaluate_runs(
    runs: Sequence[Predictions],
    truth: HumanDataset,
    metrics: Sequence[str | Mapping[str, Any] | Metric] = DEFAULT_METRICS,
    *,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
    groups: Sequence[int] | None = None,
) -> MeanScores:
    """Return what a method is worth over its runs: each run, their mean, spread and the interval of the mean.

    Args:
        runs: Predictions of the same method, one per seed.
        truth: Human-labelled rows.
        metrics: Names of metrics, or metrics.
        resamples: Of the bootstrap over rows and runs.
        level: Share of resamples that intervals hold.
        seed: Of the bootstrap.
        groups: The draw of the data each run belongs to, where runs of one draw are alike.

    Raises:
        DataError: If there are no runs or rows, a row has no prediction, or labels differ.
        SettingsError: If a metric is unknown.
    """
    measured = _bound(metrics, truth)
    intervals = mean_intervals(runs, truth, measured, resamples=resamples, level=level, seed=seed, groups=groups)
    per_seed = tuple(evaluate(run, truth, measured, resamples=0) for run in runs)
    table = {metric.key: np.array([scores[metric.key] for scores in per_seed]) for metric in measured}
    return MeanScores(
        per_seed,
        {kind: float(values.mean()) for kind, values in table.items()},
        {kind: float(values.std(ddof=1)) if len(values) > 1 else None for kind, values in table.items()},
        intervals,
        {metric.key: metric.title for metric in measured},
    )


def majority(truth: HumanDataset, train: Dataset | None = None) -> Predictions:
    """Return what always predicting the most common label gives: the line any model has to clear.

    The probabilities are the label shares, so that NLL and Brier score have a fair reference too.

    Args:
        truth: The rows to predict.
        train: The rows whose labels are counted; by default ``truth`` itself, the most a constant can reach.

    Raises:
        DataError: If there are no rows to count, or labels differ.
    """
    counted = truth if train is None else train
    if counted.labels.names != truth.labels.names:
        raise DataError(f"majority: expected the labels {truth.labels} in this order, got {counted.labels}.")
    if not len(counted):
        raise DataError(f"majority: {counted.name} has no rows to count labels of.")
    shares = np.array(list(counted.counts().values())) / len(counted)
    return Predictions(truth.ids, np.tile(shares, (len(truth), 1)), truth.labels, made_by="majority")


def _bound(metrics: Sequence[str | Mapping[str, Any] | Metric], truth: HumanDataset) -> tuple[Metric, ...]:
    return tuple(metric.bound(truth.labels) for metric in metrics_of(metrics))


def _confusion(marks: Marked, labels: Labels) -> np.ndarray:
    predicted, true = marks
    if labels.has_many:
        confusion = (true * (1 - predicted)).T @ (predicted * (1 - true)) + np.diag((true * predicted).sum(axis=0))
    else:
        confusion = true.T @ predicted
    counts = np.asarray(confusion, dtype=np.int64)
    counts.setflags(write=False)
    return counts


def _per_class(marks: Marked, labels: Labels) -> dict[str, ClassScores]:
    right, predicted, true = (side.sum(axis=0) for side in (marks.true * marks.predicted, marks.predicted, marks.true))
    precision, recall, f1 = ratio(right, predicted), ratio(right, true), ratio(2 * right, predicted + true)
    return {
        name: ClassScores(float(precision[k]), float(recall[k]), float(f1[k]), int(true[k]))
        for k, name in enumerate(labels)
    }


def _line(values: Mapping[str, float], intervals: Mapping[str, Interval], titles: Mapping[str, str]) -> str:
    parts = []
    for kind, value in values.items():
        between = f" {intervals[kind]}" if kind in intervals else ""
        parts.append(f"{titles.get(kind, kind)} {value:.3f}{between}")
    return " · ".join(parts)
