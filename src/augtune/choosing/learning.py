"""Whether more rows would help, and which class needs them: probes on parts of the rows.

Shapes: ``N`` human rows, ``K`` classes, ``J`` folds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from augtune.choosing.folds import Fold
from augtune.choosing.frozen import Frozen, Vectors
from augtune.choosing.measure import THRESHOLD, Judged, class_recall, fold_scores, predicted
from augtune.core.dataset import Dataset, HumanDataset
from augtune.core.decision import ClassNeed, LearningPoint
from augtune.core.folds import spread_sets
from augtune.core.seeds import generator
from augtune.evaluation.answers import truth_of
from augtune.evaluation.metrics import Metric

__all__ = ["class_needs", "learning_points", "wilson"]

SHARES = (0.5, 0.7)
# Parts of like composition that rows with several labels are drawn by.
PARTS = 10
NORMAL_95 = 1.959964


def learning_points(
    folds: Sequence[Fold],
    vectors: Vectors,
    truth: np.ndarray,
    metric: Metric,
    how: tuple[float, int],
    threshold: float = THRESHOLD,
) -> tuple[LearningPoint, ...]:
    """Return what probes score on parts of the human rows, and of the synthetic ones, beside all of them.

    Human rows are cut without any synthetic ones, and synthetic ones beside all human rows.

    Args:
        folds: The folds of one repeat, or of several.
        vectors: Of all rows.
        truth: ``(N,)`` column of each human row's label, or ``(N, K)`` where rows may have several.
        metric: What is measured.
        how: What a synthetic row counts, and the seed of what is drawn.
        threshold: Probability from which a label is predicted where rows may have several.
    """
    sorts = ["human", *(["synthetic"] if len(vectors.synthetic) else [])]
    points = []
    for sort in sorts:
        found = {share: _scores(sort, share, folds, vectors, how) for share in (*SHARES, 1.0)}
        scores = {share: fold_scores(judged, truth, metric, threshold) for share, (judged, _) in found.items()}
        for share, values in scores.items():
            off = values - scores[1.0]
            error = math.sqrt(float(np.var(off, ddof=1)) * (1 / len(off) + 1 / (_parts(folds) - 1)))
            middle = float(off.mean())
            ends = (middle - NORMAL_95 * error, middle + NORMAL_95 * error)
            points.append(LearningPoint(sort, share, found[share][1], float(values.mean()), middle, ends))
    return tuple(points)


def _parts(folds: Sequence[Fold]) -> int:
    return len({fold.number for fold in folds})


def _scores(
    sort: str, share: float, folds: Sequence[Fold], vectors: Vectors, how: tuple[float, int]
) -> tuple[Judged, int]:
    """Return what probes on a part of the rows predict, and how many rows that part has on average."""
    tables, counts = [], []
    for fold in folds:
        frozen = vectors.fold(fold)
        chance = generator(how[1], "choose", "learning", sort, fold.repeat, fold.number)
        own = np.arange(frozen.count) if sort == "human" else np.arange(frozen.count, len(frozen.vectors))
        kept = _part(frozen, own, share, chance)
        counts.append(len(kept))
        weights = np.zeros(len(frozen.vectors))
        weights[: frozen.count] = 1.0
        weights[own] = 0.0
        weights[kept] = 1.0 if sort == "human" else how[0]
        probe = frozen.weighed(weights)
        tables.append(predicted(probe, vectors.human[fold.held_out]))
    return Judged(folds, tables), round(float(np.mean(counts)))


def _part(frozen: Frozen, own: np.ndarray, share: float, chance: np.random.Generator) -> np.ndarray:
    """Return a part of each class's rows, one at least; a larger part has the smaller one's rows."""
    if not len(own):
        return own
    if frozen.many:
        return np.sort(own[spread_sets(frozen.targets[own] > 0.5, PARTS, chance) < round(share * PARTS)])
    classes = frozen.targets[own].argmax(axis=1)
    found = []
    for k in np.unique(classes):
        inside = chance.permutation(own[classes == k])
        found.append(inside[: max(1, round(share * len(inside)))])
    return np.sort(np.concatenate(found))


def class_needs(
    judged: Judged, human: HumanDataset, synthetic: Dataset | None, threshold: float = THRESHOLD
) -> tuple[ClassNeed, ...]:
    """Return how well each class is found on held-out rows, the worst first and those not judged last.

    Args:
        judged: Predictions of the human rows by models that did not see them.
        human: The human rows.
        synthetic: The synthetic rows, or None.
        threshold: Probability from which a label is predicted where rows may have several.
    """
    found, right = class_recall(judged, truth_of(human), len(human.labels), threshold)
    repeats = len({fold.repeat for fold in judged.folds})
    own, made = human.counts(), {} if synthetic is None else synthetic.counts()
    needs = []
    for k, label in enumerate(human.labels):
        recall = float(right[k] / found[k]) if found[k] else None
        # Repeats judge the same rows again, so they do not count as more of them.
        ends = (0.0, 1.0) if recall is None else wilson(recall, found[k] / repeats)
        needs.append(ClassNeed(label, own[label], made.get(label, 0), recall, ends))
    return tuple(sorted(needs, key=lambda one: 2.0 if one.recall is None else one.recall))


def wilson(share: float, count: float) -> tuple[float, float]:
    """Return the 95 % interval of a share of ``count`` rows (Wilson 1927)."""
    z = NORMAL_95
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))
