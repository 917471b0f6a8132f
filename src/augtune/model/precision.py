"""The one place that chooses the number format of training, and says what it chose and why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

__all__ = ["EXACT", "Precision", "choose"]


@dataclass(frozen=True, slots=True)
class Precision:
    """A number format for the forward pass; weights, gradients and losses stay float32.

    Args:
        name: ``bf16`` or ``fp32``.
        because: Why, in words, e.g. ``the processor has avx512_bf16``.
    """

    name: Literal["bf16", "fp32"]
    because: str

    @contextmanager
    def active(self, device: torch.device) -> Iterator[None]:
        """Run the block in this format on the given device."""
        with torch.autocast(device.type, torch.bfloat16, enabled=self.name == "bf16"):
            yield

    def __repr__(self) -> str:
        return f"{self.name} ({self.because})"


EXACT = Precision("fp32", "as asked")


def choose(wanted: Literal["auto", "bf16", "fp32"], device: torch.device) -> Precision:
    """Return the precision to train in: what was asked for, or bf16 wherever the hardware computes in it.

    Args:
        wanted: ``auto``, ``bf16`` or ``fp32``.
        device: Where training runs.
    """
    if wanted != "auto":
        return Precision(wanted, "as asked")
    if device.type == "cuda":
        if torch.cuda.get_device_capability(device) >= (8, 0):
            return Precision("bf16", "the GPU computes in it")
        return Precision("fp32", "the GPU does not compute in bf16")
    if device.type != "cpu":
        return Precision("fp32", f"the default on {device.type}")
    has = torch.cpu.get_capabilities()
    for feature in ("amx_bf16", "avx512_bf16"):
        if has.get(feature):
            return Precision("bf16", f"the processor has {feature}")
    return Precision("fp32", "the processor does not compute in bf16")
