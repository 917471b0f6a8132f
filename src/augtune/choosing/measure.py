"""What ways of training score on held-out human rows: rung 0, where regressions on frozen vectors stand in for them.

Shapes: ``N`` human rows, ``K`` classes, ``F`` folds of a repeat, ``J`` folds of all repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from augtune.choosing.candidates.base import Candidate
from augtune.choosing.folds import Fold
from augtune.choosing.frozen import Vectors
from augtune.core.task import TASKS
from augtune.embedding.probe import Probe
from augtune.evaluation.answers import marked
from augtune.evaluation.metrics import Metric

__all__ = ["THRESHOLD", "Judged", "class_recall", "fold_scores", "frozen_rung"]

THRESHOLD = 0.5
"""Probability from which a label is predicted where rows may have several."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Predictions of held-out rows by models that did not see them.

    Args:
        folds: The folds whose rows were judged, of one repeat or several.
        tables: For each of them ``(held out, K)`` probabilities.
    """

    folds: Sequence[Fold]
    tables: Sequence[np.ndarray]

    def mixed(self, *others: Judged) -> Judged:
        """Return the mean of these probabilities and those of others, on the same folds."""
        lots = zip(self.tables, *(one.tables for one in others), strict=True)
        return Judged(self.folds, [np.mean(lot, axis=0) for lot in lots])


def fold_scores(judged: Judged, truth: np.ndarray, metric: Metric, threshold: float = THRESHOLD) -> np.ndarray:
    """Return a score for each fold, ``(J,)``, whose mean is that of all rows of a repeat together.

    A fold of few rows has no macro-F1 worth the name: it may lack a class. So all rows of a repeat are scored together,
    and a fold gets its pseudo-value, F times that score less F - 1 times the score without the fold (the jackknife).

    Args:
        judged: The predictions.
        truth: ``(N,)`` column of each human row's label, or ``(N, K)`` where rows may have several (``truth_of``).
        metric: A function of sums over rows.
        threshold: Probability from which a label is predicted where rows may have several.
    """
    scores = np.zeros(len(judged.folds))
    repeats = np.array([fold.repeat for fold in judged.folds])
    for repeat in np.unique(repeats):
        at = np.flatnonzero(repeats == repeat)
        sums = np.stack(
            [
                metric.row_sums(_answers(judged.tables[i], truth, threshold), truth[judged.folds[i].held_out]).sum(
                    axis=0
                )
                for i in at.tolist()
            ]
        )
        whole = metric.of(sums.sum(axis=0))
        without = metric.of(sums.sum(axis=0) - sums)
        scores[at] = len(at) * whole - (len(at) - 1) * without if len(at) > 1 else whole
    return scores if metric.higher_is_better else -scores


def _answers(table: np.ndarray, truth: np.ndarray, threshold: float) -> np.ndarray:
    """Return a fold's answers as metrics want them: probabilities, and beside them decisions if there are several."""
    if truth.ndim == 1:
        return table
    return np.concatenate([table, TASKS["multi_label"].marks(table, [threshold] * table.shape[1])], axis=1)


def class_recall(
    judged: Judged, truth: np.ndarray, classes: int, threshold: float = THRESHOLD
) -> tuple[np.ndarray, np.ndarray]:
    """Return how many rows of each class were judged, and how many of them right, ``(K,)`` each.

    Where rows may have several labels, right means that the label is among those predicted.
    """
    found, right = np.zeros(classes), np.zeros(classes)
    for fold, table in zip(judged.folds, judged.tables, strict=True):
        predicted, true = marked(_answers(table, truth, threshold), truth[fold.held_out])
        found += true.sum(axis=0)
        right += (predicted * true).sum(axis=0)
    return found, right


def frozen_rung(
    ways: Sequence[Candidate], folds: Sequence[Fold], vectors: Vectors, tell: Callable[[int, int], None]
) -> Mapping[str, Judged]:
    """Return what the stand-in of each way predicts of the rows held out, by the way's name.

    In a fold that is left without synthetic rows every way is that of human rows alone.

    Args:
        ways: The ways.
        folds: All folds of all repeats.
        vectors: Of all rows.
        tell: Called after each fold with how many are done and how many there are.
    """
    tables: dict[str, list[np.ndarray]] = {way.name: [] for way in ways}
    for done, fold in enumerate(folds, start=1):
        frozen = vectors.fold(fold)
        for way in ways:
            is_alone = way.uses_synthetic and not len(fold.synthetic)
            probe = frozen.human_only if is_alone else way.stand_in(frozen)
            tables[way.name].append(predicted(probe, vectors.human[fold.held_out]))
        tell(done, len(folds))
    return {name: Judged(folds, found) for name, found in tables.items()}


def predicted(probe: Probe, vectors: np.ndarray) -> np.ndarray:
    """Return a regression's probabilities."""
    return np.asarray(np.exp(probe.log_probabilities(vectors)))
