"""Which rows are near each other: exact cosine, in blocks that bound the memory.

Products are taken in float64 and rounded to float32 once, so a similarity does not depend on how the rows were cut
into blocks, and equal rows have equal similarities. Where few pairs are near enough, a bound on the cosine is computed
of all pairs first (``embedding/bounds.py``), and the cosine itself of those alone that it lets through.

Shapes: ``a`` is ``(N, H)``, ``b`` is ``(M, H)``, rows of length 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from augtune.embedding.bounds import Bound

__all__ = ["Neighbours", "Pairs", "above", "blocks_above", "blocks_before", "nearest"]

# Similarities held at a time: 64 MB in float64.
BLOCK = 8_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of rows that are near, sorted by ``left``, then ``right``.

    Args:
        left: Rows of ``a``, ``(P,)`` integers.
        right: Rows of ``b``, ``(P,)`` integers.
        similarity: ``(P,)`` float32.
    """

    left: np.ndarray
    right: np.ndarray
    similarity: np.ndarray

    def where(self, keep: np.ndarray) -> Pairs:
        """Return the pairs a ``(P,)`` mask keeps."""
        return Pairs(self.left[keep], self.right[keep], self.similarity[keep])

    def __len__(self) -> int:
        return len(self.left)

    def __iter__(self) -> Iterator[tuple[int, int, float]]:
        return zip(self.left.tolist(), self.right.tolist(), self.similarity.tolist(), strict=True)


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The rows of ``b`` nearest to each row of ``a``, nearest first, equals by their place in ``b``.

    Args:
        indices: ``(N, k)`` rows of ``b``.
        similarity: ``(N, k)`` float32, falling along each row.
    """

    indices: np.ndarray
    similarity: np.ndarray


def above(a: np.ndarray, b: np.ndarray, threshold: float) -> Pairs:
    """Return every pair of a row of ``a`` and a row of ``b`` whose similarity is at least ``threshold``.

    The similarities are computed in blocks; the pairs found are all held, so use ``blocks_above`` where there may be
    very many.
    """
    blocks = list(blocks_above(a, b, threshold))
    if not blocks:
        none = np.zeros(0, dtype=np.int64)
        return Pairs(none, none, np.zeros(0, dtype=np.float32))
    return Pairs(
        np.concatenate([block.left for block in blocks]),
        np.concatenate([block.right for block in blocks]),
        np.concatenate([block.similarity for block in blocks]),
    )


def blocks_above(a: np.ndarray, b: np.ndarray, threshold: float) -> Iterator[Pairs]:
    """Yield the pairs of ``above`` block by block, rows of ``a`` in order; all pairs of one row come together."""
    if not len(a) or not len(b):
        return
    level = np.float32(threshold)
    bound = Bound.of(a, b, threshold)
    if bound is None:
        for start, similarity in _products(a, b):
            left, right = np.nonzero(similarity >= level)
            yield Pairs(left + start, right, similarity[left, right])
        return
    for left, right in bound.blocks():
        yield _exact(a, b, left, right, level)


def blocks_before(a: np.ndarray, threshold: float) -> Iterator[Pairs]:
    """Yield the pairs of a row of ``a`` and an earlier one, on the right; as ``blocks_above``, in half its time."""
    bound = Bound.of(a, a, threshold) if len(a) else None
    if bound is None:
        for block in blocks_above(a, a, threshold):
            yield block.where(block.right < block.left)
        return
    for left, right in bound.blocks(earlier_only=True):
        yield _exact(a, a, left, right, np.float32(threshold))


def _exact(a: np.ndarray, b: np.ndarray, left: np.ndarray, right: np.ndarray, level: np.float32) -> Pairs:
    """Return which of some pairs are near, with their cosines."""
    similarity = np.empty(len(left), dtype=np.float32)
    step = max(1, BLOCK // (4 * a.shape[1]))
    for start in range(0, len(left), step):
        part = slice(start, start + step)
        rows, others = a[left[part]].astype(np.float64), b[right[part]].astype(np.float64)
        similarity[part] = np.einsum("ph,ph->p", rows, others)
    return Pairs(left, right, similarity).where(similarity >= level)


def nearest(a: np.ndarray, b: np.ndarray, k: int) -> Neighbours:
    """Return the ``k`` rows of ``b`` most similar to each row of ``a``; all of them where ``b`` has fewer."""
    k = max(0, min(k, len(b)))
    indices = np.zeros((len(a), k), dtype=np.int64)
    values = np.zeros((len(a), k), dtype=np.float32)
    if k == 0:
        return Neighbours(indices, values)
    for start, similarity in _products(a, b):
        least = np.partition(similarity, -k, axis=1)[:, -k]
        for i, row in enumerate(similarity):
            found = np.flatnonzero(row >= least[i])
            best = found[np.argsort(-row[found], kind="stable")[:k]]
            indices[start + i], values[start + i] = best, row[best]
    return Neighbours(indices, values)


def _products(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the first row and the ``(rows, M)`` float32 similarities of each block of ``a``."""
    if not len(a) or not len(b):
        return
    columns = np.asarray(b, dtype=np.float64).T
    rows = max(1, BLOCK // len(b))
    for start in range(0, len(a), rows):
        block = np.asarray(a[start : start + rows], dtype=np.float64)
        yield start, (block @ columns).astype(np.float32)
