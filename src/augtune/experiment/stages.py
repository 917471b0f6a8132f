"""The training stages of a run: checkers, train, predict; each is done once for all arms that share it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augtune.core.dataset import Dataset, HumanDataset
from augtune.core.errors import DataError
from augtune.core.files import read_json, read_jsonl
from augtune.core.outcomes import Cost
from augtune.core.tables import Predictions
from augtune.experiment.choosing import chosen_stage
from augtune.experiment.content import VERSION, encoder_content, model_content
from augtune.experiment.outcomes import SeedRun
from augtune.experiment.plan import ArmPlan
from augtune.experiment.rows import HumanRows
from augtune.experiment.store import CHECKPOINTS, RunFolder, Stage, is_light
from augtune.experiment.synthetic import ArmRows
from augtune.experiment.work import (
    CheckerWork,
    Crew,
    PredictWork,
    TrainAndPredict,
    TrainWork,
    UnseenWork,
    Work,
    write_predictions,
)

if TYPE_CHECKING:
    from augtune.collaboration.tune.data import OutOfFold
    from augtune.model.fitted import Fitted
    from augtune.training.running import Running, Stop
    from augtune.training.tables import Checkers

__all__ = ["Stages", "saved_checkers"]


@dataclass(frozen=True, slots=True)
class _Told:
    """What a model that was trained elsewhere predicts: the rows' fingerprint, the stage's notes and its file."""

    rows: str
    notes: Mapping[str, Any]
    predictions: bytes


class Stages:
    """Trains and tests the arms of one run in its folder.

    Args:
        store: The run folder, claimed.
        human: The human rows.
        stop: What ends a training before its last step, and the run with it; None: nothing does.
        crew: Who does the work; None: this process, one piece after the other.
        keeps: Whether every model is needed in the end, with its weights.
    """

    def __init__(
        self,
        store: RunFolder,
        human: HumanRows,
        stop: Stop | None = None,
        crew: Crew | None = None,
        *,
        keeps: bool = True,
    ) -> None:
        self.store = store
        self._keeps = keeps
        self._again: dict[Path, Callable[[], Stage]] = {}
        self._stop = stop
        self._crew = crew
        self.human = human
        self._latest: dict[Path, Fitted | _Told] = {}

    def trained(self, arm: ArmPlan, rows: ArmRows, seed: int) -> SeedRun:
        """Return the arm's model for one seed, trained and tested."""
        dataset = rows.training_rows(self.human.train)
        about = f"{arm.name} · seed {seed}"
        given = dataset, rows.cost
        train = self._train(arm, given, seed, about, whole=self._keeps)
        self._again[train.folder] = lambda: self._train(arm, given, seed, about, whole=True)
        predictions, file = self._predicted(train, self.human.test, about)
        return SeedRun(predictions, file, train.notes, train.key, train.folder)

    def predicted(self, run: SeedRun, rows: HumanDataset, about: str) -> Predictions:
        """Return what a trained model predicts of other rows than the test's."""
        return self._predicted(Stage(run.key, _folder(run), run.notes), rows, about)[0]

    def _predicted(self, train: Stage, rows: HumanDataset, about: str) -> tuple[Predictions, Path]:
        def predict(folder: Path) -> dict[str, Any]:
            self._see_to(train.folder)
            ready = self._latest.get(train.folder)
            if isinstance(ready, _Told) and ready.rows == rows.fingerprint:
                (folder / "predictions.jsonl").write_bytes(ready.predictions)
                return dict(ready.notes)
            if self._crew is not None:
                work = PredictWork.of(train.folder / "model", rows)
                return dict(self._crew.do(work, folder, about, self._noting("predict", about)))
            return write_predictions(folder, self._fitted(train.folder), rows)

        key = {"version": VERSION, "train": train.key, "model": train.notes["model"], "rows": rows.fingerprint}
        stage = self.store.stage("predict", key, predict, about=about)
        file = stage.folder / "predictions.jsonl"
        made = Predictions.from_rows(read_jsonl(file), rows.labels, made_by=stage.notes["made_by"])
        return replace(made, model=stage.notes["model"]), file

    def out_of_fold(self, arm: ArmPlan, seed: int) -> tuple[OutOfFold, float]:
        """Return predictions of the training rows, each by a classifier like the arm's that never saw it.

        Returns:
            The predictions and the seconds that training these classifiers took.
        """
        from augtune.collaboration.tune.data import OutOfFold

        train = self.human.train

        def make(folder: Path) -> dict[str, Any]:
            return self._done(UnseenWork(train, arm.settings, seed), folder, "unseen", arm.name)

        key = {
            "version": VERSION,
            "rows": train.fingerprint,
            "settings": arm.settings.to_key(),
            "encoder": encoder_content(arm.settings.encoder),
            "seed": seed,
        }
        stage = self.store.stage("unseen", key, make, about=f"{arm.name}, out of fold · seed {seed}")
        rows, notes = read_jsonl(stage.folder / "predictions.jsonl"), stage.notes
        made = Predictions.from_rows(rows, train.labels, made_by=notes["made_by"])
        unseen = OutOfFold(
            made.ids, made.probabilities, made.labels, made.made_by, notes["model"], folds=int(notes["folds"])
        )
        return unseen, float(notes["seconds"])

    def model(self, run: SeedRun) -> Fitted:
        """Return the model of a run."""
        self._see_to(_folder(run))
        return self._fitted(_folder(run))

    def _see_to(self, folder: Path) -> None:
        """Train a model again whose weights were removed, now that they are needed after all."""
        if is_light(folder):
            self._again[folder]()

    def _fitted(self, folder: Path) -> Fitted:
        """Return the model of a training: the one just made, or read from its folder."""
        from augtune.model.fitted import Fitted

        ready = self._latest.get(folder)
        if isinstance(ready, Fitted):
            return ready
        return Fitted.load(folder / "model")

    def _train(self, arm: ArmPlan, given: tuple[Dataset, Cost], seed: int, about: str, *, whole: bool) -> Stage:
        dataset, cost = given
        if arm.choose is not None:
            known = self.human.train, dataset, cost
            return chosen_stage(self.store, arm, known, seed, (self._stop, self._crew), whole=whole)
        checkers, checker_seconds = self._checkers(arm, dataset, seed)

        def make(folder: Path) -> dict[str, Any]:
            work = TrainWork(dataset, self.human.validation, arm.settings, seed, checkers, checker_seconds)
            if self._crew is None:
                notes, fitted = work.fitted(folder, self._running(about, folder))
                self._latest = {folder: fitted}  # one model at a time is held
                return notes
            whole = TrainAndPredict(work, self.human.test)
            done = self._crew.do(whole, folder, about, self._noting("train", about))
            self._latest[folder] = _Told(self.human.test.fingerprint, done["predict"], done["predictions"])
            return dict(done["train"])

        validation = self.human.validation
        key = {
            "version": VERSION,
            "rows": dataset.fingerprint,
            "settings": arm.settings.to_key(),
            "encoder": encoder_content(arm.settings.encoder),
            "checkers": saved_checkers(arm),
            "validation": None if validation is None else validation.fingerprint,
            "seed": seed,
        }
        return self.store.stage("train", key, make, about=about, whole=whole)

    def _checkers(self, arm: ArmPlan, dataset: Dataset, seed: int) -> tuple[Checkers | None, float]:
        """Return what the checkers the arm's recipe needs say, and the seconds it took; arms share each checker."""
        from augtune.training.tables import Checkers

        needs = arm.settings.recipe.needs
        if not needs:
            return None, 0.0
        stages = [self._checker(name, arm, dataset, seed) for name in needs]
        made = [Checkers.from_json(read_json(stage.folder / "scores.json"), dataset.labels) for stage in stages]
        return Checkers.merged(made), sum(float(stage.notes["seconds"]) for stage in stages)

    def _checker(self, name: str, arm: ArmPlan, dataset: Dataset, seed: int) -> Stage:
        settings = arm.settings

        about = f"{name} · seed {seed}"

        def make(folder: Path) -> dict[str, Any]:
            return self._done(CheckerWork(dataset, settings, seed, name), folder, "checker", about)

        plain = settings.unmeasured().changed(recipe="vanilla", loss="cross_entropy", mix=None)
        key = {
            "version": VERSION,
            "checker": name,
            "rows": dataset.fingerprint,
            "settings": plain.to_key(),
            "encoder": encoder_content(settings.checkers.encoder or settings.encoder),
            "saved": saved_checkers(arm).get(name),
            "seed": seed,
        }
        return self.store.stage("checker", key, make, about=about)

    def _done(self, work: Work, folder: Path, stage: str, about: str) -> dict[str, Any]:
        """Return the notes of a piece of work, done here or by the crew."""
        if self._crew is None:
            from augtune.training.running import Running

            return dict(work.do(folder, Running()))
        return dict(self._crew.do(work, folder, about, self._noting(stage, about)))

    def _noting(self, stage: str, about: str) -> Callable[[str], None]:
        return lambda sentence: self.store.event("note", stage=stage, about=about, message=sentence)

    def _running(self, about: str, folder: Path) -> Running:
        """Return what a training is run with: its steps and notes go where the run's events go.

        A training stopped by hand ends the run, with a checkpoint: an arm of fewer steps is no match for others.
        """
        from augtune.training.running import Running

        def on_step(step: int, of: int, loss: float) -> None:
            self.store.listen(
                {"event": "progress", "stage": "train", "about": about, "step": step, "of": of, "loss": loss}
            )

        return Running(
            on_step=on_step,
            on_note=self._noting("train", about),
            folder=folder / CHECKPOINTS,
            stop=self._stop,
            about=about,
            logs=self.store.path / "tracking",
        )


def _folder(run: SeedRun) -> Path:
    if run.folder is None:
        raise DataError(f"{run.about}: there is no trained model.")
    return run.folder


def saved_checkers(arm: ArmPlan) -> dict[str, str]:
    """Return the fingerprint of each saved checker that the arm's recipe needs."""
    named = {"quality": arm.settings.checkers.quality, "diversity": arm.settings.checkers.diversity}
    return {name: model_content(path) for name, path in named.items() if path and name in arm.settings.recipe.needs}
