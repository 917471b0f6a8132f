"""Metrics of rows that may have several labels."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from augtune.core.task import TaskName
from augtune.evaluation.answers import marked
from augtune.evaluation.metrics import Metric, ratio

__all__ = ["HammingLoss"]


class HammingLoss(Metric):
    """Share of all decisions, one for each row and label, that are wrong."""

    kind: ClassVar[str] = "hamming_loss"
    title: ClassVar[str] = "Hamming loss"
    higher_is_better: ClassVar[bool] = False
    tasks: ClassVar[tuple[TaskName, ...]] = ("multi_label",)
    needs_probabilities: ClassVar[bool] = False

    def row_sums(self, probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return ``(N, 2)``: the share of the row's decisions that are wrong, and 1."""
        predicted, true = marked(probabilities, truth)
        return np.stack([(predicted != true).mean(axis=1), np.ones(len(truth))], axis=1)

    def of(self, sums: np.ndarray) -> np.ndarray:
        """Return the mean."""
        return ratio(sums[..., 0], sums[..., 1])
