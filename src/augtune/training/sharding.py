"""The optimizer's memory shared out among processes, a part each (Rajbhandari et al., SC 2020, stage 1)."""

from __future__ import annotations

import inspect
from typing import Any

import torch

__all__ = ["gathered", "shared_out"]


def shared_out(optimizer: torch.optim.Optimizer, groups: list[dict[str, Any]]) -> Any:
    """Return an optimizer that takes the same steps, of which each process keeps a part of the state.

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
