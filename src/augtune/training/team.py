"""The processes that train one model together: each computes its part of every step's rows, and all take the same step.

Shapes: ``B`` rows of a step, shared out as evenly as they can be.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import GradientAccumulationPlugin
from safetensors.torch import load, save

from augtune.core.errors import SettingsError
from augtune.core.launched import LAUNCHED, is_one_of_several

__all__ = ["Team", "check_engine", "make_accelerator", "pack", "unpack"]

# What accelerate may have been told to wrap a model in; each would take it apart in its own way.
ENGINES = ("FSDP", "DEEPSPEED", "MEGATRON_LM", "PARALLELISM_CONFIG")


def check_engine() -> None:
    """Refuse to train where ``accelerate launch`` was told to wrap models in an engine of its own.

    Raises:
        SettingsError: Naming the engine.
    """
    for engine in ENGINES:
        if os.environ.get(f"ACCELERATE_USE_{engine}", "false").lower() == "true":
            raise SettingsError(
                f"accelerate was told to use {engine} (ACCELERATE_USE_{engine}); augtune shares out a model by itself",
                hint="Start without it (accelerate config, accelerate launch), and set train.sharding: parameters.",
            )


def make_accelerator(trackers: Sequence[Any] = (), logs: Path | None = None) -> Accelerator:
    """Return accelerate's accelerator for this process, alone or one of several that a launcher started.

    What ``accelerate config`` says of number formats, accumulation and compiling is not heard: here ``train:`` says it,
    and accelerate's own would come on top, its factor on the loss unseen by the clipping of gradients.

    Args:
        trackers: Names of its trackers, or trackers.
        logs: Folder that they may write in.

    Raises:
        SettingsError: If accelerate was told to wrap models in an engine of its own.
    """
    check_engine()
    asked: dict[str, Any] = {"log_with": list(trackers), "project_dir": logs} if trackers else {}
    asked |= {"mixed_precision": "no", "dynamo_backend": "no"}
    asked["gradient_accumulation_plugin"] = GradientAccumulationPlugin(num_steps=1)
    if not is_one_of_several():
        with _alone():
            return Accelerator(**asked)
    # A head that looks at one token leaves parameters of others without a gradient.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    return Accelerator(cpu=not torch.cuda.is_available(), kwargs_handlers=[unused], **asked)


@contextmanager
def _alone() -> Iterator[None]:
    """Hide what a cluster says of itself, such as a WORLD_SIZE: without a launcher nobody answers by that name."""
    hidden = {name: os.environ.pop(name) for name in LAUNCHED if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


class Team:
    """The processes of a training, this one being one of them.

    Args:
        accelerator: Knows how many there are.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self.rank: int = accelerator.process_index
        self.size: int = accelerator.num_processes
        self._device: torch.device = accelerator.device

    @property
    def own_stream(self) -> tuple[str | int, ...]:
        """What names this process's random streams: each has dropout of its own, the first that of a single process."""
        return ("process", self.rank) if self.rank else ()

    def part(self, rows: np.ndarray) -> np.ndarray:
        """Return this process's rows of a step, ``(about B / size,)``; rows of like length go to different ones."""
        return rows[self.rank :: self.size]

    def add_up(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum of a tensor over all processes."""
        if self.size > 1:
            torch.distributed.all_reduce(values)
        return values

    def gather(self, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the tensors of all processes by ``rank.name``; their shapes have to be the same everywhere."""
        found: dict[str, torch.Tensor] = {}
        for name, tensor in state.items():
            parts = [tensor]
            if self.size > 1:
                here = tensor.to(self._device)
                parts = [torch.empty_like(here) for _ in range(self.size)]
                torch.distributed.all_gather(parts, here)
            found |= {f"{rank}.{name}": part.cpu() for rank, part in enumerate(parts)}
        return found

    def spread(self, content: bytes | None) -> bytes:
        """Return what the first process gives, in every process.

        Args:
            content: In the first process what to hand out; of the others nothing is looked at.
        """
        if self.size == 1:
            return content or b""
        given = np.frombuffer(content or b"", dtype=np.uint8).copy() if self.rank == 0 else np.zeros(0, np.uint8)
        length = torch.tensor([len(given)], device=self._device)
        torch.distributed.broadcast(length, 0)
        filled = self.rank == 0
        data = torch.from_numpy(given) if filled else torch.zeros(int(length), dtype=torch.uint8)
        data = data.to(self._device)
        if len(data):
            torch.distributed.broadcast(data, 0)
        return data.cpu().numpy().tobytes()


def pack(tensors: Mapping[str, torch.Tensor], values: Any) -> bytes:
    """Return tensors and plain JSON values as the bytes of one safetensors file."""
    text = torch.frombuffer(bytearray(json.dumps(values).encode()), dtype=torch.uint8)
    return bytes(save({**tensors, "": text}))


def unpack(content: bytes) -> tuple[dict[str, torch.Tensor], Any]:
    """Return the tensors and values that ``pack`` was given."""
    tensors = load(content)
    return tensors, json.loads(tensors.pop("").numpy().tobytes())
