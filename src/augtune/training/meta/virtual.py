"""One virtual Adam step: where the weights would go, without going there.

Shapes: ``P`` a parameter's own shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

__all__ = ["Moments", "adam_step", "moments_of"]

# A gradient of exactly 0 would give the square root an infinite slope.
LEAST_SQUARE = 1e-30


@dataclass(frozen=True, slots=True)
class Moments:
    """What Adam remembers of one parameter.

    Args:
        mean: ``P`` running mean of the gradient.
        square: ``P`` running mean of its square.
        steps: Steps taken so far.
    """

    mean: torch.Tensor
    square: torch.Tensor
    steps: int


def adam_step(
    gradient: torch.Tensor,
    moments: Moments,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> torch.Tensor:
    """Return by how much one more step of Adam would move a parameter; the gradient can be followed through it.

    Args:
        gradient: ``(..., P)``; leading axes are alternatives, each a step of its own from the same moments.
        moments: Of the parameter.
        lr: Learning rate.
        betas: Decay of the two running means.
        eps: Added to the divisor.

    Returns:
        ``(..., P)``, to be added to the parameter.
    """
    first, second = betas
    mean = first * moments.mean + (1 - first) * gradient
    square = second * moments.square + (1 - second) * gradient**2
    steps = moments.steps + 1
    root = (square / (1 - second**steps)).clamp_min(LEAST_SQUARE).sqrt()
    return -lr * (mean / (1 - first**steps)) / (root + eps)


def moments_of(optimizer: torch.optim.Optimizer, parameters: Sequence[torch.nn.Parameter]) -> list[Moments]:
    """Return what an Adam optimizer remembers of parameters; zeros before its first step.

    Raises:
        KeyError: If the optimizer keeps no such moments.
    """
    found = []
    for parameter in parameters:
        state = optimizer.state.get(parameter) or {
            "exp_avg": torch.zeros_like(parameter), "exp_avg_sq": torch.zeros_like(parameter), "step": 0,
        }  # fmt: skip
        found.append(Moments(state["exp_avg"], state["exp_avg_sq"], int(state["step"])))
    return found
