"""Gradients of a step computed a few rows at a time: the parts add up to the whole batch's, whatever the loss weighs.

Shapes: ``B`` rows of a step, ``K`` classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from augtune.core.errors import TrainingError
from augtune.model.losses import LossSum
from augtune.training.leading import AloneError
from augtune.training.streams import Streams
from augtune.training.team import Team

__all__ = ["MicroBatches", "Part", "StepLoss", "Work", "is_out_of_memory"]

# What torch says of a processor's memory; a GPU has an error of its own.
PROCESSOR_IS_FULL = ("not enough memory", "can't allocate memory", "cannot allocate memory")


@dataclass(frozen=True, slots=True)
class Part:
    """What some rows of a step cost.

    Args:
        sum: Their loss before the division.
        weights: ``(rows,)`` what each counts, or None where all count 1.
    """

    sum: LossSum
    weights: torch.Tensor | None


@dataclass(frozen=True, slots=True)
class StepLoss:
    """What a step costs, without gradient.

    Args:
        mean: Scalar, the batch's loss.
        weights: ``(B,)`` what each row counts, or None where all count 1.
        wishes: ``(2,)`` with several processes, how many of them want to stop and to write a checkpoint.
    """

    mean: torch.Tensor
    weights: torch.Tensor | None
    wishes: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What computes a step.

    Args:
        compute: Returns what some rows cost, with gradient.
        backward: Adds the gradient of a scalar.
        parameters: What is trained.
        where: Step and stage, for messages.
        team: The processes that take the step together; None: this one alone.
        silently: A context in which gradients are not exchanged between processes.
        wishes: Whether this process wants to stop and to write a checkpoint after the step.
        in_step: Whether each process has to compute as often as the others, since they have a part of the weights each.
    """

    compute: Callable[[np.ndarray], Part]
    backward: Callable[[torch.Tensor], None]
    parameters: Sequence[torch.nn.Parameter]
    where: str
    team: Team | None = None
    silently: Callable[[], AbstractContextManager[Any]] = nullcontext
    wishes: tuple[bool, bool] = (False, False)
    in_step: bool = False


class MicroBatches:
    """Computes a step's gradient at most so many rows at a time, and with fewer once the memory does not do.

    Args:
        size: Rows computed at once; None: all of the step's.
        streams: Put back before a step is repeated, so that it has the same dropout.
        on_note: Called with a sentence when rows have to be computed fewer at a time.
    """

    def __init__(self, size: int | None, streams: Streams, on_note: Callable[[str], None]) -> None:
        self.size = size
        self._streams = streams
        self._on_note = on_note

    def gradients(self, rows: np.ndarray, work: Work) -> StepLoss:
        """Add the gradient of the rows' mean loss to parameters that have none yet.

        Args:
            rows: ``(B,)`` the step's rows; with several processes, those of all.
            work: What computes them.

        Raises:
            TrainingError: If the memory does not do for a single row.
            AloneError: If it does not do in one of several processes.
        """
        while True:
            before = self._streams.state_dict()
            try:
                if work.team is not None and work.team.size > 1:
                    return _sum_of_team(rows, self.size, work, work.team)
                return _sum(rows, self.size, work)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            self._halve(len(rows), work, reason)
            for parameter in work.parameters:
                parameter.grad = None
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            self._streams.load_state_dict(before)

    def _halve(self, rows: int, work: Work, reason: str) -> None:
        where = work.where
        if work.team is not None and work.team.size > 1:
            # The others are waiting for this one's gradients and know nothing of it.
            at_once = min(self.size or rows, len(work.team.part(np.arange(rows))))
            raise AloneError(
                f"training stopped at {where}: out of memory in process {work.team.rank} with {at_once} rows at once "
                f"({reason}).",
                hint=f"Set train.micro_batch_size to less than {at_once}; the steps stay the same.",
            )
        at_once = min(self.size or rows, rows)
        if at_once == 1:
            raise TrainingError(
                f"training stopped at {where}: out of memory with a single row at once ({reason}).",
                hint="Set a smaller train.max_length, train fewer layers (train.trainable), or take a smaller encoder.",
            )
        self.size = at_once // 2
        self._on_note(
            f"out of memory at {where} with {at_once} rows at once; from there on they are computed {self.size} at a "
            f"time, with the same steps (train.micro_batch_size: {self.size})."
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that the GPU's or the processor's memory does not do."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in PROCESSOR_IS_FULL)


def _sum(rows: np.ndarray, size: int | None, work: Work) -> StepLoss:
    if size is None or size >= len(rows):
        part = work.compute(rows)
        mean = part.sum.mean
        work.backward(mean)
        return StepLoss(mean.detach(), part.weights)
    totals, shares, weights = [], [], []
    for start in range(0, len(rows), size):
        part = work.compute(rows[start : start + size])
        work.backward(part.sum.total / len(rows))
        totals.append(part.sum.total.detach())
        shares.append(part.sum.share.detach())
        weights.append(part.weights)
    share = torch.stack(shares).sum()
    _scale(work.parameters, len(rows) / share)
    known = [weight for weight in weights if weight is not None]
    return StepLoss(torch.stack(totals).sum() / share, torch.cat(known) if known else None)


def _sum_of_team(rows: np.ndarray, size: int | None, work: Work, team: Team) -> StepLoss:
    """Compute this process's part; gradients, losses, weights and wishes become those of all processes."""
    mine = team.part(rows)
    most = -(-len(rows) // team.size) if work.in_step else len(mine)
    size = size or most
    starts = range(0, most, size)
    told = torch.zeros(4 + len(rows), dtype=torch.float64)
    is_weighed = False
    for start in starts:
        with work.silently() if start != starts[-1] else nullcontext():
            here = mine[start : start + size]
            # Where the others have one row more, one is computed that counts nothing.
            part = work.compute(here if len(here) else mine[:1])
            # Processes' gradients are averaged, and here they have to be summed.
            work.backward(part.sum.total * (team.size / len(rows) if len(here) else 0.0))
        if not len(here):
            continue
        told = told.to(part.sum.total.device)
        own = told[4 + team.rank :: team.size]
        told[0] += part.sum.total.detach()
        told[1] += part.sum.share.detach()
        if part.weights is not None:
            is_weighed = True
            own[start : start + size] = part.weights.detach()
    told[2], told[3] = work.wishes
    told = team.add_up(told)
    _scale(work.parameters, (len(rows) / told[1]).float())
    return StepLoss((told[0] / told[1]).float(), told[4:] if is_weighed else None, told[2:4])


def _scale(parameters: Sequence[torch.nn.Parameter], factor: torch.Tensor) -> None:
    """Multiply gradients by what is known only after all parts: what to divide by may depend on their logits."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    torch._foreach_mul_(gradients, factor)
