"""Folds: rows in parts of like composition, so that a row can be judged by a model that did not see it.

Shapes: ``N`` rows, ``K`` labels, ``F`` folds.
"""

from __future__ import annotations

import numpy as np

__all__ = ["spread", "spread_sets"]


def spread(classes: np.ndarray, folds: int, chance: np.random.Generator) -> np.ndarray:
    """Return each row's fold, ``(N,)`` in ``0 … F - 1``: every class is spread as evenly as it can be.

    Args:
        classes: ``(N,)`` class of each row.
        folds: ``F``; fewer are made where there are fewer rows.
        chance: Where chance comes from.
    """
    order = chance.permutation(len(classes))
    order = order[np.argsort(classes[order], kind="stable")]
    found = np.empty(len(classes), dtype=np.int64)
    found[order] = np.arange(len(classes)) % min(folds, len(classes))
    return found


def spread_sets(marks: np.ndarray, folds: int, chance: np.random.Generator) -> np.ndarray:
    """Return each row's fold, ``(N,)`` in ``0 … F - 1``, where rows may have several labels.

    The rarest label that has rows left is dealt out first, each of its rows to the fold that lacks most rows of it
    (iterative stratification: Sechidis, Tsoumakas and Vlahavas, ECML PKDD 2011); rows without a label come last.

    Args:
        marks: ``(N, K)`` which labels each row has.
        folds: ``F``; fewer are made where there are fewer rows.
        chance: Where chance comes from.
    """
    rows = len(marks)
    parts = min(folds, rows)
    found = np.full(rows, -1, dtype=np.int64)
    order = chance.permutation(rows)
    room = np.full(parts, rows / parts) + 1e-6 * chance.random(parts)  # equal folds are told apart by chance
    lacking = np.tile(marks.sum(axis=0) / parts, (parts, 1))
    while (left := np.flatnonzero(found < 0)).size:
        counts = marks[left].sum(axis=0)
        has_some = np.flatnonzero(counts)
        rarest = int(has_some[counts[has_some].argmin()]) if len(has_some) else None
        for row in order[found[order] < 0].tolist():
            if rarest is not None and not marks[row, rarest]:
                continue
            wanted = room if rarest is None else lacking[:, rarest]
            best = np.flatnonzero(wanted >= wanted.max() - 1e-9)
            part = int(best[room[best].argmax()])
            found[row] = part
            lacking[part] -= marks[row]
            room[part] -= 1
    return found
