"""The training loop: one stage, from its first optimizer step to its last.

Shapes: ``N`` rows of the dataset, ``B`` rows of a batch, ``K`` classes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from augtune.core.errors import TrainingError
from augtune.core.seeds import derive, generator
from augtune.model.batching import Batch
from augtune.model.classifier import Classifier
from augtune.model.encoder import layers_of
from augtune.model.losses import LossBatch, loss_sum
from augtune.model.mixed import mix_forward, mix_targets
from augtune.model.mixing import Mix
from augtune.model.precision import Precision
from augtune.model.prefix import prefix_cache
from augtune.model.vocabulary import SmallVocabulary
from augtune.training.checkpoints import Checkpoint
from augtune.training.drawing import StageRows, batches_of
from augtune.training.meta.online import OnlineWeights
from augtune.training.micro import MicroBatches, Part, StepLoss, Work
from augtune.training.optimizing import parameter_groups
from augtune.training.parted import put_together
from augtune.training.rows import TrainingRows, WeightsSeen
from augtune.training.running import Stop
from augtune.training.schedules import lr_factor
from augtune.training.selection import Selection
from augtune.training.settings import TrainSettings
from augtune.training.sharding import prepared
from augtune.training.stages import Stage
from augtune.training.state import Saving, capture, load_optimizer
from augtune.training.streams import Streams
from augtune.training.team import Team
from augtune.training.tracking import Tracking

__all__ = ["Loop", "TrainingRows", "WeightsSeen", "run_stage"]

# A GPU is asked for its losses this seldom: asking waits for it.
GPU_STEPS_BETWEEN_READS = 16
# Tensor cores like widths that are multiples of 8; on a processor padding is work and nothing else.
GPU_PAD_MULTIPLE = 8


@dataclass
class Loop:
    """What stays the same from stage to stage.

    Args:
        classifier: What is trained, on its device.
        settings: How.
        accelerator: Device placement and processes.
        precision: Number format of the forward pass.
        seed: Seed of the training.
        steps: Optimizer steps over all stages.
        seen: Weights that rows had.
        micro: How many rows are computed at once.
        note: Called with each sentence its user has to know of.
        streams: The random states a step draws from.
        team: The processes that train together.
        vocabulary: The word table in use, which has to know of weight decay.
        weigher: Learns weights of rows beside training, or None.
        on_step: Called after each step with step, steps and loss.
        stop: What ends it before its last step.
        saving: Writes checkpoints; None: there are none.
        tracking: Hears of every row of the history; None: nobody does.
        history: One row per step, over all stages.
        notes: What its user was told of it.
        at: Which stage it is in, from 0.
        stopped: Whether it was ended before its last step.
        resumed: The checkpoint it stands at until its stage has put back what is the stage's.
        started: Clock when it started, in seconds.
        seconds_before: Seconds it took up to the checkpoint it carried on from.
    """

    classifier: Classifier
    settings: TrainSettings
    accelerator: Accelerator
    precision: Precision
    seed: int
    steps: int
    seen: WeightsSeen
    micro: MicroBatches
    note: Callable[[str], None]
    streams: Streams
    team: Team
    vocabulary: SmallVocabulary | None = None
    weigher: OnlineWeights | None = None
    on_step: Callable[[int, int, float], None] | None = None
    stop: Stop | None = None
    saving: Saving | None = None
    tracking: Tracking | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    at: int = 0
    stopped: bool = False
    resumed: Checkpoint | None = None
    started: float = field(default_factory=time.monotonic)
    seconds_before: float = 0.0

    @property
    def is_parted(self) -> bool:
        """Whether each process keeps a part of every weight, or will once training begins."""
        return self.settings.sharding == "parameters" and self.team.size > 1

    def seconds(self) -> float:
        """Return how long it took so far, before a checkpoint and since."""
        return self.seconds_before + time.monotonic() - self.started


@dataclass(slots=True)
class _Pending:
    """A step whose loss has not been read yet."""

    rows: np.ndarray
    loss: StepLoss
    norm: torch.Tensor
    lr: float


def run_stage(
    loop: Loop, stage: Stage, data: TrainingRows, positions: Sequence[int], *, selection: Selection | None = None
) -> None:
    """Train for one stage.

    Args:
        loop: The training it is part of; its history and weights seen are added to.
        stage: What to do.
        data: All rows of the dataset.
        positions: Rows of this stage.
        selection: Evaluates now and then, keeps the best weights, may lower the rate and end it; None does nothing.

    Raises:
        TrainingError: If a loss or gradient is not finite, with the step and the rows; or if the memory does not do.
    """
    run = _StageRun(loop, stage, data, positions, selection)
    done = run.resume()
    for step, chosen in enumerate(islice(run.batches(), done, None), done):
        run.step(step, chosen)
        last = step + 1 == stage.steps
        due = selection is not None and selection.due(run.steps_done, last)
        if last or due or len(run.pending) >= GPU_STEPS_BETWEEN_READS:
            run.read()
        if due and selection is not None:
            found = selection.evaluate(len(loop.history))
            loop.history[-1].update(found)
            if loop.tracking is not None:
                loop.tracking.log({**found, "step": len(loop.history)})
            run.train_only()
        if (selection is not None and selection.stopped) or run.must_end(step + 1):
            break
    if loop.team.size > 1:
        loop.accelerator.free_memory()  # a wrapped model keeps its hooks on the weights for as long as it is known


class _StageRun:
    """One stage at work: its model, optimizer and the steps whose losses were not read yet."""

    def __init__(
        self, loop: Loop, stage: Stage, data: TrainingRows, positions: Sequence[int], selection: Selection | None
    ) -> None:
        self.loop, self.stage, self.data, self.selection = loop, stage, data, selection
        self.train_only()
        self.device = loop.accelerator.device
        settings = loop.settings
        groups = parameter_groups(
            loop.classifier, lr=stage.lr, head_lr=settings.head_lr, weight_decay=settings.weight_decay,
            layer_decay=settings.layer_decay,
        )  # fmt: skip
        self.highest = [group["lr"] for group in groups]
        self.parameters = [parameter for group in groups for parameter in group["params"]]
        self.model, self.optimizer = prepared(loop, groups)
        self.where = np.asarray(positions, dtype=np.int64)
        self.counts = data.targets[torch.from_numpy(self.where)].sum(dim=0).to(self.device)
        self.pending: list[_Pending] = []
        self.progress = 0.0
        self.agreed = (False, False)
        # A mix may reach below the first trained layer, where every row has to be there in person; and a model in
        # parts is put together only where all of it is called.
        self.prefix = None if settings.mix is not None or loop.is_parted else prefix_cache(
            loop.classifier, data.encoded, self.where,
            uses=stage.steps * settings.batch_size, precision=loop.precision,
        )  # fmt: skip
        torch.manual_seed(derive(loop.seed, "dropout", stage.name, *loop.team.own_stream))

    def resume(self) -> int:
        """Return how many of the stage's steps were taken before, standing where they ended."""
        checkpoint, self.loop.resumed = self.loop.resumed, None
        if checkpoint is None:
            return 0
        parts = checkpoint.parts
        load_optimizer(self.optimizer, parts["optimizer"])
        own = f"{self.loop.team.rank}."
        streams = {name: state for name, state in parts["streams"].items() if name.startswith(own)}
        self.loop.streams.load_state_dict({name.removeprefix(own): state for name, state in streams.items()})
        if self.selection is not None and "selection" in parts:
            self.selection.load_state_dict(parts["selection"])
        return int(parts["position"]["done"])

    def must_end(self, done: int) -> bool:
        """Write a checkpoint if one is due, and return whether the user wants training to end here.

        Args:
            done: Steps of the stage that were taken.
        """
        loop = self.loop
        stop, write = self._wishes()
        loop.stopped = stop and self.steps_done < loop.steps
        if write:
            self.read()
            found = capture(loop, done, self.optimizer, self.selection)
            if loop.saving is not None:
                loop.saving.write(found)
        return loop.stopped

    def _wishes(self) -> tuple[bool, bool]:
        """Return whether to stop and whether to write a checkpoint; several processes have agreed on it in a step."""
        if self.loop.team.size > 1:
            wishes, self.agreed = self.agreed, (False, False)
            return wishes
        stop, saving = self.loop.stop is not None and self.loop.stop.asked, self.loop.saving
        stop = stop and self.steps_done < self.loop.steps
        return stop, saving is not None and (stop or saving.due(self.steps_done))

    @property
    def steps_done(self) -> int:
        """Steps of the whole training that were taken."""
        return len(self.loop.history) + len(self.pending)

    def train_only(self) -> None:
        """Set what this stage trains to training, the rest to evaluation."""
        freeze = self.loop.settings.freeze_embeddings
        self.loop.classifier.train_only(self.stage.trainable, freeze_embeddings=freeze)

    def batches(self) -> Iterator[np.ndarray]:
        """Yield the rows of each step, as places among the stage's rows."""
        data, where = self.data, self.where
        rows = StageRows(
            data.encoded.lengths[where], data.human[where], None if data.ease is None else data.ease[where]
        )
        chance = generator(self.loop.seed, "batches", self.stage.name)
        return batches_of(self.stage, rows, batch_size=self.loop.settings.batch_size, chance=chance)

    def step(self, step: int, chosen: np.ndarray) -> None:
        """Take one optimizer step.

        Args:
            step: Of the stage, from 0.
            chosen: ``(B,)`` places among the stage's rows.
        """
        loop, stage = self.loop, self.stage
        self.progress = step / stage.steps
        factor = lr_factor(step, stage.steps, loop.settings.warmup_share, loop.settings.schedule)
        if self.selection is not None:
            factor *= self.selection.lr_share
        for group, most in zip(self.optimizer.param_groups, self.highest, strict=True):
            group["lr"] = most * factor
        rows = self.where[chosen]
        if loop.weigher is not None and self.data.weights is not None:
            weights = loop.weigher.weigh(
                rows, self.optimizer, stage.loss, step=self.steps_done, precision=loop.precision
            )  # fmt: skip
            self.data.weights[torch.from_numpy(rows)] = torch.from_numpy(weights).float()
        loss = loop.micro.gradients(rows, self._work())
        norm = put_together(torch.nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None]))
        self.pending.append(_Pending(rows, loss, norm, stage.lr * factor))
        if self.device.type == "cpu":
            self.read()
        if loop.settings.max_grad_norm is not None:
            self._clip(loop.settings.max_grad_norm, norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if loop.vocabulary is not None:
            loop.vocabulary.decay(self.optimizer.param_groups)

    def _work(self) -> Work:
        """Return what computes the next step."""
        loop, step = self.loop, self.steps_done + 1
        stop = loop.stop is not None and loop.stop.asked
        return Work(
            compute=self._compute,
            backward=loop.accelerator.backward,
            parameters=self.parameters,
            where=f"step {step} (stage '{self.stage.name}')",
            team=loop.team,
            silently=nullcontext if loop.is_parted else partial(loop.accelerator.no_sync, self.model),
            in_step=loop.is_parted,
            wishes=(stop, loop.saving is not None and (stop or loop.saving.due(step))),
        )

    def _compute(self, rows: np.ndarray) -> Part:
        batch = self.data.encoded.batch(rows, multiple=1 if self.device.type == "cpu" else GPU_PAD_MULTIPLE)
        known = replace(self.data.loss_batch(rows, self.counts, self.device), progress=self.progress)
        with nullcontext() if self.prefix is None else self.prefix.serving(batch):
            return _forward(self.loop, self.model, batch, known, stage=self.stage, mix=self._mix(rows))

    def _mix(self, rows: np.ndarray) -> Mix | None:
        """Return what is mixed with what among rows computed at once, from a stream of their own; None: nothing."""
        mixing = self.loop.settings.mix
        if mixing is None:
            return None
        chance = generator(self.loop.seed, "mix", self.steps_done, int(rows[0]))
        return mixing.draw(len(rows), len(layers_of(self.loop.classifier.encoder)), chance)

    def _clip(self, limit: float, norm: torch.Tensor) -> None:
        # Asking a GPU for the length would wait for it; there the factor is worked out where it is, and may be 1.
        if self.device.type != "cpu" or float(norm) > limit:
            torch.nn.utils.clip_grads_with_norm_(self.parameters, limit, norm)

    def read(self) -> None:
        """Move the steps whose losses are due into the history, and stop at one that is not finite."""
        loop = self.loop
        for done in self.pending:
            step, loss = len(loop.history) + 1, float(done.loss.mean)
            for what, value in (("loss", loss), ("gradient", float(done.norm))):
                if not math.isfinite(value):
                    raise self._not_finite(what, value, step, [self.data.ids[r] for r in done.rows])
            loop.history.append({"step": step, "stage": self.stage.name, "loss": loss, "lr": done.lr})
            if done.loss.wishes is not None:
                stop, write = (bool(wish) for wish in done.loss.wishes.tolist())
                self.agreed = (self.agreed[0] or stop, self.agreed[1] or write)
            if done.loss.weights is not None:
                loop.seen.add(done.rows, done.loss.weights.double().cpu().numpy())
            if loop.tracking is not None:
                loop.tracking.log(loop.history[-1])
            if loop.on_step is not None:
                loop.on_step(step, loop.steps, loss)
        self.pending.clear()

    def _not_finite(self, what: str, value: float, step: int, ids: list[str]) -> TrainingError:
        named = ", ".join(ids[:8]) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")
        saving, kept = self.loop.saving, ""
        if saving is not None and saving.last:
            kept = f"\n  The checkpoint after step {saving.last} is kept in {saving.folder.folder}."
        return TrainingError(
            f"training stopped at step {step} (stage '{self.stage.name}'): the {what} is {value}; rows of the batch: "
            f"{named}.",
            hint="Lower train.lr, or train with precision: fp32; where weights are clamped, lower the clamp." + kept,
        )


def _forward(loop: Loop, model: Any, batch: Batch, known: LossBatch, *, stage: Stage, mix: Mix | None) -> Part:
    """Return what the batch costs and what its rows count, by the loss's own opinion where it has one."""
    device = loop.accelerator.device
    inputs = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.inputs.items()}
    with loop.precision.active(device):
        logits = model(inputs) if mix is None else mix_forward(model, loop.classifier, inputs, mix)
    if mix is not None:
        return Part(loss_sum(stage.loss, logits, mix_targets(mix, known)), known.weights)
    weights = stage.loss.row_weights(logits.detach(), known)
    return Part(loss_sum(stage.loss, logits, known), known.weights if weights is None else weights)
