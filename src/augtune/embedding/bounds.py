"""Which pairs of vectors may be near: an upper bound on every cosine for a fraction of its cost.

Vectors of length 1 are turned so that few leading coordinates hold most of them. What the leading coordinates leave of
two vectors has at most the product of its lengths as scalar product (Cauchy and Schwarz), so

    a . b  <=  a' . b' + |a - a'| |b - b'|

and a pair whose right side is under the threshold is not near. Nothing is overlooked: what rounding can do is added.

Shapes: ``a`` is ``(N, H)``, ``b`` is ``(M, H)``; ``d`` leading coordinates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

__all__ = ["Bound"]

# More than float32 can be off in a scalar product of a thousand coordinates of vectors of length 1 (n * 6e-8).
SLACK = 1e-4
# Leading coordinates to choose from, and how much more a coordinate costs in a pair that is looked up by itself.
CHOICES = (16, 32, 64, 128, 256)
LOOKED_UP = 60.0
# Pairs of rows on which the choice is made, rows that the turn is computed from; fewer pairs are not worth it.
SAMPLE = 512
TURN_ROWS = 8192
LEAST_PAIRS = 1 << 20
# Wider vectors are compared at once: the turn itself would cost more than it saves.
MOST_WIDTH = 1024
# Pairs bounded at a time: a tile that stays in the processor's cache.
TILE_ROWS, TILE_COLUMNS = 512, 2048


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """Bounds on the cosines of rows of ``a`` and ``b``.

    Args:
        left: Leading coordinates of ``a`` and what they leave, ``(N, d + 1)`` float32.
        right: Those of ``b``, ``(M, d + 1)``.
        level: Pairs whose bound is smaller are not near.
    """

    left: np.ndarray
    right: np.ndarray
    level: np.float32

    @classmethod
    def of(cls, a: np.ndarray, b: np.ndarray, threshold: float) -> Bound | None:
        """Return bounds that let few pairs through, or None where computing all cosines is no dearer."""
        width = a.shape[1]
        if len(a) * len(b) < LEAST_PAIRS or width > MOST_WIDTH:
            return None
        level = np.float32(threshold - SLACK)
        turn = _turn(b)
        few_a, few_b = a[_spread(len(a), SAMPLE)], b[_spread(len(b), SAMPLE, shift=0.5)]  # a row is near itself
        costs = {width: float(width)}
        for count in CHOICES:
            if count < width:
                leading = turn[:, :count]
                share = (_led(few_a, leading) @ _led(few_b, leading).T >= level).mean()
                costs[count] = count + float(share) * LOOKED_UP * width
        best = min(costs, key=lambda count: costs[count])
        if best == width:
            return None
        leading = turn[:, :best]
        ours = _led(a, leading)
        return cls(ours, ours if a is b else _led(b, leading), level)

    def blocks(self, *, earlier_only: bool = False) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield rows of ``a`` and of ``b`` of the pairs that may be near, in order, all pairs of one row together.

        Args:
            earlier_only: ``a`` and ``b`` are the same: only pairs of a row and one before it.
        """
        columns = np.ascontiguousarray(self.right.T)
        for start in range(0, len(self.left), TILE_ROWS):
            block = self.left[start : start + TILE_ROWS]
            stop = start + len(block) if earlier_only else columns.shape[1]
            found = [self._tile(block, columns[:, at : min(at + TILE_COLUMNS, stop)], start, at)
                     for at in range(0, stop, TILE_COLUMNS)]  # fmt: skip
            left, right = (np.concatenate([one[side] for one in found]) for side in (0, 1))
            if earlier_only:
                left, right = left[right < left], right[right < left]
            order = np.lexsort((right, left))
            yield left[order], right[order]

    def _tile(self, block: np.ndarray, columns: np.ndarray, row: int, column: int) -> tuple[np.ndarray, np.ndarray]:
        left, right = np.divmod(np.flatnonzero(block @ columns >= self.level), columns.shape[1])
        return left + row, right + column


def _turn(b: np.ndarray) -> np.ndarray:
    """Return orthonormal directions, those first in which rows are longest on average, ``(H, H)`` float64."""
    rows = b[_spread(len(b), TURN_ROWS)].astype(np.float64)
    return np.asarray(np.linalg.eigh(rows.T @ rows)[1][:, ::-1])


def _led(rows: np.ndarray, leading: np.ndarray) -> np.ndarray:
    """Return the leading coordinates of rows, and last the length of what they leave."""
    table = np.empty((len(rows), leading.shape[1] + 1), np.float32)
    for start in range(0, len(rows), TURN_ROWS):
        part = rows[start : start + TURN_ROWS].astype(np.float64)
        led = part @ leading
        rest = (part**2).sum(axis=1) - (led**2).sum(axis=1)
        table[start : start + len(part), :-1] = led
        table[start : start + len(part), -1] = np.sqrt(np.maximum(rest, 0.0))
    return table


def _spread(size: int, most: int, *, shift: float = 0.0) -> np.ndarray:
    """Return at most so many places, evenly spread, the first a share of the distance from the start."""
    return np.arange(size) if size <= most else ((np.arange(most) + shift) * size / most).astype(np.int64)
