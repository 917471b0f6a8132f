"""What a step works with where several processes take it: model and optimizer, whole in each or shared out."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from augtune.training.loop import Loop

__all__ = ["gathered", "prepared"]


def prepared(loop: Loop, groups: list[dict[str, Any]]) -> tuple[Any, Any]:
    """Return what a step calls, the model alone or wrapped to exchange gradients, and the optimizer.

    Args:
        loop: The training.
        groups: Each with ``params``, ``lr`` and ``weight_decay``.
    """
    optimizer = loop.settings.optimizer.make(groups, loop.accelerator.device)
    if loop.is_parted:
        return loop.classifier, optimizer
    if loop.settings.sharding == "optimizer" and loop.team.size > 1:
        return loop.accelerator.prepare(loop.classifier), _shared_out(optimizer, groups)
    model, wrapped = loop.accelerator.prepare(loop.classifier, optimizer)
    return model, wrapped


def _shared_out(optimizer: torch.optim.Optimizer, groups: list[dict[str, Any]]) -> Any:
    """Return an optimizer that takes the same steps, of which each process keeps a part of the state.

    That is stage 1 of Rajbhandari et al. (SC 2020).

    Args:
        optimizer: Over the groups; its class and settings are taken.
        groups: Each with ``params``, ``lr`` and ``weight_decay``.
    """
    from torch.distributed.optim import ZeroRedundancyOptimizer

    kind = type(optimizer)
    known = inspect.signature(kind).parameters
    settings = {name: value for name, value in optimizer.defaults.items() if name in known}
    return ZeroRedundancyOptimizer(groups, optimizer_class=kind, **settings)


def gathered(optimizer: Any, rank: int) -> Any:
    """Return an optimizer whose whole state the first process can read, or None in the others; all have to call it."""
    if not hasattr(optimizer, "consolidate_state_dict"):
        return optimizer
    optimizer.consolidate_state_dict(to=0)
    return None if rank else optimizer
