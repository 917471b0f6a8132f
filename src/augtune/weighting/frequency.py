"""Weights from class counts: rarer classes count more.

Shapes: ``N`` rows, ``K`` classes. A class without rows is treated as the rarest class that has some, since a soft
label may still name it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from augtune.core.dataset import Dataset
from augtune.core.errors import DataError, SettingsError
from augtune.core.tables import Weights

__all__ = ["class_margins", "effective_number", "frequency_weights", "inverse_count"]


def inverse_count(counts: Sequence[int] | np.ndarray, power: float = 1.0) -> np.ndarray:
    """Return ``(K,)`` class weights count^-power; those of the classes that have rows sum to their number.

    Args:
        counts: ``(K,)`` rows of each class.
        power: 1 evens classes out, 0.5 does so half-way, 0 is no weight.

    Raises:
        DataError: If a count is negative or none is positive.
        SettingsError: If ``power`` is negative.
    """
    if power < 0:
        raise SettingsError(f"power: expected 0 or more, got {power!r}")
    return _normalised(_filled(counts) ** -float(power), counts)


def effective_number(counts: Sequence[int] | np.ndarray, beta: float = 0.9999) -> np.ndarray:
    """Return ``(K,)`` class weights (1 - beta) / (1 - beta^count) (Cui et al., CVPR 2019), normalised alike.

    The effective number (1 - beta^n) / (1 - beta) of rows grows slower than n: later rows repeat earlier ones.

    Args:
        counts: ``(K,)`` rows of each class.
        beta: In [0, 1): 0 is no weight, near 1 the inverse count.

    Raises:
        DataError: If a count is negative or none is positive.
        SettingsError: If ``beta`` is outside [0, 1).
    """
    if not 0 <= beta < 1:
        raise SettingsError(f"beta: expected a number in [0, 1), got {beta!r}")
    return _normalised((1 - beta) / (1 - beta ** _filled(counts)), counts)


def class_margins(counts: Sequence[int] | np.ndarray, max_margin: float = 0.5) -> np.ndarray:
    """Return ``(K,)`` LDAM margins max_margin (n_min / n)^(1/4), in units of a logit (Cao et al., NeurIPS 2019).

    Raises:
        DataError: If a count is negative or none is positive.
    """
    filled = _filled(counts)
    return np.asarray(max_margin * (filled.min() / filled) ** 0.25)


def frequency_weights(
    rows: Dataset, how: Literal["inverse", "effective"] = "inverse", *, power: float = 1.0, beta: float = 0.9999
) -> Weights:
    """Return one weight per row, that of its class; a soft label takes the mean under it, sum_k t_k w_k.

    Args:
        rows: The training rows; classes are counted by the rows' (most probable) labels.
        how: ``inverse`` count or ``effective`` number.
        power: Of the inverse count.
        beta: Of the effective number.

    Raises:
        DataError: If there are no rows.
    """
    counts = list(rows.counts().values())
    by_class = inverse_count(counts, power) if how == "inverse" else effective_number(counts, beta)
    return Weights(rows.ids, rows.targets() @ by_class)


def _filled(counts: Sequence[int] | np.ndarray) -> np.ndarray:
    numbers = np.asarray(counts, dtype=np.float64)
    if (numbers < 0).any() or not (numbers > 0).any():
        raise DataError(f"class counts: expected none negative and one positive at least, got {numbers.tolist()}.")
    return np.where(numbers > 0, numbers, numbers[numbers > 0].min())


def _normalised(raw: np.ndarray, counts: Sequence[int] | np.ndarray) -> np.ndarray:
    present = np.asarray(counts) > 0
    return np.asarray(raw * present.sum() / raw[present].sum())
