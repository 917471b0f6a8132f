"""Optimizer and learning-rate schedule of a stage."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import nn

from augtune.model.classifier import Classifier

__all__ = ["lr_factor", "make_optimizer", "parameter_groups"]


def lr_factor(step: int, steps: int, warmup_share: float, schedule: Literal["linear", "cosine", "constant"]) -> float:
    """Return the share of the highest learning rate that update ``step`` uses.

    Args:
        step: 0 for the first update, ``steps`` for the state after the last, where linear and cosine are exactly 0.
        steps: Updates of the stage.
        warmup_share: Share of the updates over which the rate rises.
        schedule: Shape of the fall.
    """
    warmup = int(warmup_share * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if step >= steps:
        return 1.0 if schedule == "constant" else 0.0
    done = (step - warmup) / (steps - warmup)
    if schedule == "linear":
        return 1.0 - done
    return 0.5 * (1.0 + math.cos(math.pi * done)) if schedule == "cosine" else 1.0


def parameter_groups(
    classifier: Classifier, *, lr: float, head_lr: float | None, weight_decay: float
) -> list[dict[str, Any]]:
    """Return the trainable parameters, each in exactly one group: body or head, decayed or not.

    Biases and normalisation (every parameter of fewer than two dimensions) are not decayed.

    Args:
        classifier: Its ``requires_grad`` says what is trained.
        lr: Highest learning rate.
        head_lr: Highest learning rate of the head; None: ``lr``.
        weight_decay: Of the decayed groups.
    """
    head = {id(parameter) for parameter in classifier.head_parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in classifier.parameters():
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in head, parameter.dim() > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": head_lr if in_head and head_lr is not None else lr,
            "weight_decay": weight_decay if decayed else 0.0,
        }
        for (in_head, decayed), parameters in groups.items()
    ]


def make_optimizer(groups: list[dict[str, Any]], device: torch.device) -> torch.optim.AdamW:
    """Return AdamW over the groups, in one fused pass where the device has it."""
    return torch.optim.AdamW(groups, fused=device.type in ("cpu", "cuda"))
