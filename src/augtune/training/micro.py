"""Gradients of a step computed a few rows at a time: the parts add up to the whole batch's, whatever the loss weighs.

Shapes: ``B`` rows of a step, ``K`` classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from augtune.core.errors import TrainingError
from augtune.model.losses import LossSum
from augtune.training.streams import Streams

__all__ = ["MicroBatches", "Part", "StepLoss", "is_out_of_memory"]

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
    """

    mean: torch.Tensor
    weights: torch.Tensor | None


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

    def gradients(
        self,
        rows: np.ndarray,
        compute: Callable[[np.ndarray], Part],
        backward: Callable[[torch.Tensor], None],
        parameters: Sequence[torch.nn.Parameter],
        where: str,
    ) -> StepLoss:
        """Add the gradient of the rows' mean loss to parameters that have none yet.

        Args:
            rows: ``(B,)`` the step's rows.
            compute: Returns what some of them cost, with gradient.
            backward: Adds the gradient of a scalar.
            parameters: What is trained.
            where: Step and stage, for messages.

        Raises:
            TrainingError: If the memory does not do for a single row.
        """
        while True:
            before = self._streams.state_dict()
            try:
                return _sum(rows, self.size, compute, backward, parameters)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            self._halve(len(rows), where, reason)
            for parameter in parameters:
                parameter.grad = None
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            self._streams.load_state_dict(before)

    def _halve(self, rows: int, where: str, reason: str) -> None:
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


def _sum(
    rows: np.ndarray,
    size: int | None,
    compute: Callable[[np.ndarray], Part],
    backward: Callable[[torch.Tensor], None],
    parameters: Sequence[torch.nn.Parameter],
) -> StepLoss:
    if size is None or size >= len(rows):
        part = compute(rows)
        mean = part.sum.mean
        backward(mean)
        return StepLoss(mean.detach(), part.weights)
    totals, shares, weights = [], [], []
    for start in range(0, len(rows), size):
        part = compute(rows[start : start + size])
        backward(part.sum.total / len(rows))
        totals.append(part.sum.total.detach())
        shares.append(part.sum.share.detach())
        weights.append(part.weights)
    share = torch.stack(shares).sum()
    # What to divide by is known only now: it may depend on the logits of all parts.
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    torch._foreach_mul_(gradients, len(rows) / share)
    known = [weight for weight in weights if weight is not None]
    return StepLoss(torch.stack(totals).sum() / share, torch.cat(known) if known else None)
