"""Arms whose way of training is chosen: ``recipe: auto`` of an experiment file, and the stage that chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any

from augtune.choosing.settings import RULE, ChooseSettings
from augtune.core.dataset import Dataset, HumanDataset
from augtune.core.errors import DataError, SettingsError, StorageError
from augtune.core.files import write_json, write_jsonl
from augtune.core.outcomes import Cost
from augtune.core.task import TaskName, unfit
from augtune.evaluation.metrics import metrics_of
from augtune.experiment.content import VERSION, encoder_content
from augtune.experiment.fit import chosen, unchoosable
from augtune.experiment.store import RunFolder, Stage
from augtune.experiment.writing import Made

if TYPE_CHECKING:
    from augtune.experiment.arms import ArmPlan
    from augtune.experiment.rows import HumanRows
    from augtune.experiment.work import Crew
    from augtune.training.running import Running, Stop
    from augtune.training.settings import TrainSettings

__all__ = ["AUTO", "DECISION", "ChooseWork", "choice_problems", "choose_misfits", "chosen_stage", "read_choose"]

AUTO = "auto"
DECISION = "decision.json"
PAGE = "decision.html"
WORK = "choice"

# Trainings in this process share torch's random state, so one choice is made at a time.
_ONE_AT_A_TIME = Lock()


def read_choose(train: Mapping[str, Any], *, where: str) -> tuple[dict[str, Any], ChooseSettings | None]:
    """Return training settings without ``recipe: auto``, and how that says to choose; None where it is not asked for.

    Args:
        train: The settings as the file has them.
        where: Place of the recipe in the file, for messages.

    Raises:
        SettingsError: If what stands beside ``kind: auto`` is wrong.
    """
    recipe = train.get("recipe")
    kind = recipe.get("kind") if isinstance(recipe, Mapping) else recipe
    if kind != AUTO:
        return dict(train), None
    rest = {key: value for key, value in recipe.items() if key != "kind"} if isinstance(recipe, Mapping) else {}
    return {key: value for key, value in train.items() if key != "recipe"}, ChooseSettings.parse(rest, where=where)


def choose_misfits(choose: ChooseSettings | None, settings: TrainSettings, task: TaskName) -> list[str]:
    """Return what stands against a choice: its metric and the task of the data, settings that it cannot have."""
    if choose is None:
        return []
    (metric,) = metrics_of([choose.metric])
    found = [] if task in metric.tasks else [unfit(f"recipe auto: metric {metric.kind}", metric.tasks, task)]
    return [*found, *(f"train: {line}" for line in unchoosable(settings))]


def choice_problems(arm: ArmPlan, human: HumanRows) -> list[str]:
    """Return what of an arm's human training rows stands against its choice, which no synthetic row can mend."""
    if arm.choose is None:
        return []
    from augtune.choosing.check import check_choice

    try:
        check_choice(human.train, arm.settings, arm.choose, seed=human.seed)
    except SettingsError as error:
        return [f"arms.{arm.name}: {line}" for line in error.problems]
    except DataError as error:
        return [f"arms.{arm.name}: {' '.join(filter(None, (error.message, error.hint)))}"]
    return []


@dataclass(frozen=True)
class ChooseWork:
    """A choice with all its trainings.

    Args:
        human: The human training rows.
        made: The synthetic ones, and what they cost.
        settings: How every way trains.
        choose: How is chosen.
        seed: Its seed.
        about: What it is called.
    """

    human: HumanDataset
    made: Made
    settings: TrainSettings
    choose: ChooseSettings
    seed: int
    about: str

    def do(self, folder: Path, running: Running) -> dict[str, Any]:
        """Choose in a folder of its own and write the files into another; return the notes.

        What is done stays beside the checkpoints for as long as the choice is not made, so that it is carried on where
        the machines share the run folder. Another process that is still at it there is left alone.
        """
        with ExitStack() as until:
            store = None
            if running.folder is not None:
                store = RunFolder(running.folder / WORK, "choice")
                try:
                    until.enter_context(store.claimed())
                except StorageError:
                    store = None
            if store is None:
                store = RunFolder(Path(until.enter_context(TemporaryDirectory(prefix="augtune-"))), "choice")
            return self.within(store, folder, running.stop, running.on_note or (lambda sentence: None))

    def within(self, store: RunFolder, folder: Path, stop: Stop | None, note: Callable[[str], None]) -> dict[str, Any]:
        """Choose with the trainings kept in a run folder; write model, decision and page and return the notes."""
        from augtune.core.errors import ExtraError
        from augtune.reporting.decision import decision_page

        fitted = chosen(self.human, self.made, (self.settings, self.choose, self.seed), store, stop)
        fitted.save(folder / "model")
        if fitted.history:
            write_jsonl(folder / "history.jsonl", fitted.history)
        if fitted.decision is None:
            raise ValueError("a choice without a decision")
        write_json(folder / DECISION, fitted.decision.to_json())
        try:
            decision_page(fitted.decision, folder / "model" / PAGE, title=self.about)
        except ExtraError as error:
            note(f"no {PAGE}: {error}")
        note(str(fitted.decision).splitlines()[0])
        return {
            "seconds": fitted.decision.seconds,
            "about": fitted.name,
            "precision": fitted.precision,
            "model": fitted.fingerprint,
            "truncated": fitted.truncated,
            "kept": fitted.kept,
            "effective_share": None,
        }


def chosen_stage(
    store: RunFolder,
    arm: ArmPlan,
    rows: tuple[HumanDataset, Dataset, Cost],
    seed: int,
    by: tuple[Stop | None, Crew | None],
    *,
    whole: bool = True,
) -> Stage:
    """Return the stage whose model is that of the way that was chosen; its trainings are stages of their own.

    Args:
        store: The run folder, claimed.
        arm: The arm, whose ``choose`` is given.
        rows: The human training rows, these with the synthetic ones, and what the latter cost.
        seed: Of the training.
        by: What ends a training before its last step, and the run with it; and who does the work, the whole choice as
            one piece. None: nothing, and this process.
        whole: Do it again if the weights of its model were removed.
    """
    human, dataset, cost = rows
    about = f"{arm.name} · seed {seed}"
    if arm.choose is None:
        raise ValueError(f"arm {arm.name!r} has nothing to choose")
    synthetic = dataset.synthetic()
    made = Made(synthetic if len(synthetic) else None, cost=cost)
    work = ChooseWork(human, made, arm.settings, arm.choose, seed, about)
    stop, crew = by

    def note(sentence: str) -> None:
        store.event("note", stage="train", about=about, message=sentence)

    def make(folder: Path) -> dict[str, Any]:
        if crew is not None:
            return dict(crew.do(work, folder, about, note))
        with _ONE_AT_A_TIME:
            return work.within(store, folder, stop, note)

    key = {
        "version": VERSION,
        "rule": RULE,
        "rows": dataset.fingerprint,
        "settings": arm.settings.to_key(),
        "choose": arm.choose.to_json(),
        "encoder": encoder_content(arm.settings.encoder),
        "seed": seed,
    }
    return store.stage("train", key, make, about=about, whole=whole)
