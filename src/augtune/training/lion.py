"""Lion, an optimizer that torch does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["LionOptimizer"]


class LionOptimizer(torch.optim.Optimizer):
    """Evolved sign momentum (Chen et al., NeurIPS 2023, algorithm 2), with decoupled weight decay.

    Args:
        groups: Each with ``params``, ``lr`` and ``weight_decay``.
        betas: Weight of the running mean in the step, and its decay.
    """

    def __init__(self, groups: list[dict[str, Any]], *, betas: tuple[float, float]) -> None:
        super().__init__(groups, {"betas": betas, "weight_decay": 0.0})

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step along the gradients there are.

        Args:
            closure: Computes the loss again, if given; its value is returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        self._move(parameter, group)
        return loss

    def _move(self, parameter: torch.Tensor, group: dict[str, Any]) -> None:
        state, (now, later), gradient = self.state[parameter], group["betas"], parameter.grad
        if not state:
            state["mean"] = torch.zeros_like(parameter)
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.sub_(state["mean"].lerp(gradient, 1 - now).sign_(), alpha=group["lr"])
        state["mean"].lerp_(gradient, 1 - later)
