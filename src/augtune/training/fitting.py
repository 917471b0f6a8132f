"""``fit``: run a recipe's stages on rows whose checkers, if it needs any, are ready."""

from __future__ import annotations

import hashlib
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from augtune.core.dataset import Dataset, HumanDataset
from augtune.core.errors import DataError, TrainingError
from augtune.core.fingerprint import text_marks
from augtune.core.launched import is_helper, is_one_of_several
from augtune.core.seeds import derive
from augtune.core.tables import Predictions, Weights
from augtune.model.batching import encode
from augtune.model.classifier import Classifier
from augtune.model.dropout import MaskSource
from augtune.model.encoder import layers_of, load_tokenizer, longest_input
from augtune.model.fitted import STOPPED, Fitted
from augtune.model.lora import merge
from augtune.model.precision import choose
from augtune.model.vocabulary import small_vocabulary
from augtune.training.checkpoints import Checkpoint, CheckpointFolder
from augtune.training.leading import AloneError, ending_together, hand_out
from augtune.training.loop import Loop, TrainingRows, WeightsSeen, run_stage
from augtune.training.meta.online import OnlineWeights
from augtune.training.meta.passes import KnownRows
from augtune.training.micro import MicroBatches, is_out_of_memory
from augtune.training.parted import in_parts
from augtune.training.preparing import new_classifier, ready
from augtune.training.recipes.base import Online
from augtune.training.recipes.hu2019 import Hu2019
from augtune.training.running import Running, Stopped
from augtune.training.selection import Selection, SelectionRules, ValidationRows
from augtune.training.settings import TrainSettings
from augtune.training.stages import Stage, select
from augtune.training.state import Saving, put_back
from augtune.training.streams import Streams
from augtune.training.tables import Checkers
from augtune.training.team import Team, make_accelerator
from augtune.training.thresholds import tuned_thresholds
from augtune.training.tracking import Tracking, check_tracker
from augtune.weighting.importance import label_probability

__all__ = ["Job", "Known", "fit"]


@dataclass(frozen=True, slots=True)
class Known:
    """What was found out of the rows before training.

    Args:
        weights: ``(N,)`` how much each row counts, where that is learned in a loop of its own; else None.
    """

    weights: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Job:
    """One training, checked: what ``fit`` does.

    Args:
        dataset: Rows to train on.
        settings: How.
        seed: Seed of the training.
        validation: Rows to select on, or None.
        checkers: Predictions of the checkers the recipe needs, or None.
        running: What it is run with: who hears of its steps and notes.
        known: What was found out of the rows; None: found out before training.
    """

    dataset: Dataset
    settings: TrainSettings
    seed: int
    validation: HumanDataset | None = None
    checkers: Checkers | None = None
    running: Running = field(default_factory=Running)
    known: Known | None = None


def fit(job: Job) -> Fitted:
    """Return the classifier a job asks for.

    Raises:
        TrainingError: If it cannot go on: a loss that is not finite, no memory.
        SettingsError: If a step has fewer rows than there are processes.
    """
    job = replace(job, known=job.known or _known(job))
    hand_out(job)
    with ending_together():
        try:
            return _fit(job)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            alone = AloneError if is_one_of_several() else TrainingError
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise alone(
                f"out of memory outside the gradient of a step: {reason}",
                hint="Set a smaller train.max_length, train fewer layers (train.trainable), or take a smaller encoder.",
            ) from error


def _fit(job: Job) -> Fitted:
    dataset, settings = job.dataset, job.settings
    running = job.running
    check_tracker(settings.tracker)
    trackers = [one for one in (settings.tracker, running.tracker) if one is not None]
    accelerator = make_accelerator(trackers if not is_helper() else (), running.logs or Path.cwd())
    team = Team(accelerator)
    masks = MaskSource(derive(job.seed, "dropout", *team.own_stream))
    streams = Streams(masks, accelerator.device)
    notes: list[str] = []

    def note(sentence: str) -> None:
        notes.append(sentence)
        if job.running.on_note is not None:
            job.running.on_note(sentence)

    with torch.random.fork_rng(devices=[accelerator.device] if accelerator.device.type == "cuda" else []):
        for sentence in () if job.checkers is None else job.checkers.notes:
            note(sentence)
        parted = settings.sharding == "parameters" and team.size > 1
        # In parts a model comes to its device layer by layer, so that the device never has to hold the whole of it.
        classifier = new_classifier(job, torch.device("cpu") if parted else accelerator.device)
        if settings.mix is not None:
            settings.mix.places(len(layers_of(classifier.encoder)))
        tokenizer = load_tokenizer(settings.encoder)
        limit = longest_input(tokenizer, classifier.encoder)
        limit = min(limit, settings.max_length or limit)
        data = _rows(job, tokenizer, limit)
        if cut := int(data.encoded.truncated.sum()):
            note(f"{cut:,} of {len(dataset):,} training rows are longer than {limit} tokens and lose their end.")
        loop = Loop(
            classifier=classifier,
            settings=settings,
            accelerator=accelerator,
            precision=choose(settings.precision, accelerator.device),
            seed=job.seed,
            steps=settings.steps_for(len(dataset)),
            seen=WeightsSeen(len(dataset)),
            micro=MicroBatches(settings.micro_batch_size, streams, note),
            streams=streams,
            team=team,
            note=note,
            on_step=job.running.on_step,
            stop=job.running.stop,
            notes=notes,
        )
        loop.saving = _saving(loop, job, data)
        if trackers and team.rank == 0:
            loop.tracking = Tracking(accelerator, running, settings.to_json())
        chosen_on = _validation(job, tokenizer, limit)
        with nullcontext() if loop.stop is None else loop.stop.listening():
            kept = _tracked(loop, job, data, chosen_on, masks)
        classifier.to(accelerator.device)
        if settings.lora is not None:
            merge(classifier.encoder)
        thresholds = _thresholds(job, classifier, chosen_on)
    return Fitted(
        classifier=classifier.eval(),
        tokenizer=tokenizer,
        labels=dataset.labels,
        encoder=settings.encoder,
        recipe=settings.recipe.kind,
        steps=len(loop.history),
        max_length=limit,
        is_pair=dataset.is_pair,
        seed=job.seed,
        settings=settings.to_json(),
        history=tuple(loop.history),
        seconds=loop.seconds(),
        precision=repr(loop.precision),
        truncated=cut,
        kept=kept,
        weights=_weights_used(loop, job),
        notes=tuple(notes),
        thresholds=thresholds,
        seen=tuple(text_marks(dataset.texts, dataset.text_pairs)),
    )


def _known(job: Job) -> Known:
    dataset, recipe = job.dataset, job.settings.recipe
    learned = recipe.learned(dataset, job.settings, job.seed)
    return Known(None if learned is None else learned.values)


def _rows(job: Job, tokenizer: Any, limit: int) -> TrainingRows:
    dataset, known = job.dataset, job.known or _known(job)
    return TrainingRows(
        ids=dataset.ids,
        encoded=encode(tokenizer, dataset.texts, dataset.text_pairs, max_length=limit),
        targets=_tensor(dataset.targets()),
        human=np.array([origin == "human" for origin in dataset.origins], dtype=bool),
        weights=None if known.weights is None else _tensor(known.weights),
    )


def _judged(data: TrainingRows, stage: Stage, job: Job) -> TrainingRows:
    """Return the rows with what the checkers make of them in a stage: weights, quality, how easy each is."""
    checkers, dataset = job.checkers, job.dataset
    if stage.weighting is not None:
        weights, quality = stage.weighting.weights(dataset, checkers), stage.weighting.quality(dataset, checkers)
        data = replace(
            data,
            weights=None if weights is None else _tensor(weights.values),
            quality=None if quality is None else _tensor(quality),
        )
    if stage.order == "easiest_first":
        if checkers is None or checkers.quality is None:
            raise DataError("order easiest_first: expected a quality checker's predictions.")
        data = replace(data, ease=label_probability(checkers.quality, dataset))
    return data


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))


def _validation(job: Job, tokenizer: Any, limit: int) -> ValidationRows | None:
    rows = job.validation
    online = None if rows is None else job.settings.recipe.online(job.dataset, has_validation=True, seed=job.seed)
    trusted = online is not None and not len(online.held_out)
    if rows is None or not (trusted or job.settings.measured()):
        return None
    encoded = encode(tokenizer, rows.texts, rows.text_pairs, max_length=limit)
    return ValidationRows(rows, encoded)


def _run(loop: Loop, job: Job, data: TrainingRows, measured: ValidationRows | None, masks: MaskSource) -> str:
    """Run all stages and return which weights were kept."""
    settings = job.settings
    online = settings.recipe.online(job.dataset, has_validation=job.validation is not None, seed=job.seed)
    trusted = None if online is None or len(online.held_out) else measured
    validation = measured if settings.is_selected else None
    labels = job.dataset.labels
    stages = [replace(one, loss=one.loss.bound(labels)) for one in settings.recipe.plan(settings, loop.steps)]
    others = validation or trusted
    texts = [data.encoded] if others is None else [data.encoded, others.encoded]
    cut = settings.optimizer.leaves_unused_rows(settings.weight_decay)
    with (
        small_vocabulary(loop.classifier, texts, cut=cut) as vocabulary,
        in_parts(loop, vocabulary),
        ready(loop.classifier, job, masks, steps=loop.steps, note=loop.note),
    ):
        loop.vocabulary = vocabulary
        data = replace(data, encoded=vocabulary.renumbered(data.encoded))
        if online is not None:
            rows = None if trusted is None else replace(trusted, encoded=vocabulary.renumbered(trusted.encoded))
            loop.weigher = _weigher(loop, job, data, online, rows)
        selection = None
        _carry_on(loop, job)
        for at, stage in enumerate(stages):
            if at < loop.at:
                continue
            loop.at = at
            if validation is not None and stage is stages[-1]:
                rows = replace(validation, encoded=vocabulary.renumbered(validation.encoded))
                selection = Selection(loop.classifier, rows, SelectionRules.of(settings, loop.steps))
            positions = select(job.dataset, stage.rows)
            if online is not None:
                positions = sorted(set(positions) - set(online.held_out.tolist()))
            run_stage(loop, stage, _judged(data, stage, job), positions, selection=selection)
            if loop.stopped:
                return _stopped(loop, job, selection)
        if selection is None:
            return "last"
        kept = selection.restore()
        if selection.stopped and len(loop.history) < loop.steps:
            step = f"step {len(loop.history)} of {loop.steps}"
            loop.note(f"stopped at {step}: {selection.stopped}; the weights kept are: {kept}.")
        return kept


def _tracked(loop: Loop, job: Job, data: TrainingRows, measured: ValidationRows | None, masks: MaskSource) -> str:
    try:
        return _run(loop, job, data, measured, masks)
    finally:
        if loop.tracking is not None:
            loop.tracking.end()


def _weigher(
    loop: Loop, job: Job, data: TrainingRows, online: Online, trusted: ValidationRows | None
) -> OnlineWeights | None:
    """Return what learns weights beside training."""
    recipe = job.settings.recipe
    if not isinstance(recipe, Hu2019):
        return None
    known = KnownRows(data.encoded, data.targets, online.held_out)
    outer = known
    if trusted is not None:
        targets = torch.from_numpy(trusted.rows.targets().astype(np.float32))
        outer = KnownRows(trusted.encoded, targets, np.arange(len(targets)))
    return OnlineWeights(recipe, loop.classifier, known, outer, weighed=online.weighed, seed=job.seed)


def _thresholds(job: Job, classifier: Classifier, validation: ValidationRows | None) -> tuple[float, ...] | None:
    """Return from which probability each label is predicted; None: as usual."""
    labels, wanted = job.dataset.labels, job.settings.threshold
    if wanted is None:
        return None
    if wanted != "tuned" or validation is None:
        return (float(wanted),) * len(labels)
    return tuned_thresholds(labels.rule.probabilities(classifier.scores(validation.encoded)), validation.rows.marks)


def _saving(loop: Loop, job: Job, data: TrainingRows) -> Saving | None:
    """Return what writes the job's checkpoints; its stamp is everything the result depends on."""
    settings, folder = job.settings, job.running.folder
    if folder is None or loop.team.rank:
        return None
    checked = hashlib.sha256()
    tables = () if job.checkers is None else (job.checkers.quality, job.checkers.diversity)
    for values in (None if data.weights is None else data.weights.numpy(), *(_opinion(table, job) for table in tables)):
        checked.update(b"none" if values is None else values.tobytes())
    stamp = {
        "settings": settings.to_key(),
        "rows": job.dataset.fingerprint,
        "validation rows": None if job.validation is None else job.validation.fingerprint,
        "seed": job.seed,
        "encoder": loop.classifier.digest(),
        "checkers": checked.hexdigest(),
        "precision": loop.precision.name,
        "device": loop.accelerator.device.type,
        "processes": loop.team.size,
    }
    tell = job.running.on_note or (lambda sentence: None)
    checkpoints = CheckpointFolder(folder, stamp, keep=settings.checkpoints_kept, tell=tell)
    return Saving(checkpoints, settings.checkpoint_every, loop.steps)


def _opinion(checker: Predictions | None, job: Job) -> np.ndarray | None:
    return None if checker is None else checker.aligned(job.dataset.ids).probabilities


def _carry_on(loop: Loop, job: Job) -> None:
    """Stand where the newest checkpoint was written, if there is one."""
    checkpoint = None if loop.saving is None else loop.saving.folder.newest()
    content = loop.team.spread(None if checkpoint is None else checkpoint.to_bytes()) if loop.team.size > 1 else b""
    if content and loop.team.rank:
        checkpoint = Checkpoint.from_bytes(content)
    if checkpoint is None:
        return
    put_back(loop, checkpoint)
    if job.running.on_note is not None:
        job.running.on_note(f"carries on after step {checkpoint.step} of {loop.steps}, from its checkpoint")


def _stopped(loop: Loop, job: Job, selection: Selection | None) -> str:
    """Return which weights were kept of a training that was ended by hand, or end the program's work with it."""
    step = len(loop.history)
    if job.running.when_stopped == "raise":
        kept = "there is no checkpoint of it" if loop.saving is None else "the same command carries on from there"
        raise Stopped(f"stopped by hand after step {step} of {loop.steps}; {kept}.")
    best = "" if selection is None or selection.step == 0 else f"; {selection.restore()}"
    return f"{STOPPED} at step {step} of {loop.steps}{best}"


def _weights_used(loop: Loop, job: Job) -> Weights | None:
    """Return the mean weight each synthetic row had in the steps that used it; None in recipes without weights."""
    if not job.settings.recipe.weighs:
        return None
    used, means = loop.seen.means()
    weighed = [i for i, row in enumerate(used) if job.dataset.origins[row] != "human"]
    return Weights(tuple(job.dataset.ids[used[i]] for i in weighed), means[weighed])
