"""Folds: rows in parts of like composition, so that a row can be judged by a model that did not see it.

Shapes: ``N`` rows, ``F`` folds.
"""

from __future__ import annotations

import numpy as np

__all__ = ["spread"]


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
