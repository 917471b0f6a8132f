"""Arms whose way of training is chosen: ``recipe: auto`` of an experiment file, and the stage that chooses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from augtune.choosing.settings import ChooseSettings
from augtune.core.dataset import Dataset, HumanDataset
from augtune.core.files import write_json, write_jsonl
from augtune.core.task import TaskName, unfit
from augtune.evaluation.metrics import metrics_of
from augtune.experiment.content import VERSION, encoder_content
from augtune.experiment.fit import chosen
from augtune.experiment.store import RunFolder, Stage
from augtune.experiment.writing import Made

if TYPE_CHECKING:
    from augtune.experiment.arms import ArmPlan
    from augtune.training.running import Stop

__all__ = ["AUTO", "DECISION", "choose_misfits", "chosen_stage", "read_choose"]

AUTO = "auto"
DECISION = "decision.json"
PAGE = "decision.html"

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


def choose_misfits(choose: ChooseSettings | None, task: TaskName) -> list[str]:
    """Return that the metric of a choice is not made for the task of the data, if so."""
    if choose is None:
        return []
    (metric,) = metrics_of([choose.metric])
    return [] if task in metric.tasks else [unfit(f"recipe auto: metric {metric.kind}", metric.tasks, task)]


def chosen_stage(
    store: RunFolder,
    arm: ArmPlan,
    rows: tuple[HumanDataset, Dataset],
    seed: int,
    stop: Stop | None,
    *,
    whole: bool = True,
) -> Stage:
    """Return the stage whose model is that of the way that was chosen; its trainings are stages of their own.

    Args:
        store: The run folder, claimed.
        arm: The arm, whose ``choose`` is given.
        rows: The human training rows, and these with the synthetic ones.
        seed: Of the training.
        stop: What ends a training before its last step, and the run with it.
        whole: Do it again if the weights of its model were removed.
    """
    human, dataset = rows
    about = f"{arm.name} · seed {seed}"
    if arm.choose is None:
        raise ValueError(f"arm {arm.name!r} has nothing to choose")
    choose = arm.choose

    def make(folder: Path) -> dict[str, Any]:
        from augtune.core.errors import ExtraError
        from augtune.reporting.decision import decision_page

        synthetic = dataset.synthetic()
        made = Made(synthetic if len(synthetic) else None)
        with _ONE_AT_A_TIME:
            fitted = chosen(human, made, (arm.settings, choose, seed), store, stop)
        fitted.save(folder / "model")
        if fitted.history:
            write_jsonl(folder / "history.jsonl", fitted.history)
        if fitted.decision is None:
            raise ValueError("a choice without a decision")
        write_json(folder / DECISION, fitted.decision.to_json())
        try:
            decision_page(fitted.decision, folder / "model" / PAGE, title=about)
        except ExtraError as error:
            store.event("note", stage="train", about=about, message=f"no {PAGE}: {error}")
        store.event("note", stage="train", about=about, message=str(fitted.decision).splitlines()[0])
        return {
            "seconds": fitted.decision.seconds,
            "about": fitted.name,
            "precision": fitted.precision,
            "model": fitted.fingerprint,
            "truncated": fitted.truncated,
            "kept": fitted.kept,
            "effective_share": None,
        }

    key = {
        "version": VERSION,
        "rows": dataset.fingerprint,
        "settings": arm.settings.to_key(),
        "choose": choose.to_json(),
        "encoder": encoder_content(arm.settings.encoder),
        "seed": seed,
    }
    return store.stage("train", key, make, about=about, whole=whole)
