"""Predictions and Weights: what one step hands to the next about rows, as tables keyed by row id."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from augtune.core.errors import DataError
from augtune.core.labels import Labels
from augtune.core.task import LabelValue

__all__ = ["Predictions", "Weights"]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Class probabilities of rows, whoever made them: a classifier, a checker or a language model.

    Args:
        ids: Row ids, ``N`` distinct strings.
        probabilities: ``(N, K)`` float64; every row sums to 1 (to 1e-4; it is then made exact), unless rows may have
            several labels: each number is then a probability by itself.
        labels: The ``K`` classes, in column order.
        made_by: Name of the model that made them.
        model: Fingerprint of that model, or None if unknown.
        decided: ``(N, K)`` which labels are predicted, where rows may have several and they are not those of 0.5 and
            above; else None.

    Raises:
        DataError: If shapes disagree, an id is repeated or a row is no distribution.
    """

    ids: tuple[str, ...]
    probabilities: np.ndarray
    labels: Labels
    made_by: str = "unknown"
    model: str | None = None
    decided: np.ndarray | None = None

    def __post_init__(self) -> None:
        array = np.asarray(self.probabilities, dtype=np.float64)
        if array.shape != (len(self.ids), len(self.labels)):
            raise DataError(
                f"predictions: expected shape ({len(self.ids)}, {len(self.labels)}), got {tuple(array.shape)}."
            )
        if len(set(self.ids)) != len(self.ids):
            raise DataError("predictions: ids have to be unique.")
        rule = self.labels.rule
        wrong = rule.faults(array)
        if len(wrong):
            row = int(wrong[0])
            raise DataError(f"predictions: row {row} ({self.ids[row]}): {rule.fault(array[row])}.")
        if self.decided is not None and np.shape(self.decided) != array.shape:
            raise DataError(f"predictions: expected {array.shape} decisions, got {np.shape(self.decided)}.")
        array = rule.exact(array)
        array.setflags(write=False)
        object.__setattr__(self, "ids", tuple(self.ids))
        object.__setattr__(self, "probabilities", array)

    @functools.cached_property
    def marks(self) -> np.ndarray:
        """Which labels are predicted of each row, ``(N, K)`` booleans."""
        return self.labels.rule.marks(self.probabilities) if self.decided is None else np.asarray(self.decided, bool)

    @functools.cached_property
    def indices(self) -> np.ndarray:
        """Column of the most probable class per row, ``(N,)``; the first of equals.

        Raises:
            DataError: If rows may have several labels.
        """
        self.labels.one_each(f"predictions of {self.made_by}: this")
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def predicted(self) -> tuple[str, ...]:
        """Name of the most probable class per row; where a row may have several labels, all that are predicted."""
        if self.labels.has_many:
            return tuple(map(self.labels.text_of, self._named()))
        return tuple(self.labels[int(k)] for k in self.indices)

    @property
    def confidence(self) -> np.ndarray:
        """Probability of the most probable class per row, ``(N,)``.

        Where a row may have several labels, the mean over labels of the probability of what is said of them.
        """
        if self.labels.has_many:
            return np.asarray(np.where(self.marks, self.probabilities, 1 - self.probabilities).mean(axis=1))
        return np.asarray(self.probabilities.max(axis=1))

    @property
    def expected(self) -> np.ndarray:
        """Expected position of each row on the scale of labels with an order, ``(N,)``.

        Raises:
            DataError: If the labels have no order.
        """
        return np.asarray(self.probabilities @ np.array(self.labels.positions))

    def _named(self) -> list[list[str]]:
        return [[name for name, has in zip(self.labels, row, strict=True) if has] for row in self.marks]

    def aligned(self, ids: Iterable[str]) -> Predictions:
        """Return the predictions of the given ids, in their order.

        Raises:
            DataError: If one of them has no prediction.
        """
        wanted = tuple(ids)
        if wanted == self.ids:
            return self
        place = {name: i for i, name in enumerate(self.ids)}
        missing = [name for name in wanted if name not in place]
        if missing:
            raise DataError(f"predictions of {self.made_by}: no row {missing[0]!r} ({len(missing)} rows are missing).")
        rows = np.array([place[name] for name in wanted], dtype=np.int64)
        decided = None if self.decided is None else self.decided[rows]
        return Predictions(wanted, self.probabilities[rows], self.labels, self.made_by, self.model, decided)

    def in_order(self, labels: Labels) -> Predictions:
        """Return the predictions with the columns in the order of the given labels.

        Raises:
            DataError: If these are other labels.
        """
        if labels.names == self.labels.names:
            return self
        if set(labels.names) != set(self.labels.names):
            raise DataError(f"predictions of {self.made_by}: expected the labels {labels}, got {self.labels}.")
        columns = [self.labels.index(name) for name in labels]
        decided = None if self.decided is None else self.decided[:, columns]
        return Predictions(self.ids, self.probabilities[:, columns], labels, self.made_by, self.model, decided)

    def to_rows(self, truth: Mapping[str, LabelValue] | None = None) -> Iterable[dict[str, Any]]:
        """Yield one JSON object per row: id, label (where the truth is given), predicted, probabilities.

        Where a row may have several labels, label and predicted are lists of names; where labels have an order,
        ``expected`` is the row's expected position.
        """
        expected = self.expected if self.labels.task == "ordinal" else None
        predicted: Sequence[LabelValue] = self._named() if self.labels.has_many else self.predicted
        for i, name in enumerate(self.ids):
            row: dict[str, Any] = {"id": name}
            if truth is not None:
                row["label"] = truth[name]
            row["predicted"] = predicted[i]
            if expected is not None:
                row["expected"] = float(expected[i])
            row["probabilities"] = dict(zip(self.labels, map(float, self.probabilities[i]), strict=True))
            yield row

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]], labels: Labels, *, made_by: str = "unknown") -> Predictions:
        """Return the predictions that JSON objects of ``to_rows`` describe.

        A row without probabilities counts as certain of what it predicted.
        """
        ids, table, said = [], [], []
        for row in rows:
            ids.append(str(row["id"]))
            soft = row.get("probabilities")
            named = row["predicted"]
            said.append(_marked(named if isinstance(named, (list, tuple)) else [str(named)], labels))
            table.append([float(soft[name]) for name in labels] if soft else said[-1])
        shape = (len(ids), len(labels))
        decided = np.array(said, dtype=bool).reshape(shape) if labels.has_many else None
        return cls(tuple(ids), np.array(table, dtype=np.float64).reshape(shape), labels, made_by, decided=decided)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        mean = f" · mean confidence {self.confidence.mean():.2f}" if len(self) else ""
        return f"{len(self)} predictions{mean}"


def _marked(names: Sequence[str], labels: Labels) -> list[float]:
    """Return ``K`` numbers: 1 for the labels that are named."""
    marks = [0.0] * len(labels)
    for name in names:
        marks[labels.index(name)] = 1.0
    return marks


@dataclass(frozen=True, eq=False)
class Weights:
    """How much each row counts in training.

    Args:
        ids: Row ids, ``N`` of them.
        values: ``(N,)`` float64, finite, not negative.

    Raises:
        DataError: If shapes disagree or a value is negative, infinite or NaN.
    """

    ids: tuple[str, ...]
    values: np.ndarray

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float64)
        if values.shape != (len(self.ids),):
            raise DataError(f"weights: expected shape ({len(self.ids)},), got {tuple(values.shape)}.")
        if not np.isfinite(values).all() or (values < 0).any():
            raise DataError("weights: every value has to be finite and not negative.")
        values = values.copy()
        values.setflags(write=False)
        object.__setattr__(self, "values", values)

    @property
    def effective_size(self) -> float:
        """Effective sample size (sum w)^2 / sum w^2 (Kish 1965), between 1 and ``N``; 0 without weight."""
        total = float(self.values.sum())
        return total**2 / float((self.values**2).sum()) if total > 0 else 0.0

    @property
    def effective_share(self) -> float:
        """Effective sample size over ``N``, in [0, 1]."""
        return self.effective_size / len(self.ids) if self.ids else 0.0

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        if not len(self):
            return "no weights"
        low, middle, high = np.quantile(self.values, [0, 0.5, 1])
        return f"min {low:.2f} · median {middle:.2f} · max {high:.1f} · ESS {self.effective_share:.0%}"
