"""What a loss knows of the classes' sizes: weights and margins by training rows.

Shapes: ``K`` classes. torch tensors come in and go out; a class without rows is treated as the rarest that has some,
since a soft target may still name it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from augtune.core.errors import SettingsError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["class_margins", "class_weights", "filled"]


def class_weights(
    counts: Tensor, how: Literal["inverse", "effective"], *, power: float = 1.0, beta: float = 0.9999
) -> Tensor:
    """Return ``(K,)`` float32 class weights; those of the classes that have rows sum to the number of such classes.

    A class without rows weighs as much as the rarest that has some (a soft target may still name it).

    Args:
        counts: ``(K,)`` rows of each class.
        how: ``inverse``, count^-power, or ``effective``, (1 - beta) / (1 - beta^count) (Cui et al., CVPR 2019).
        power: Of the inverse weights.
        beta: Of the effective weights, in [0, 1).
    """
    rows = filled(counts)
    raw = rows**-power if how == "inverse" else (1 - beta) / (1 - beta**rows)
    present = counts > 0
    return (raw * present.sum() / raw[present].sum()).float()


def class_margins(counts: Tensor, max_margin: float = 0.5) -> Tensor:
    """Return ``(K,)`` float32 LDAM margins, max_margin (n_min / n)^(1/4) (Cao et al., NeurIPS 2019)."""
    rows = filled(counts)
    return (max_margin * (rows.min() / rows) ** 0.25).float()


def filled(counts: Tensor) -> Tensor:
    """Return the counts as float64, a class without rows counted as the rarest that has some."""
    numbers = counts.double()
    if not bool((numbers > 0).any()):
        raise SettingsError("class counts: no class has a row.")
    return numbers.where(numbers > 0, numbers[numbers > 0].min())
