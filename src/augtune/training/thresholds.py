"""Thresholds: from which probability a label is predicted, where a row may have several.

Shapes: ``N`` rows, ``K`` labels.
"""

from __future__ import annotations

import numpy as np

from augtune.core.task import MultiLabel

__all__ = ["tuned_thresholds"]


def tuned_thresholds(probabilities: np.ndarray, marks: np.ndarray) -> tuple[float, ...]:
    """Return for each label the threshold with the highest F1 on these rows; 0.5 for a label that none of them has.

    A threshold lies half-way between two neighbouring probabilities; of several that are equally good it is the one
    nearest to 0.5. Rows have to be ones the model was not trained on, and human: measured on them, the F1 is too high.

    Args:
        probabilities: ``(N, K)``.
        marks: ``(N, K)`` True for the labels the rows have.
    """
    return tuple(_best(probabilities[:, k], marks[:, k]) for k in range(marks.shape[1]))


def _best(chances: np.ndarray, has: np.ndarray) -> float:
    usual = MultiLabel.threshold
    if not has.any():
        return usual
    distinct = np.unique(chances)
    between = (distinct[1:] + distinct[:-1]) / 2
    ends = [distinct[0] / 2, (distinct[-1] + 1) / 2]
    candidates = np.unique(np.concatenate([[usual], between, ends]))
    candidates = candidates[(candidates > 0) & (candidates < 1)]
    order = np.argsort(-chances, kind="stable")
    right = np.concatenate([[0], np.cumsum(has[order])])
    predicted = np.searchsorted(-chances[order], -candidates, side="right")
    f1 = 2 * right[predicted] / (predicted + has.sum())
    best = candidates[f1 == f1.max()]
    return float(best[np.argmin(np.abs(best - usual))])
