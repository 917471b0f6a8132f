"""Task: what a row's labels are, and what follows for targets, probabilities and predictions.

The one place that knows how tasks differ. Values carry their task with their ``Labels``; nobody else has to ask.

Shapes: ``N`` rows, ``K`` labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

__all__ = ["TASKS", "LabelValue", "MultiLabel", "Ordinal", "SingleLabel", "Task", "TaskName", "unfit"]

TaskName = Literal["single_label", "multi_label", "ordinal"]
LabelValue = str | list[str]
"""A row's label as JSON has it: a name, or a list of names where a row may have several."""

TOLERANCE = 1e-6


class Task:
    """What a row's labels are; by itself one of several classes, each row's probabilities a distribution."""

    name: ClassVar[TaskName] = "single_label"
    expected: ClassVar[str] = "that sum to 1"
    """What a row's probabilities have to be, in words."""

    def is_target(self, row: Sequence[float | None]) -> bool:
        """Return whether ``K`` numbers are a soft label."""
        return all(p is not None and 0 <= p <= 1 for p in row) and abs(sum(p or 0 for p in row) - 1) <= TOLERANCE

    def faults(self, table: np.ndarray) -> np.ndarray:
        """Return the positions of the rows of an ``(N, K)`` table that are no probabilities, even roughly (1e-4)."""
        sums = table.sum(axis=1) if len(table) else np.ones(0)
        return np.flatnonzero(~np.isfinite(table).all(axis=1) | (table < 0).any(axis=1) | (np.abs(sums - 1) > 1e-4))

    def fault(self, row: np.ndarray) -> str:
        """Return what is wrong with ``(K,)`` numbers that are no probabilities."""
        return f"probabilities sum to {row.sum():.6g}, expected 1"

    def exact(self, table: np.ndarray) -> np.ndarray:
        """Return an ``(N, K)`` table without faults made exact: its rows sum to 1."""
        return np.asarray(table / table.sum(axis=1)[:, None]) if len(table) else table

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Return the ``(N, K)`` probabilities that a classifier's scores stand for: softmax."""
        if not len(scores):
            return scores
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def marks(self, probabilities: np.ndarray, thresholds: Sequence[float] | None = None) -> np.ndarray:
        """Return ``(N, K)`` True for the labels that are predicted: the most probable one, the first of equals.

        Args:
            probabilities: ``(N, K)``.
            thresholds: Where rows may have several labels, the probability from which each is predicted.
        """
        return np.asarray(np.eye(probabilities.shape[1], dtype=bool)[probabilities.argmax(axis=1)])


class SingleLabel(Task):
    """Every row has one label, and the labels have no order."""


class Ordinal(Task):
    """Every row has one label, and the labels have an order: stars, grades, degrees of anger."""

    name: ClassVar[TaskName] = "ordinal"


class MultiLabel(Task):
    """A row has any number of labels, none included; each label has a probability of its own."""

    name: ClassVar[TaskName] = "multi_label"
    expected: ClassVar[str] = "from 0 to 1"
    threshold: ClassVar[float] = 0.5

    def is_target(self, row: Sequence[float | None]) -> bool:
        """Return whether ``K`` numbers are a soft label: each is a probability by itself."""
        return all(p is not None and 0 <= p <= 1 for p in row)

    def faults(self, table: np.ndarray) -> np.ndarray:
        """Return the positions of the rows with a number that is no probability, even roughly (1e-6)."""
        wrong = ~np.isfinite(table) | (table < -TOLERANCE) | (table > 1 + TOLERANCE)
        return np.flatnonzero(wrong.any(axis=1))

    def fault(self, row: np.ndarray) -> str:
        """Return what is wrong with ``(K,)`` numbers that are no probabilities."""
        worst = next(float(p) for p in row if not -TOLERANCE <= p <= 1 + TOLERANCE)
        return f"{worst:.6g} is no probability, expected 0 to 1"

    def exact(self, table: np.ndarray) -> np.ndarray:
        """Return the table with rounding over the ends taken off."""
        return np.asarray(table.clip(0, 1))

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Return the ``(N, K)`` probabilities that scores stand for: the sigmoid of each."""
        small = np.exp(-np.abs(scores))  # never overflows
        return np.asarray(np.where(scores >= 0, 1, small) / (1 + small))

    def marks(self, probabilities: np.ndarray, thresholds: Sequence[float] | None = None) -> np.ndarray:
        """Return ``(N, K)`` True for the labels whose probability reaches the threshold, by default 0.5."""
        return np.asarray(probabilities >= (self.threshold if thresholds is None else np.asarray(thresholds)))


TASKS: Mapping[str, Task] = {task.name: task for task in (SingleLabel(), MultiLabel(), Ordinal())}


def unfit(who: str, tasks: Sequence[TaskName], task: str) -> str:
    """Return the problem that something is not made for a task, in words.

    Args:
        who: What it is, e.g. ``recipe dimp``.
        tasks: The tasks it is made for.
        task: The task at hand.
    """
    return f"{who}: made for data.task {' or '.join(tasks)}; here it is {task}"
