"""Metrics: each a sum over rows and a function of that sum, so that resampling rows is one matrix product.

Shapes: ``N`` rows, ``K`` classes, ``C`` sums; ``...`` any number of leading dimensions, such as resamples.

The metrics of hard predictions need three counts per class: rows predicted right, rows predicted as the class, rows
that are of the class. ``(..., 3, K)`` of them replace the ``(K, K)`` confusion matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from augtune.core.errors import SettingsError
from augtune.core.labels import Labels
from augtune.core.settings import Settings
from augtune.core.task import TaskName, unfit
from augtune.evaluation import METRICS
from augtune.evaluation.answers import decided, marked, right

__all__ = [
    "BY_TASK",
    "DEFAULT_METRICS",
    "Accuracy",
    "BalancedAccuracy",
    "Brier",
    "ClassF1",
    "CountMetric",
    "Ece",
    "MacroF1",
    "Mcc",
    "Metric",
    "MicroF1",
    "Nll",
    "SubsetAccuracy",
    "WeightedF1",
    "confidence_bins",
    "metrics_of",
    "ratio",
]

DEFAULT_METRICS = ("macro_f1", "accuracy")
BY_TASK: Mapping[str, tuple[str, ...]] = {
    "multi_label": ("macro_f1", "micro_f1", "accuracy"),
    "ordinal": ("mae", "qwk", "accuracy"),
}
"""What tells most of tasks other than one label per row."""
EVERY: tuple[TaskName, ...] = ("single_label", "ordinal", "multi_label")


class Metric(Settings):
    """Base of the metrics.

    A subclass sets ``kind``, ``title`` (how reports name it) and ``higher_is_better``, and says what is summed over
    rows and what the metric is, given the sums.
    """

    title: ClassVar[str] = ""
    higher_is_better: ClassVar[bool] = True
    is_share: ClassVar[bool] = True
    """Whether a difference of 0.01 is a percentage point; False for metrics in units of their own."""
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal")
    """The tasks it is defined for."""
    needs_probabilities: ClassVar[bool] = True
    """False if the predicted labels are all it looks at."""
    counts_classes: ClassVar[bool] = False
    """Whether every class counts the same, however few rows it has."""

    def bound(self, labels: Labels) -> Metric:
        """Return the metric as it is measured on rows of these labels.

        Raises:
            SettingsError: If it is not defined for their task.
        """
        if labels.task not in self.tasks:
            raise SettingsError(unfit(f"metric {self.kind}", self.tasks, labels.task))
        return self

    @property
    def key(self) -> str:
        """What its values are called; ``kind`` unless the settings make several of it."""
        return self.kind

    @property
    def adds_up(self) -> bool:
        """Whether it is a function of sums over rows; a metric of ranks is not."""
        return type(self).row_sums is not Metric.row_sums

    def row_sums(self, probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return what each row adds to the sums, ``(N, C)``.

        Args:
            probabilities: ``(N, K)``.
            truth: ``(N,)`` column of each row's label. Where rows may have several labels, both arrays are those that
                ``augtune.evaluation.answers`` describes.
        """
        raise NotImplementedError

    def looks_at(self, answers: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return what of runs' answers it depends on, ``(M, N, ...)``: rows in which two agree there are alike to it.

        Args:
            answers: ``(M, N, K)`` or ``(M, N, 2K)``.
            truth: As for ``row_sums``.
        """
        return answers if self.needs_probabilities else decided(answers, truth)

    def of(self, sums: np.ndarray) -> np.ndarray:
        """Return the metric of each set of sums: ``(..., C)`` to ``(...)``."""
        raise NotImplementedError

    def of_part(self, sums: np.ndarray, whole: np.ndarray) -> np.ndarray:
        """Return the metric of each set of sums, given those of all the rows that these are drawn from.

        It is ``of``, but for metrics that ask of all rows which labels there are to count.

        Args:
            sums: ``(..., C)``.
            whole: The same over all rows, ``(C,)`` or as many leading dimensions as can be matched.
        """
        return self.of(sums)

    def value(self, probabilities: np.ndarray, truth: np.ndarray) -> float:
        """Return the metric over all rows."""
        sums = self.row_sums(probabilities, truth).sum(axis=0)
        return float(self.of_part(sums, sums))

    def scorer(self, probabilities: np.ndarray, truth: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Return a function from how often each row counts, ``(R, N)``, to the metric each time, ``(R,)``."""
        sums = self.row_sums(probabilities, truth)
        return lambda weights: self.of(weights @ sums)


class CountMetric(Metric):
    """Base of the metrics of hard predictions; all of them share the same sums."""

    needs_probabilities: ClassVar[bool] = False

    def row_sums(self, probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return ``(N, 3K)``: 1 for the classes predicted right, for those predicted and for the true ones."""
        predicted, true = marked(probabilities, truth)
        return np.concatenate([predicted * true, predicted, true], axis=1)

    def of(self, sums: np.ndarray) -> np.ndarray:
        """Return the metric of each set of counts, ``(..., 3K)`` to ``(...)``."""
        return self.of_counts(*_by_class(sums))

    def of_counts(self, right: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Return the metric from counts per class, each ``(..., K)``: predicted right, predicted, true."""
        raise NotImplementedError


class Accuracy(CountMetric):
    """Share of rows predicted right; where a row may have several labels, all of them (subset accuracy)."""

    kind: ClassVar[str] = "accuracy"
    title: ClassVar[str] = "accuracy"
    tasks: ClassVar[tuple[TaskName, ...]] = EVERY

    def bound(self, labels: Labels) -> Metric:
        """Return itself, or where a row may have several labels, the share of rows with exactly the right ones."""
        return SubsetAccuracy() if labels.has_many else self

    def looks_at(self, answers: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return whether rows are right, ``(M, N)``."""
        return right(answers, truth)

    def of_counts(self, right: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Return rows predicted right over rows."""
        return ratio(right.sum(axis=-1), true.sum(axis=-1))


class SubsetAccuracy(Metric):
    """What accuracy is where a row may have several labels: the share of rows with exactly the right ones."""

    kind: ClassVar[str] = "accuracy"
    title: ClassVar[str] = "subset accuracy"
    tasks: ClassVar[tuple[TaskName, ...]] = ("multi_label",)
    needs_probabilities: ClassVar[bool] = False

    def row_sums(self, probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return ``(N, 2)``: 1 if the row is right, and 1."""
        return np.stack([right(probabilities, truth), np.ones(len(truth))], axis=1)

    def looks_at(self, answers: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return whether rows are right, ``(M, N)``."""
        return right(answers, truth)

    def of(self, sums: np.ndarray) -> np.ndarray:
        """Return the mean."""
        return ratio(sums[..., 0], sums[..., 1])


class MicroF1(CountMetric):
    """F1 of all decisions together, so that common labels count more; of rows with one label each it is accuracy."""

    kind: ClassVar[str] = "micro_f1"
    title: ClassVar[str] = "micro-F1"
    tasks: ClassVar[tuple[TaskName, ...]] = EVERY

    def of_counts(self, right: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Return 2 right / (predicted + true), each summed over labels."""
        return ratio(2 * right.sum(axis=-1), predicted.sum(axis=-1) + true.sum(axis=-1))


class MacroF1(CountMetric):
    """Mean of F1 over the labels that are true or predicted somewhere in the rows measured, as in scikit-learn."""

    kind: ClassVar[str] = "macro_f1"
    title: ClassVar[str] = "macro-F1"
    counts_classes: ClassVar[bool] = True
    tasks: ClassVar[tuple[TaskName, ...]] = EVERY

    def of_counts(self, right: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Return the mean of 2 right / (predicted + true) over all labels, 0 where nothing is true or predicted."""
        return np.asarray(ratio(2 * right, predicted + true).mean(axis=-1))

    def of_part(self, sums: np.ndarray, whole: np.ndarray) -> np.ndarray:
        """Return the mean over the labels that all rows have or are predicted to have.

        A label of the truth that no row drawn is of has no F1 there and is left out: as 0 it would say that it is never
        found, and draw the intervals of many small classes below the estimate.
        """
        right, predicted, true = _by_class(sums)
        _, said, there = _by_class(whole)
        counted = ((said + there) > 0) & ((true > 0) | (there == 0))
        if counted.all():
            return self.of_counts(right, predicted, true)
        found = ratio(2 * right, predicted + true) * counted
        return ratio(found.sum(axis=-1), counted.sum(axis=-1))


class WeightedF1(CountMetric):
    """Mean of F1, each label weighed by how many rows are of it."""

    kind: ClassVar[str] = "weighted_f1"
    title: ClassVar[str] = "weighted F1"
    tasks: ClassVar[tuple[TaskName, ...]] = EVERY

    def of_counts(self, right: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Return the mean of F1 weighed by the true counts."""
        return ratio((ratio(2 * right, predicted + true) * true).sum(axis=-1), true.sum(axis=-1))


class BalancedAccuracy(CountMetric):
    """Mean of recall over the labels that occur in the truth."""

    kind: ClassVar[str] = "balanced_accuracy"
    title: ClassVar[str] = "balanced accuracy"
    counts_classes: ClassVar[bool] = True

    def of_counts(self, right: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Return the mean of right / true over labels with rows."""
        return ratio(ratio(right, true).sum(axis=-1), (true > 0).sum(axis=-1))


class ClassF1(CountMetric):
    """F1 of one label; ``compare_classes`` makes one for each."""

    kind: ClassVar[str] = "class_f1"
    title: ClassVar[str] = "F1"
    tasks: ClassVar[tuple[TaskName, ...]] = EVERY

    column: int = Field(ge=0)
    """Place of the label among the labels."""
    label: str
    """Its name."""

    @property
    def key(self) -> str:
        """``F1 of LABEL``."""
        return f"F1 of {self.label}"

    def looks_at(self, answers: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return whether the label is predicted, ``(M, N)``."""
        said = decided(answers, truth)
        return said[..., self.column] if truth.ndim == 2 else said[..., 0] == self.column

    def of_counts(self, right: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Return 2 right / (predicted + true) of the label."""
        k = self.column
        return ratio(2 * right[..., k], predicted[..., k] + true[..., k])


class Mcc(CountMetric):
    """Matthews correlation of truth and prediction for any number of classes (Gorodkin 2004); 0 if undefined."""

    kind: ClassVar[str] = "mcc"
    title: ClassVar[str] = "MCC"

    def of_counts(self, right: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Return the correlation, in [-1, 1]."""
        rows = true.sum(axis=-1)
        shared = right.sum(axis=-1) * rows - (predicted * true).sum(axis=-1)
        spread = (rows**2 - (predicted**2).sum(axis=-1)) * (rows**2 - (true**2).sum(axis=-1))
        return ratio(shared, np.sqrt(np.maximum(spread, 0)))


class Nll(Metric):
    """Mean of -log of the true label's probability, in nats; a probability under 2.2e-16 counts as that."""

    kind: ClassVar[str] = "nll"
    title: ClassVar[str] = "NLL"
    higher_is_better: ClassVar[bool] = False
    is_share: ClassVar[bool] = False

    def row_sums(self, probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return ``(N, 2)``: -log p of the true label, and 1."""
        own = probabilities[np.arange(len(truth)), truth]
        return np.stack([-np.log(np.maximum(own, np.finfo(np.float64).eps)), np.ones(len(truth))], axis=1)

    def of(self, sums: np.ndarray) -> np.ndarray:
        """Return the mean."""
        return ratio(sums[..., 0], sums[..., 1])


class Brier(Metric):
    """Mean over rows of the squared error of the probabilities, summed over classes: 0 to 2 (Brier 1950)."""

    kind: ClassVar[str] = "brier"
    title: ClassVar[str] = "Brier score"
    higher_is_better: ClassVar[bool] = False

    def row_sums(self, probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return ``(N, 2)``: the squared error, and 1."""
        error = probabilities - np.eye(probabilities.shape[1])[truth]
        return np.stack([(error**2).sum(axis=1), np.ones(len(truth))], axis=1)

    def of(self, sums: np.ndarray) -> np.ndarray:
        """Return the mean."""
        return ratio(sums[..., 0], sums[..., 1])


class Ece(Metric):
    """Expected calibration error: mean gap between confidence and accuracy, in bins of confidence (Guo et al. 2017).

    Of few rows it comes out too high, and resamples of them higher still: read its interval with that in mind.
    """

    kind: ClassVar[str] = "ece"
    title: ClassVar[str] = "ECE"
    higher_is_better: ClassVar[bool] = False

    bins: int = Field(default=15, ge=1, le=1000)
    """Bins of equal width from 0 to 1; each holds its upper end."""

    def row_sums(self, probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return ``(N, bins + 1)``: right minus confidence in the row's bin, and 1."""
        confidence = probabilities.max(axis=1)
        right = probabilities.argmax(axis=1) == truth
        sums = np.zeros((len(truth), self.bins + 1))
        sums[np.arange(len(truth)), confidence_bins(confidence, self.bins)] = right - confidence
        sums[:, -1] = 1
        return sums

    def of(self, sums: np.ndarray) -> np.ndarray:
        """Return the sum over bins of the absolute gap, over rows."""
        return ratio(np.abs(sums[..., :-1]).sum(axis=-1), sums[..., -1])


def metrics_of(wanted: Sequence[str | Mapping[str, Any] | Metric], *, where: str = "metrics") -> tuple[Metric, ...]:
    """Return the metrics of the given names (or mappings with ``kind``, or metrics).

    Raises:
        SettingsError: If none is wanted, one is unknown, or one is named twice.
    """
    if isinstance(wanted, str) or not wanted:
        raise SettingsError(f"{where}: expected a list of metrics, e.g. [macro_f1, accuracy], got {wanted!r}")
    metrics = tuple(METRICS.parse(one, where=f"{where}[{i}]") for i, one in enumerate(wanted))
    keys = [metric.key for metric in metrics]
    for key in keys:
        if keys.count(key) > 1:
            raise SettingsError(f"{where}: {key} is named twice")
    return metrics


def _by_class(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return counts per class, each ``(..., K)``, of sums ``(..., 3K)``: predicted right, predicted, true."""
    counts = sums.reshape(*sums.shape[:-1], 3, -1)
    return counts[..., 0, :], counts[..., 1, :], counts[..., 2, :]


def confidence_bins(confidence: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin of each confidence, ``(N,)`` in 0 .. bins - 1; bins are equally wide and hold their upper end."""
    return np.asarray(np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1))


def ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Return ``top / bottom``, 0 where ``bottom`` is 0."""
    bottom = np.asarray(bottom, dtype=np.float64)
    zeros = np.zeros(np.broadcast_shapes(np.shape(top), bottom.shape))
    return np.asarray(np.divide(top, bottom, out=zeros, where=bottom != 0))
