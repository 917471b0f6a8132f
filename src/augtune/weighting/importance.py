"""Importance weights of rows from what two checkers say of their labels: quality over diversity (IMP).

Shapes: ``N`` rows, ``K`` classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augtune.core.dataset import Dataset
from augtune.core.errors import DataError, SettingsError
from augtune.core.tables import Predictions, Weights

__all__ = ["WeighedRow", "WeightReport", "importance", "label_probability", "weight_report"]

# e^40 is 2e17: without a clamp, weights and their squares still fit float32.
MAX_LOG_WEIGHT = 40.0


def label_probability(checker: Predictions, rows: Dataset) -> np.ndarray:
    """Return how likely a checker finds each row's label, ``(N,)`` in [0, 1].

    For a soft label that is the expected probability sum_k t_k p_k: the chance that a label drawn from the row's
    soft label and one drawn from the checker's agree.

    Args:
        checker: Predictions that cover every row; any order, more rows than needed are fine.
        rows: The rows to weigh.

    Raises:
        DataError: If a row has no prediction, or the labels differ or are in another order.
    """
    if checker.labels.names != rows.labels.names:
        raise DataError(
            f"predictions of {checker.made_by}: expected the labels {rows.labels} in this order, got {checker.labels}."
        )
    return np.asarray((rows.targets() * checker.aligned(rows.ids).probabilities).sum(axis=1))


def importance(
    quality: Predictions,
    diversity: Predictions | None,
    rows: Dataset,
    *,
    gamma: float = 1.0,
    clamp: float | None = 10.0,
    normalise: bool = False,
) -> Weights:
    """Return IMP's weight per row, (q / d)^gamma (Kuo et al., ICLR 2025).

    ``q`` is what a checker trained on trusted rows says of the label, ``d`` what one trained on the generated rows
    says: a row counts more when its label is right, and less when many rows teach the same. The ratio is taken in log
    space. Where ``d`` comes from a checker trained on the very rows it scores, it nears 1 on what that checker has
    memorised; cross-fit it.

    Args:
        quality: Predictions of the quality checker for every row.
        diversity: Predictions of the diversity checker, or None: the weight is quality alone, q^gamma.
        rows: The rows to weigh.
        gamma: Exponent, above 0; below 1 evens weights out.
        clamp: Largest weight before normalising. By default 10: a label has to be ten times likelier to the one
            checker than to the other before more makes no difference. None: the paper's, without bound (but for e^40).
        normalise: Divide by the mean, so that weights average 1 and the size of a step stays what it was.

    Raises:
        SettingsError: If ``gamma`` or ``clamp`` is not positive.
        DataError: If a row has no prediction, the labels differ, or every weight is 0 and ``normalise`` is on.
    """
    for name, value in (("gamma", gamma), ("clamp", clamp)):
        if value is not None and not value > 0:
            raise SettingsError(f"{name}: expected a number above 0, got {value!r}")
    tiny = np.finfo(np.float64).tiny
    chance = label_probability(quality, rows)
    logs = np.log(np.maximum(chance, tiny))
    if diversity is not None:
        logs = logs - np.log(np.maximum(label_probability(diversity, rows), tiny))
    bound = MAX_LOG_WEIGHT if clamp is None else min(np.log(clamp), MAX_LOG_WEIGHT)
    values = np.where(chance > 0, np.exp(np.minimum(gamma * logs, bound)), 0.0)
    if normalise and len(values):
        mean = values.mean()
        if mean == 0:
            raise DataError("importance: every weight is 0: the quality checker finds no row's label possible.")
        values = values / mean
    return Weights(rows.ids, values)


@dataclass(frozen=True, slots=True)
class WeighedRow:
    """A row and its weight.

    Args:
        id: The row's id.
        text: Its text.
        label: Its label.
        weight: Its weight.
    """

    id: str
    text: str
    label: str
    weight: float

    def __repr__(self) -> str:
        text = self.text if len(self.text) <= 60 else self.text[:59] + "…"
        return f"{self.weight:.2f} {self.id} {text!r} → {self.label}"


@dataclass(frozen=True, slots=True)
class WeightReport:
    """What weights do to a dataset, to be looked at before training.

    Args:
        weights: The weights.
        effective_size: Rows they are worth, (sum w)^2 / sum w^2; a small one means few rows own the training.
        heaviest: The rows that count most, heaviest first.
        lightest: The rows that count least, lightest first: often the mislabelled ones.
    """

    weights: Weights
    effective_size: float
    heaviest: tuple[WeighedRow, ...]
    lightest: tuple[WeighedRow, ...]

    def __repr__(self) -> str:
        lines = [f"{len(self.weights)} rows worth {self.effective_size:.0f} · {self.weights}"]
        lines += ["heaviest", *(f"  {row}" for row in self.heaviest)]
        lines += ["lightest", *(f"  {row}" for row in self.lightest)]
        return "\n".join(lines)


def weight_report(weights: Weights, rows: Dataset, *, count: int = 5) -> WeightReport:
    """Return the effective size and the rows at both ends.

    Args:
        weights: One weight per row, in the order of ``rows``.
        rows: The rows.
        count: How many rows at each end.

    Raises:
        DataError: If the weights are not those of ``rows``.
    """
    if tuple(weights.ids) != rows.ids:
        raise DataError(f"weights: expected one for each row of {rows.name}, in order; the ids differ.")
    order = np.argsort(weights.values, kind="stable")
    light = [int(i) for i in order[:count]]
    heavy = [int(i) for i in order[::-1][:count]]

    def found(indices: list[int]) -> tuple[WeighedRow, ...]:
        return tuple(
            WeighedRow(rows.ids[i], rows.texts[i], rows.label_names[i], float(weights.values[i])) for i in indices
        )

    return WeightReport(weights, weights.effective_size, found(heavy), found(light))
