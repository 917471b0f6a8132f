"""The stages of a run: generate, curate, checkers, train, predict; each is done once for all arms that share it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from augtune.core.dataset import Dataset, Example
from augtune.core.encoders import locate
from augtune.core.files import read_json, read_jsonl, write_json, write_jsonl
from augtune.core.fingerprint import fingerprint
from augtune.core.outcomes import Cost, Dropped
from augtune.core.settings import Settings
from augtune.core.tables import Predictions, Weights
from augtune.experiment.asking import Asking
from augtune.experiment.plan import ArmPlan, Plan
from augtune.experiment.rows import HumanRows
from augtune.experiment.store import RunFolder, Stage
from augtune.weighting.importance import label_probability

if TYPE_CHECKING:
    from augtune.llm.client import LLM
    from augtune.model.fitted import Fitted
    from augtune.training.tables import Checkers

__all__ = ["ArmRows", "Stages", "Trained"]

# Raised when a stage's result changes for the same settings, so that old run folders redo it.
VERSION = 1


@dataclass(frozen=True, slots=True)
class ArmRows:
    """The synthetic rows of an arm: what was made, what was kept, what was dropped by whom, what it cost."""

    kept: Dataset | None
    dropped: tuple[Dropped, ...] = ()
    generated: int = 0
    shortfall: Mapping[str, int] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)

    def training_rows(self, human: Dataset) -> Dataset:
        """Return the rows an arm trains on: human rows first, then synthetic ones."""
        return human if self.kept is None or not len(self.kept) else human + self.kept


@dataclass(frozen=True, slots=True)
class Trained:
    """One arm trained with one seed: its predictions on the test rows and where the model is."""

    predictions: Predictions
    predictions_file: Path
    folder: Path
    notes: Mapping[str, Any]

    @property
    def seconds(self) -> float:
        """Seconds its training took, its checkers' included."""
        return float(self.notes["seconds"])

    @property
    def about(self) -> str:
        """What the model is called."""
        return str(self.notes["about"])

    @property
    def precision(self) -> str:
        """What it was computed in."""
        return str(self.notes["precision"])

    def weight_rows(self) -> list[dict[str, Any]]:
        """Return one row per weighed row: id, seed, weight, quality, diversity; none in recipes without weights."""
        path = self.folder / "weights.jsonl"
        return read_jsonl(path) if path.is_file() else []

    def weights(self) -> np.ndarray:
        """Return the weights of the weighed rows, ``(N,)``."""
        return np.array([row["weight"] for row in self.weight_rows()])


class Stages:
    """Does the stages of one run in its folder.

    Args:
        plan: What to do.
        store: The run folder, claimed.
        human: The human rows.
    """

    def __init__(self, plan: Plan, store: RunFolder, human: HumanRows) -> None:
        self.plan = plan
        self.store = store
        self.human = human
        self.used: set[Path] = set()
        self._llm: LLM | None = None
        self._latest: tuple[Path, Fitted] | None = None

    # ---- rows

    def rows(self, arm: ArmPlan) -> ArmRows:
        """Return the arm's synthetic rows, generated and curated."""
        if not arm.generators:
            return ArmRows(None)
        made = [self._generate(generator) for generator in arm.generators]
        parts = [_read_rows(stage.folder / "rows.jsonl", self.human) for stage in made]
        rows = parts[0]
        for part in parts[1:]:
            rows = rows + part
        shortfall: dict[str, int] = {}
        cost = Cost()
        dropped: list[Dropped] = []
        for stage in made:
            cost = cost + Cost.from_json(stage.notes["cost"])
            dropped += _read_dropped(stage.folder / "dropped.jsonl", self.human)
            for label, missing in stage.notes["shortfall"].items():
                shortfall[label] = shortfall.get(label, 0) + missing
        stage = self._curate(arm, rows, [stage.key for stage in made])
        kept = _read_rows(stage.folder / "rows.jsonl", self.human)
        dropped += _read_dropped(stage.folder / "dropped.jsonl", self.human)
        return ArmRows(kept, tuple(dropped), len(rows), shortfall, cost)

    def _generate(self, generator: Any) -> Stage:
        from augtune.generation.base import generate

        def make(folder: Path) -> dict[str, Any]:
            asking = Asking(self.store, self.llm if generator.needs_llm else None, generator.kind)
            seed = self.plan.experiment.data.seed
            made = generate(self.human.train, generator, llm=self.llm, seed=seed, on_progress=asking)
            asking.end(made)
            labels = made.dataset.labels
            write_jsonl(folder / "rows.jsonl", (row.to_json(labels) for row in made.dataset))
            write_jsonl(folder / "dropped.jsonl", (row.to_json(labels) for row in made.dropped))
            return {"cost": made.cost.to_json(), "shortfall": dict(made.shortfall), "rows": len(made.dataset)}

        llm = self.plan.experiment.llm
        key = {
            "version": VERSION,
            "generator": _content(generator),
            "train": self.human.train.fingerprint,
            "seed": self.plan.experiment.data.seed,
            "llm": None if llm is None or generator.kind == "imported" else _llm_content(llm),
        }
        return self._stage("generate", key, make, about=generator.kind)

    def _curate(self, arm: ArmPlan, rows: Dataset, made: list[str]) -> Stage:
        from augtune.curation.base import curate

        encoder = arm.settings.encoder

        def make(folder: Path) -> dict[str, Any]:
            result = curate(rows, arm.steps, human=self.human.train, splits=self.human.splits, encoder=encoder)
            labels = rows.labels
            write_jsonl(folder / "rows.jsonl", (row.to_json(labels) for row in result.dataset))
            write_jsonl(folder / "dropped.jsonl", (row.to_json(labels) for row in result.dropped))
            return {"rows": len(result.dataset), "dropped": len(result.dropped)}

        key = {
            "version": VERSION,
            "steps": [step.to_json() for step in arm.steps],
            "made": made,
            "train": self.human.train.fingerprint,
            "validation": None if self.human.validation is None else self.human.validation.fingerprint,
            "test": self.human.test.fingerprint,
            "encoder": encoder_content(encoder),
        }
        return self._stage("curate", key, make, about=" + ".join(step.kind for step in arm.steps))

    @property
    def llm(self) -> LLM | None:
        """The language model of the experiment, made on first use; its replies are kept in the run folder."""
        if self._llm is None and self.plan.experiment.llm is not None:
            from augtune.llm.client import LLM

            self._llm = LLM.from_settings(self.plan.experiment.llm, cache=self.store.path / "cache.sqlite")
        return self._llm

    # ---- training

    def trained(self, arm: ArmPlan, rows: ArmRows, seed: int) -> Trained:
        """Return the arm's model for one seed, trained and tested."""
        dataset = rows.training_rows(self.human.train)
        about = f"{arm.name} · seed {seed}"
        train = self._train(arm, dataset, seed, about)
        test = self.human.test

        def predict(folder: Path) -> dict[str, Any]:
            made = self._fitted(train.folder).predict(test)
            truth = dict(zip(test.ids, test.label_names, strict=True))
            write_jsonl(folder / "predictions.jsonl", made.to_rows(truth))
            return {"made_by": made.made_by}

        predicted = self._stage(
            "predict", {"version": VERSION, "train": train.key, "test": test.fingerprint}, predict, about=about
        )
        predictions = Predictions.from_rows(
            read_jsonl(predicted.folder / "predictions.jsonl"), test.labels, made_by=predicted.notes["made_by"]
        )
        return Trained(predictions, predicted.folder / "predictions.jsonl", train.folder, train.notes)

    def _fitted(self, folder: Path) -> Fitted:
        """Return the model of a training: the one just made, or read from its folder."""
        from augtune.model.fitted import Fitted

        if self._latest is not None and self._latest[0] == folder:
            return self._latest[1]
        return Fitted.load(folder / "model")

    def _train(self, arm: ArmPlan, dataset: Dataset, seed: int, about: str) -> Stage:
        checkers, checker_seconds = self._checkers(arm, dataset, seed)

        def make(folder: Path) -> dict[str, Any]:
            from augtune.training.train import train

            fitted = train(
                dataset,
                validation=self.human.validation,
                seed=seed,
                settings=arm.settings,
                checkers=checkers,
                on_step=self._progress(about),
            )
            fitted.save(folder / "model")
            self._latest = (folder, fitted)
            write_jsonl(folder / "history.jsonl", fitted.history)
            if fitted.weights is not None and checkers is not None:
                write_jsonl(folder / "weights.jsonl", _weight_rows(fitted.weights, checkers, dataset, seed))
            return {
                "seconds": fitted.seconds + checker_seconds,
                "about": fitted.name,
                "precision": fitted.precision,
                "model": fitted.fingerprint,
                "truncated": fitted.truncated,
                "kept": fitted.kept,
                "effective_share": None if fitted.weights is None else fitted.weights.effective_share,
            }

        validation = self.human.validation
        key = {
            "version": VERSION,
            "rows": dataset.fingerprint,
            "settings": arm.settings.to_json(),
            "encoder": encoder_content(arm.settings.encoder),
            "validation": None if validation is None else validation.fingerprint,
            "seed": seed,
        }
        return self._stage("train", key, make, about=about)

    def _checkers(self, arm: ArmPlan, dataset: Dataset, seed: int) -> tuple[Checkers | None, float]:
        """Return what the checkers the arm's recipe needs say, and the seconds it took; arms share each checker."""
        from augtune.training.tables import Checkers

        needs = arm.settings.recipe.needs
        if not needs:
            return None, 0.0
        stages = [self._checker(name, arm, dataset, seed) for name in needs]
        made = [Checkers.from_json(read_json(stage.folder / "scores.json"), dataset.labels) for stage in stages]
        merged = Checkers(
            quality=next((one.quality for one in made if one.quality is not None), None),
            diversity=next((one.diversity for one in made if one.diversity is not None), None),
            quality_accuracy=next((one.quality_accuracy for one in made if one.quality_accuracy is not None), None),
            temperatures={name: t for one in made for name, t in (one.temperatures or {}).items()},
        )
        return merged, sum(float(stage.notes["seconds"]) for stage in stages)

    def _checker(self, name: str, arm: ArmPlan, dataset: Dataset, seed: int) -> Stage:
        settings = arm.settings

        def make(folder: Path) -> dict[str, Any]:
            from augtune.training.checkers import make_checkers

            started = time.monotonic()
            made = make_checkers(dataset, settings, seed, needs=(name,))
            write_json(folder / "scores.json", made.to_json())
            return {
                "seconds": time.monotonic() - started,
                "quality_accuracy": made.quality_accuracy,
                "temperatures": dict(made.temperatures or {}),
            }

        plain = settings.changed(recipe="vanilla", loss="cross_entropy", keep="last")
        key = {
            "version": VERSION,
            "checker": name,
            "rows": dataset.fingerprint,
            "settings": plain.to_json(),
            "encoder": encoder_content(settings.checkers.encoder or settings.encoder),
            "seed": seed,
        }
        return self._stage("checker", key, make, about=f"{name} · seed {seed}")

    def _progress(self, about: str) -> Any:
        def tell(step: int, of: int, loss: float) -> None:
            self.store.listen(
                {"event": "progress", "stage": "train", "about": about, "step": step, "of": of, "loss": loss}
            )

        return tell

    def _stage(self, sort: str, key: Mapping[str, Any], make: Any, *, about: str) -> Stage:
        stage = self.store.stage(sort, key, make, about=about)
        self.used.add(stage.folder)
        return stage


def encoder_content(name: str) -> str:
    """Return a fingerprint of an encoder: its name on the hub, or its configuration and the size of its weights."""
    path = Path(locate(name))
    if not path.is_dir():
        return name
    sizes = sorted((p.name, p.stat().st_size) for p in path.glob("*.safetensors"))
    return fingerprint([hashlib.sha256((path / "config.json").read_bytes()).hexdigest(), [list(s) for s in sizes]])


def _content(settings: Settings) -> dict[str, Any]:
    """Return settings with a file they name replaced by that file's content, so that moving it changes nothing."""
    value = settings.to_json()
    path = value.get("path")
    if isinstance(path, str):
        value["path"] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return value


def _llm_content(settings: Settings) -> dict[str, Any]:
    """Return what of the model's settings changes its answers: not the budget, the pace or the time-out."""
    value = settings.to_json()
    replay = value.get("replay")
    return {
        "model": value.get("model"),
        "base_url": value.get("base_url"),
        "replay": None if replay is None else hashlib.sha256(Path(replay).read_bytes()).hexdigest(),
    }


def _read_rows(path: Path, human: HumanRows) -> Dataset:
    labels = human.train.labels
    return Dataset.from_examples((Example.from_json(row, labels) for row in read_jsonl(path)), labels, name="synthetic")


def _read_dropped(path: Path, human: HumanRows) -> list[Dropped]:
    return [Dropped.from_json(row, human.train.labels) for row in read_jsonl(path)]


def _weight_rows(weights: Weights, checkers: Checkers, dataset: Dataset, seed: int) -> Iterator[dict[str, Any]]:
    """Yield one row per weighed row: the mean weight it had in training and what the checkers say of its label."""
    place = {name: i for i, name in enumerate(dataset.ids)}
    rows = dataset.take([place[name] for name in weights.ids])
    opinions = {
        name: label_probability(checker, rows)
        for name, checker in (("quality", checkers.quality), ("diversity", checkers.diversity))
        if checker is not None
    }
    for i, (name, weight) in enumerate(zip(weights.ids, weights.values, strict=True)):
        yield {"id": name, "seed": seed, "weight": float(weight)} | {k: float(v[i]) for k, v in opinions.items()}
