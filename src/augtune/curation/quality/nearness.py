"""Where rows lie among the human ones: vectors, nearest rows, near repeats, and a checker's opinion of labels.

Shapes: ``N`` synthetic rows, ``M`` human rows, ``H`` units, ``K`` classes, ``F`` folds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from augtune.core.dataset import Dataset
from augtune.core.folds import spread
from augtune.embedding.neighbours import blocks_before, nearest
from augtune.embedding.probe import fit_probe, pair_vectors

__all__ = ["agreement", "near_an_earlier", "similarity_to", "vectors_of"]

Embed = Callable[[tuple[str, ...]], np.ndarray]


def vectors_of(rows: Dataset, embed: Embed) -> tuple[np.ndarray, np.ndarray]:
    """Return what nearness and what the checker look at: ``(N, H)`` unit rows, and ``(N, H')`` features.

    Of pairs the dot product of unit rows is the mean of both texts' cosine similarities.
    """
    first = embed(rows.texts)
    if not rows.is_pair:
        return first, first.astype(np.float64)
    second = embed(tuple(pair or "" for pair in rows.text_pairs))
    both = np.concatenate([first, second], axis=1) / np.sqrt(np.float32(2))
    return both, pair_vectors(first.astype(np.float64), second.astype(np.float64))


def near_an_earlier(vectors: np.ndarray, threshold: float) -> np.ndarray:
    """Return ``(N,)`` True for rows whose similarity to an earlier row is at least the threshold."""
    found = np.zeros(len(vectors), dtype=bool)
    for block in blocks_before(vectors, threshold):
        found[block.left] = True
    return found


def similarity_to(vectors: np.ndarray, others: np.ndarray, *, skip_itself: bool = False) -> np.ndarray:
    """Return each row's similarity to the nearest other row, ``(N,)``; NaN without any.

    Args:
        vectors: ``(N, H)``.
        others: ``(M, H)``.
        skip_itself: Both are the same rows; the nearest one besides itself counts.
    """
    k = 2 if skip_itself else 1
    if len(others) < k:
        return np.full(len(vectors), np.nan)
    return nearest(vectors, others, k).similarity[:, k - 1].astype(np.float64)


def agreement(
    human: tuple[np.ndarray, np.ndarray],
    synthetic: tuple[np.ndarray, np.ndarray],
    folds: int,
    chance: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return whether a checker gives each human row its label, ``(M,)``, and each synthetic one, ``(N,)``.

    The checker is softmax regression on the features, every class counting the same. Human rows are judged by one that
    did not see them, synthetic rows by one trained on all human rows.

    Args:
        human: Features ``(M, H')`` and columns ``(M,)`` of the labels.
        synthetic: The same of synthetic rows.
        folds: ``F``.
        chance: Where the parts come from.

    Returns:
        None if there are not two human rows of each of two classes or more: nothing can be learnt then.
    """
    features, columns = human
    classes = int(max(columns.max(initial=0), synthetic[1].max(initial=0))) + 1
    if (np.bincount(columns, minlength=classes) >= 2).sum() < 2:
        return None
    targets = np.eye(classes)[columns]
    fold_of = spread(columns, folds, chance)
    own = np.zeros(len(columns), dtype=bool)
    for fold in np.unique(fold_of):
        inside = fold_of == fold
        probe = fit_probe(features[~inside], targets[~inside])
        own[inside] = probe.log_probabilities(features[inside]).argmax(axis=1) == columns[inside]
    probe = fit_probe(features, targets)
    return own, probe.log_probabilities(synthetic[0]).argmax(axis=1) == synthetic[1]
