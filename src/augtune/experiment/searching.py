"""The search for an arm's training settings by optuna, each trial a stage of the run.

What judges a trial is ``SearchRows``, which holds no test row and no way to one. Trials are done once: a run that is
cut off goes through the same suggestions again, because each is a function of the seed, its number and the scores
before it, and finds their scores in its folder. The study is there too, for optuna's own tools.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from augtune.core.dataset import Dataset, HumanDataset
from augtune.core.extras import need
from augtune.core.folds import spread
from augtune.core.seeds import derive, generator
from augtune.evaluation.metrics import Metric
from augtune.evaluation.scores import evaluate
from augtune.experiment.arms import ArmPlan
from augtune.experiment.content import VERSION, encoder_content
from augtune.experiment.search import Choices, Range, SearchSettings, keys_for, value_at, with_values
from augtune.experiment.stages import saved_checkers
from augtune.experiment.store import CHECKPOINTS, RunFolder
from augtune.experiment.work import Crew
from augtune.training.running import Running, Stop
from augtune.training.settings import TrainSettings

__all__ = ["Found", "SearchRows", "Within", "searched"]


@dataclass(frozen=True, slots=True)
class SearchRows:
    """The rows a search works with. There is no place for test rows.

    Args:
        human: Human training rows.
        synthetic: The arm's synthetic rows; None without any.
        validation: Human rows to judge by; None: parts of the training rows judge models of the others.
    """

    human: HumanDataset
    synthetic: Dataset | None
    validation: HumanDataset | None

    def __post_init__(self) -> None:
        for rows in (self.human, *([] if self.validation is None else [self.validation])):
            if not isinstance(rows, HumanDataset):
                raise TypeError(f"a search judges by human rows, got a {type(rows).__name__}")

    def rounds(self, search: SearchSettings) -> Iterator[tuple[Dataset, HumanDataset]]:
        """Yield what to train on and what to judge by.

        A synthetic row made from a row that judges is left out: it says what that row says.
        """
        if self.validation is not None:
            yield _joined(self.human, self.synthetic), self.validation
            return
        folds = spread(
            self.human.marks @ np.arange(1, len(self.human.labels) + 1),
            search.folds or 2,
            generator(search.seed, "search", "folds"),
        )
        for fold in range(int(folds.max()) + 1):
            judging = self.human.take(np.flatnonzero(folds == fold))
            others, known = self.human.take(np.flatnonzero(folds != fold)), set(judging.ids)
            made = self.synthetic
            if made is not None:
                made = made.take([i for i, row in enumerate(made) if not known & set(row.parents)])
            yield _joined(others, made), judging


@dataclass(frozen=True, slots=True)
class Within:
    """The run that a search is a part of.

    Args:
        store: The run folder, claimed.
        stop: What ends a training before its last step, and the run with it.
        crew: Who does the trials; None: this process.
    """

    store: RunFolder
    stop: Stop | None = None
    crew: Crew | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Args:
        arm: Arm it searched for.
        values: The settings chosen, by key.
        score: Their score.
        first: The score of what the file says; None where that is not among what was tried.
        metric: Name of the metric.
        trials: Combinations tried.
        seconds: All trainings of the search.
        judged: What judged, in words.
    """

    arm: str
    values: Mapping[str, Any]
    score: float
    first: float | None
    metric: str
    trials: int
    seconds: float
    judged: str

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {"values": dict(self.values)}

    def __str__(self) -> str:
        chosen = ", ".join(f"{key} {_written(value)}" for key, value in self.values.items())
        before = "" if self.first is None else f" ({self.first:.3f} as the file has them)"
        return (
            f"Settings searched for {self.arm}: {chosen}; the best of {self.trials} trials by {self.metric} on "
            f"{self.judged}, {self.score:.3f} there{before}; {self.seconds:.0f} s of training."
        )


def searched(
    arm: ArmPlan, rows: SearchRows, search: SearchSettings, metric: Metric, within: Within
) -> tuple[ArmPlan, Found | None]:
    """Return the arm with the settings that a search found, and what it found; None if nothing applies to the arm.

    Args:
        arm: The arm.
        rows: What it is trained on and judged by.
        search: The search.
        metric: What decides.
        within: The run it is a part of.

    Raises:
        ExtraError: If optuna is not installed.
    """
    keys = keys_for(search, arm)
    if not keys:
        return arm, None
    optuna = need("optuna", extra="search", to="search for settings")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    metric = metric.bound(rows.human.labels)
    study = _study(optuna, within.store.path / "search" / f"{arm.folder}.journal", metric)
    in_file = _as_in_file(search, arm, keys)
    study.enqueue_trial(in_file)
    seconds = 0.0
    for number in range(search.trials):
        # each suggestion has a stream of its own, so that a run that is cut off goes on as it would have
        seed = derive(search.seed, "search", number) % 2**32
        startup = min(10, max(3, search.trials // 3))
        study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup)
        trial = study.ask()
        values = {key: _suggested(trial, key, search.space[key]) for key in keys}
        about = f"{arm.name} · trial {number + 1} of {search.trials}"
        judge = _Judge(replace(arm, settings=with_values(arm.settings, values)), rows, search, metric, within)
        notes = judge.stage(about)
        seconds += float(notes["seconds"])
        study.tell(trial, float(notes["score"]))
    best = study.best_trial
    values = {key: _value(best.params[key], search.space[key]) for key in keys}
    judged = f"{len(rows.validation)} validation rows" if rows.validation is not None else (
        f"{search.folds} parts of {len(rows.human)} human training rows"
    )  # fmt: skip
    first = study.trials[0].value if set(in_file) == set(keys) else None
    found = Found(arm.name, values, best.value, first, metric.title, search.trials, seconds, judged)
    return replace(arm, settings=with_values(arm.settings, values)), found


@dataclass(frozen=True, slots=True)
class _Judge:
    """Scores one combination."""

    arm: ArmPlan
    rows: SearchRows
    search: SearchSettings
    metric: Metric
    within: Within

    def stage(self, about: str) -> Mapping[str, Any]:
        """Return ``score`` and ``seconds``, worked out now or before."""
        settings, rows = self.arm.settings, self.rows
        key = {
            "version": VERSION,
            "rows": _joined(rows.human, rows.synthetic).fingerprint,
            "judging": self.search.folds if rows.validation is None else rows.validation.fingerprint,
            "settings": settings.to_key(),
            "encoder": encoder_content(settings.encoder),
            "checkers": saved_checkers(self.arm),
            "metric": self.metric.to_json(),
            "seed": self.search.seed,
        }
        return self.within.store.stage("search", key, lambda folder: self._scored(folder, about), about=about).notes

    def _scored(self, folder: Path, about: str) -> dict[str, Any]:
        work = SearchWork(self.rows, self.search, self.arm.settings, self.metric)
        if self.within.crew is None:
            running = Running(folder=folder / CHECKPOINTS, stop=self.within.stop, about=about)
            return work.do(folder, running)

        def note(sentence: str) -> None:
            self.within.store.event("note", stage="search", about=about, message=sentence)

        return dict(self.within.crew.do(work, folder, about, note))


@dataclass(frozen=True)
class SearchWork:
    """The score of one combination of settings.

    Args:
        rows: What is trained on and judged by.
        search: The search.
        settings: The combination.
        metric: What decides, bound to the labels.
    """

    rows: SearchRows
    search: SearchSettings
    settings: TrainSettings
    metric: Metric

    def do(self, folder: Path, running: Running) -> dict[str, Any]:
        """Return ``score`` and ``seconds``; nothing is written but checkpoints."""
        from augtune.training.train import train

        started, scores = time.monotonic(), []
        for number, (dataset, judging) in enumerate(self.rows.rounds(self.search)):
            place = None if running.folder is None else running.folder / str(number)
            fitted = train(
                dataset,
                validation=self.rows.validation,
                seed=self.search.seed,
                settings=self.settings,
                running=replace(running, folder=place),
            )
            found = evaluate(fitted.predict(judging), judging, [self.metric], resamples=0)
            scores.append(found.values[self.metric.key])
        return {"score": float(np.mean(scores)), "seconds": time.monotonic() - started}


def _study(optuna: Any, path: Path, metric: Metric) -> Any:
    """Return a new study whose trials are written to a journal; the scores of an earlier one are in its stages."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in (path, path.with_name(f"{path.name}.lock")):
        old.unlink(missing_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of features that optuna calls experimental
        journal = optuna.storages.journal
        lock = journal.JournalFileOpenLock(str(path))  # no link: one left by a kill would bar the run folder
        storage = optuna.storages.JournalStorage(journal.JournalFileBackend(str(path), lock_obj=lock))
    direction = "maximize" if metric.higher_is_better else "minimize"
    return optuna.create_study(storage=storage, study_name="search", direction=direction)


def _as_in_file(search: SearchSettings, arm: ArmPlan, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return what the file says, where that is among what is tried, as optuna has it."""
    found = {}
    for key in keys:
        space, value = search.space[key], value_at(arm.settings, key)
        if isinstance(space, Choices):
            names = [choice.get("kind") if isinstance(choice, Mapping) else choice for choice in space.values]
            kind = value.get("kind") if isinstance(value, Mapping) else value
            if kind in names:
                found[key] = names.index(kind)
        elif value in space:
            found[key] = value
    return found


def _suggested(trial: Any, key: str, space: Range | Choices) -> Any:
    if isinstance(space, Choices):
        return space.values[trial.suggest_categorical(key, list(range(len(space.values))))]
    if isinstance(space.low, int) and isinstance(space.high, int):
        return trial.suggest_int(key, space.low, space.high, log=space.is_log)
    return trial.suggest_float(key, float(space.low), float(space.high), log=space.is_log)


def _value(param: Any, space: Range | Choices) -> Any:
    """Return the setting that optuna's parameter stands for; choices are numbered there."""
    return space.values[int(param)] if isinstance(space, Choices) else param


def _written(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _joined(human: HumanDataset, synthetic: Dataset | None) -> Dataset:
    return human if synthetic is None or not len(synthetic) else human + synthetic
