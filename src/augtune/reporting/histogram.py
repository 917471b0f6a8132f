"""Histogram of weights: linear bins, or logarithmic ones where the weights span more than a factor of 20."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Histogram", "weight_histogram"]

BINS = 32
LOG_SPAN = 20
DEEPEST_SHARE = 1e-6


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bins and how they are drawn.

    Args:
        edges: ``B + 1`` edges in weight.
        counts: Weights per bin, ``B``.
        centers: Where each bin stands on the axis (log10 of the weight if ``is_log``).
        width: Width of a bin on the axis.
        is_log: Whether the axis is logarithmic.
        tick_places: Places of the ticks on the axis.
        tick_texts: What the ticks say.
    """

    edges: list[float]
    counts: list[int]
    centers: list[float]
    width: float
    is_log: bool
    tick_places: list[float]
    tick_texts: list[str]


def weight_histogram(weights: Sequence[float] | np.ndarray) -> Histogram | None:
    """Return the histogram of weights; None if there are none.

    On a logarithmic axis, weights below a millionth of the largest, 0 among them, count into the lowest bin.
    """
    if not len(weights):
        return None
    values = np.asarray(weights, dtype=np.float64)
    positive = values[values > 0]
    is_log = len(positive) > 0 and float(positive.max()) > LOG_SPAN * float(positive.min())
    if is_log:
        lowest = max(float(positive.min()), DEEPEST_SHARE * float(positive.max()))
        values = np.log10(np.maximum(values, lowest))
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(values, bins=BINS, range=(low, high))
    places = _log_ticks(low, high) if is_log else _linear_ticks(low, high)
    return Histogram(
        edges=[float(10**edge if is_log else edge) for edge in edges],
        counts=[int(n) for n in counts],
        centers=[float(x) for x in (edges[:-1] + edges[1:]) / 2],
        width=float(edges[1] - edges[0]) * 0.92,
        is_log=is_log,
        tick_places=places,
        tick_texts=[f"{10**place if is_log else place:.3g}" for place in places],
    )


def _log_ticks(low: float, high: float) -> list[float]:
    """Return log10 of 1, 2, 5 times powers of ten within the range; powers alone where they are many."""
    steps = (1,) if high - low > 3 else (1, 3) if high - low > 2 else (1, 2, 5)
    places = [math.log10(step) + power for power in range(math.floor(low), math.ceil(high) + 1) for step in steps]
    return [place for place in places if low <= place <= high]


def _linear_ticks(low: float, high: float) -> list[float]:
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    first = math.ceil(low / step - 1e-9)
    return [round(step * place, 10) for place in range(first, math.floor(high / step + 1e-9) + 1)]
