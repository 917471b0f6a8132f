"""How many rows a language model writes of each label when classes are unbalanced: more of those that are found worst.

A class needs rows by how many of its held-out human rows are missed, and by how little is known of that: its need is
the share that is missed plus half the width of that share's 95 % interval. Nothing but human rows is looked at.

Shapes: ``N`` human rows, ``H`` features, ``K`` classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from augtune.choosing.candidates.base import IMBALANCED
from augtune.choosing.folds import FoldSettings, folds_of
from augtune.choosing.frozen import Vectors
from augtune.choosing.learning import class_needs
from augtune.choosing.measure import Judged, predicted
from augtune.core.dataset import HumanDataset
from augtune.core.decision import ClassNeed

__all__ = ["boosted", "is_unbalanced", "shared_out"]


def is_unbalanced(human: HumanDataset) -> bool:
    """Return whether the largest class has three times the rows of the smallest that has some, or more."""
    counts = [count for count in human.counts().values() if count]
    return not human.labels.has_many and len(counts) > 1 and max(counts) >= IMBALANCED * min(counts)


def boosted(human: HumanDataset, vectors: np.ndarray, total: int, *, seed: int) -> dict[str, int]:
    """Return how many rows to write of each label that has human rows, ``total`` in all.

    Args:
        human: Human rows.
        vectors: What a probe sees of them, ``(N, H)``.
        total: Rows in all, one per label at least.
        seed: Of the folds.

    Raises:
        DataError: If there are too few rows to judge some by models of the others.
    """
    folds = folds_of(human, None, None, FoldSettings(), seed=seed)
    known = Vectors.of(vectors, human, None)
    tables = [predicted(known.fold(fold).fit(balanced=True), vectors[fold.held_out]) for fold in folds]
    needs = class_needs(Judged(folds, tables), human, None)
    found = shared_out([one for one in needs if one.human], total)
    return {label: found[label] for label in human.labels if label in found}


def shared_out(needs: Sequence[ClassNeed], total: int) -> dict[str, int]:
    """Return ``total`` rows shared out by need, one at least of each class; the largest remainders get what is left."""
    weights = np.array([1 - one.recall + (one.interval[1] - one.interval[0]) / 2 for one in needs])
    room = max(0, total - len(needs))
    shares = room * weights / weights.sum()
    rows = np.floor(shares).astype(int)
    rows[np.argsort(rows - shares, kind="stable")[: room - int(rows.sum())]] += 1
    return {one.label: 1 + int(count) for one, count in zip(needs, rows, strict=True)}
