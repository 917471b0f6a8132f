"""What runs say of the test rows and what is true of them, as arrays that metrics, resamples and tests share.

Shapes: ``M`` runs, ``N`` rows, ``K`` labels; ``...`` any number of leading dimensions.

Where every row has one label, a run's answers are its probabilities, ``(N, K)``, and the truth is the column of each
row's label, ``(N,)``. Where a row may have several, decisions do not follow from probabilities (a label may have a
threshold of its own), so both stand side by side, ``(N, 2K)``: probabilities, then 1 for each label that is predicted.
The truth is then ``(N, K)``, 1 for each label that the row has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from augtune.core.dataset import HumanDataset
from augtune.core.errors import DataError
from augtune.core.rows import check_human
from augtune.core.tables import Predictions

__all__ = ["Marked", "aligned", "decided", "marked", "right", "row_kinds", "truth_of"]


class Marked(NamedTuple):
    """Predicted and true labels of rows, ``(N, K)`` ones and zeros each."""

    predicted: np.ndarray
    true: np.ndarray


def aligned(runs: Sequence[Predictions], truth: HumanDataset) -> np.ndarray:
    """Return the answers of all runs in the order of the test rows, ``(M, N, K)`` or ``(M, N, 2K)``.

    Raises:
        DataError: If there is no row or no run, a row is synthetic or has no prediction, or labels differ.
    """
    if not len(truth):
        raise DataError(f"{truth.name}: there are no rows to evaluate on.")
    check_human(truth)
    if not runs:
        raise DataError("predictions: none were given.")
    for run in runs:
        if run.labels.names != truth.labels.names:
            raise DataError(
                f"predictions of {run.made_by}: expected the labels {truth.labels} in this order, got {run.labels}."
            )
        if run.labels.has_many != truth.labels.has_many:
            raise DataError(f"predictions of {run.made_by}: expected task {truth.labels.task}, got {run.labels.task}.")
    placed = [run.aligned(truth.ids) for run in runs]
    if not truth.labels.has_many:
        return np.stack([run.probabilities for run in placed])
    return np.stack([np.concatenate([run.probabilities, run.marks], axis=1) for run in placed])


def truth_of(truth: HumanDataset) -> np.ndarray:
    """Return the column of each row's label, ``(N,)``, or where a row may have several ``(N, K)`` ones and zeros."""
    return truth.marks.astype(np.float64) if truth.labels.has_many else truth.label_indices


def marked(answers: np.ndarray, truth: np.ndarray) -> Marked:
    """Return which labels are predicted and which are true.

    Args:
        answers: Of one run, ``(N, K)`` or ``(N, 2K)``.
        truth: ``(N,)`` or ``(N, K)``.
    """
    if truth.ndim == 2:
        return Marked(answers[:, truth.shape[1] :], truth)
    one_hot = np.eye(answers.shape[1])
    return Marked(one_hot[answers.argmax(axis=1)], one_hot[truth])


def decided(answers: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the predicted label of each row, ``(..., N, 1)``; of several labels, ones and zeros ``(..., N, K)``.

    Args:
        answers: ``(..., N, K)`` or ``(..., N, 2K)``.
        truth: ``(N,)`` or ``(N, K)``.
    """
    return answers[..., truth.shape[1] :] if truth.ndim == 2 else answers.argmax(axis=-1)[..., None]


def right(answers: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return whether each row is predicted right, ``(..., N)``; of several labels, all of them.

    Args:
        answers: ``(..., N, K)`` or ``(..., N, 2K)``; the mean over runs is their ensemble's, decisions by majority.
        truth: ``(N,)`` or ``(N, K)``.
    """
    if truth.ndim == 2:
        return np.asarray(((answers[..., truth.shape[1] :] >= 0.5) == (truth > 0)).all(axis=-1))
    return np.asarray(answers.argmax(axis=-1) == truth)


def row_kinds(answers: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return ``(N,)`` numbers, equal for rows of the same truth and the same prediction of every run.

    Args:
        answers: ``(M, N, K)`` or ``(M, N, 2K)``.
        truth: ``(N,)`` or ``(N, K)``.
    """
    if truth.ndim == 2:
        decided = [run[:, truth.shape[1] :] for run in answers]
        return np.asarray(np.unique(np.concatenate([truth, *decided], axis=1), axis=0, return_inverse=True)[1])
    codes = truth
    for run in answers:
        codes = np.unique(codes * run.shape[1] + run.argmax(axis=1), return_inverse=True)[1]
    return codes
