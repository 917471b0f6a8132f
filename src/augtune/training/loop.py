"""The training loop: one stage, from its first optimizer step to its last.

Shapes: ``N`` rows of the dataset, ``B`` rows of a batch, ``K`` classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from augtune.core.errors import TrainingError
from augtune.core.seeds import derive, generator
from augtune.model.batching import Batch, Encoded, training_batches
from augtune.model.classifier import Classifier
from augtune.model.losses import LossBatch, mean_loss
from augtune.model.precision import Precision
from augtune.model.prefix import prefix_cache
from augtune.model.vocabulary import SmallVocabulary
from augtune.training.optimizing import lr_factor, make_optimizer, parameter_groups
from augtune.training.selection import Selection
from augtune.training.settings import TrainSettings
from augtune.training.stages import Stage

__all__ = ["Loop", "TrainingRows", "WeightsSeen", "run_stage"]

# A GPU is asked for its losses this seldom: asking waits for it.
GPU_STEPS_BETWEEN_READS = 16
# Tensor cores like widths that are multiples of 8; on a processor padding is work and nothing else.
GPU_PAD_MULTIPLE = 8


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """The rows of a dataset as the loop sees them.

    Args:
        ids: ``N`` row ids, for messages.
        encoded: Their tokens.
        targets: ``(N, K)`` float32.
        weights: ``(N,)`` float32 how much each counts, or None.
        quality: ``(N,)`` float32 what a checker says of each label, NaN for trusted rows, or None.
    """

    ids: tuple[str, ...]
    encoded: Encoded
    targets: torch.Tensor
    weights: torch.Tensor | None = None
    quality: torch.Tensor | None = None

    def loss_batch(self, rows: np.ndarray, counts: torch.Tensor, device: torch.device) -> LossBatch:
        """Return what a loss may know of the given rows."""
        at = torch.from_numpy(rows)
        return LossBatch(
            targets=self.targets[at].to(device),
            weights=None if self.weights is None else self.weights[at].to(device),
            quality=None if self.quality is None else self.quality[at].to(device),
            class_counts=counts,
        )


class WeightsSeen:
    """Mean of the weights each row had in the steps that used it.

    Args:
        rows: ``N``.
    """

    def __init__(self, rows: int) -> None:
        self._sums = np.zeros(rows)
        self._counts = np.zeros(rows, dtype=np.int64)

    def add(self, rows: np.ndarray, weights: np.ndarray) -> None:
        """Note the weights of one batch, ``(B,)`` each."""
        np.add.at(self._sums, rows, weights)
        np.add.at(self._counts, rows, 1)

    def means(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions of the rows that were used and their mean weights."""
        used = np.flatnonzero(self._counts)
        return used, self._sums[used] / self._counts[used]


@dataclass
class Loop:
    """What stays the same from stage to stage.

    Args:
        classifier: What is trained, on its device.
        settings: How.
        accelerator: Device placement and, later, processes.
        precision: Number format of the forward pass.
        seed: Seed of the training.
        steps: Optimizer steps over all stages.
        vocabulary: The word table in use, which has to know of weight decay.
        on_step: Called after each step with step, steps and loss.
        history: One row per step, over all stages.
        seen: Weights that rows had.
    """

    classifier: Classifier
    settings: TrainSettings
    accelerator: Accelerator
    precision: Precision
    seed: int
    steps: int
    seen: WeightsSeen
    vocabulary: SmallVocabulary | None = None
    on_step: Callable[[int, int, float], None] | None = None
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class _Pending:
    """A step whose loss has not been read yet."""

    rows: np.ndarray
    loss: torch.Tensor
    lr: float
    weights: torch.Tensor | None


def run_stage(
    loop: Loop, stage: Stage, data: TrainingRows, positions: Sequence[int], *, selection: Selection | None = None
) -> None:
    """Train for one stage.

    Args:
        loop: The training it is part of; its history and weights seen are added to.
        stage: What to do.
        data: All rows of the dataset.
        positions: Rows of this stage.
        selection: Evaluates now and then and keeps the best weights; None keeps the last.

    Raises:
        TrainingError: If a loss or gradient is not finite; the message has the step and the rows.
    """
    classifier, settings = loop.classifier, loop.settings
    classifier.train_only(stage.trainable, freeze_embeddings=settings.freeze_embeddings)
    device = loop.accelerator.device
    groups = parameter_groups(classifier, lr=stage.lr, head_lr=settings.head_lr, weight_decay=settings.weight_decay)
    highest = [group["lr"] for group in groups]
    model, optimizer = loop.accelerator.prepare(classifier, make_optimizer(groups, device))
    parameters = [parameter for group in groups for parameter in group["params"]]
    where = np.asarray(positions, dtype=np.int64)
    counts = data.targets[torch.from_numpy(where)].sum(dim=0).to(device)
    batches = training_batches(
        data.encoded.lengths[where], batch_size=settings.batch_size, steps=stage.steps,
        generator=generator(loop.seed, "batches", stage.name),
    )  # fmt: skip
    prefix = prefix_cache(
        classifier, data.encoded, where, uses=stage.steps * settings.batch_size, precision=loop.precision
    )
    torch.manual_seed(derive(loop.seed, "dropout", stage.name))
    pending: list[_Pending] = []
    for step, chosen in enumerate(batches):
        factor = lr_factor(step, stage.steps, settings.warmup_share, settings.schedule)
        for group, most in zip(optimizer.param_groups, highest, strict=True):
            group["lr"] = most * factor
        batch = data.encoded.batch(where[chosen], multiple=1 if device.type == "cpu" else GPU_PAD_MULTIPLE)
        with nullcontext() if prefix is None else prefix.serving(batch):
            taken = _forward(loop, stage, model, batch, data.loss_batch(batch.rows, counts, device))
        pending.append(_Pending(batch.rows, taken[0].detach(), stage.lr * factor, taken[1]))
        if device.type == "cpu":
            _read(loop, stage, data.ids, pending)
        loop.accelerator.backward(taken[0])
        if settings.max_grad_norm is not None:
            _clip(loop, stage, data.ids, parameters, batch.rows)
        optimizer.step()
        optimizer.zero_grad()
        if loop.vocabulary is not None:
            loop.vocabulary.decay(stage.lr * factor, settings.weight_decay)
        last = step + 1 == stage.steps
        due = selection is not None and selection.due(len(loop.history) + len(pending), last)
        if last or due or len(pending) >= GPU_STEPS_BETWEEN_READS:
            _read(loop, stage, data.ids, pending)
        if due and selection is not None:
            loop.history[-1]["macro_f1"] = selection.evaluate(len(loop.history))
            classifier.train_only(stage.trainable, freeze_embeddings=settings.freeze_embeddings)


def _forward(
    loop: Loop, stage: Stage, model: Any, batch: Batch, known: LossBatch
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the batch's loss and, where the loss weighs rows by the model's own scores, those weights."""
    device = loop.accelerator.device
    inputs = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.inputs.items()}
    with loop.precision.active(device):
        logits = model(inputs)
    weights = stage.loss.row_weights(logits.detach(), known)
    return mean_loss(stage.loss, logits, known), known.weights if weights is None else weights


def _read(loop: Loop, stage: Stage, ids: Sequence[str], pending: list[_Pending]) -> None:
    """Move the steps whose losses are due into the history, and stop at one that is not finite."""
    for done in pending:
        loss = float(done.loss)
        step = len(loop.history) + 1
        if not math.isfinite(loss):
            raise _not_finite("loss", loss, step, stage, [ids[r] for r in done.rows])
        loop.history.append({"step": step, "stage": stage.name, "loss": loss, "lr": done.lr})
        if done.weights is not None:
            loop.seen.add(done.rows, done.weights.double().cpu().numpy())
        if loop.on_step is not None:
            loop.on_step(step, loop.steps, loss)
    pending.clear()


def _clip(loop: Loop, stage: Stage, ids: Sequence[str], parameters: list[Any], rows: np.ndarray) -> None:
    limit = loop.settings.max_grad_norm
    if loop.accelerator.device.type != "cpu":
        loop.accelerator.clip_grad_norm_(parameters, limit)
        return
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    length = float(norm)
    if not math.isfinite(length):
        raise _not_finite("gradient", length, len(loop.history), stage, [ids[r] for r in rows])
    if limit is not None and length > limit:
        torch.nn.utils.clip_grads_with_norm_(parameters, limit, norm)


def _not_finite(what: str, value: float, step: int, stage: Stage, ids: list[str]) -> TrainingError:
    named = ", ".join(ids[:8]) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")
    return TrainingError(
        f"training stopped at step {step} (stage '{stage.name}'): the {what} is {value}; rows of the batch: {named}.",
        hint="Lower train.lr, or train with precision: fp32; where weights are clamped, lower the clamp.",
    )
