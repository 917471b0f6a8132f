"""The trainings of a choice: on parts of the rows, to compare ways, and on all of them in the end.

Each is a stage: done once for the same rows and settings, found again by a choice that was cut off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from augtune.choosing.candidates.base import Candidate
from augtune.choosing.folds import Fold
from augtune.choosing.frozen import RIDGE
from augtune.core.dataset import Dataset, HumanDataset
from augtune.core.files import read_json, write_json
from augtune.core.fingerprint import fingerprint
from augtune.core.seeds import derive
from augtune.weighting.importance import label_probability

if TYPE_CHECKING:
    from augtune.model.fitted import Fitted
    from augtune.training.running import Stop
    from augtune.training.settings import TrainSettings
    from augtune.training.tables import Checkers

__all__ = ["Done", "Keeper", "Kept", "Rows", "Within", "Workshop"]

# Raised when a stage's result changes for the same settings.
VERSION = 1
TABLE = "held-out.json"
MODEL = "model"
CHECKPOINTS = "checkpoints"


class Kept(Protocol):
    """A stage that is done."""

    @property
    def folder(self) -> Path:
        """Where its files are."""
        ...

    @property
    def notes(self) -> Mapping[str, Any]:
        """What it noted."""
        ...


class Keeper(Protocol):
    """Keeps stages: a run folder."""

    def stage(
        self, sort: str, key_of: Mapping[str, Any], make: Callable[[Path], Mapping[str, Any]], *, about: str = ""
    ) -> Kept:
        """Return a stage, done now or before."""
        ...


@dataclass(frozen=True, slots=True)
class Within:
    """What a choice is a part of.

    Args:
        keeper: Keeps what is done.
        encoder: What tells the encoder's content apart, for the keys of stages.
        stop: What ends a training before its last step, and the choice with it.
        listen: Hears of every step and note, as a run's events.
    """

    keeper: Keeper
    encoder: str
    stop: Stop | None = None
    listen: Callable[[dict[str, Any]], None] = lambda event: None


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows of a choice. There is no place for test rows.

    Args:
        human: Human rows, ``(N,)``.
        synthetic: Synthetic rows, or None.
        vectors: What a probe sees of both, human rows first.
    """

    human: HumanDataset
    synthetic: Dataset | None
    vectors: np.ndarray

    def __post_init__(self) -> None:
        if not isinstance(self.human, HumanDataset):
            raise TypeError(f"a choice judges by human rows, got a {type(self.human).__name__}")

    def of(self, fold: Fold) -> tuple[Dataset, np.ndarray]:
        """Return the rows that a fold trains on, and their vectors."""
        places = np.concatenate([fold.train, len(self.human) + fold.synthetic])
        human = self.human.take(fold.train)
        if self.synthetic is None or not len(fold.synthetic):
            return human, self.vectors[places]
        return human + self.synthetic.take(fold.synthetic), self.vectors[places]

    def whole(self) -> Dataset:
        """Return all rows."""
        return self.human if self.synthetic is None else self.human + self.synthetic


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """A training on a part of the rows.

    Args:
        table: ``(held out, K)`` what its model predicts of the rows held out.
        steps: Optimizer steps it took.
        seconds: Time it took.
    """

    table: np.ndarray
    steps: int
    seconds: float


@dataclass
class Workshop:
    """Does the trainings of one choice.

    Args:
        rows: The rows.
        settings: What all ways share.
        seed: Seed of the choice.
        within: What it is a part of.
    """

    rows: Rows
    settings: TrainSettings
    seed: int
    within: Within
    _checkers: dict[tuple[str, str, str], Checkers] = field(default_factory=dict, init=False, repr=False)

    def on_fold(self, way: Candidate, fold: Fold, steps: int) -> Done:
        """Return what a short training without a fold's rows predicts of them."""
        dataset, vectors = self.rows.of(fold)
        judging = self.rows.human.take(fold.held_out)
        about = f"{way.name} · {fold.name}"
        seed = derive(self.seed, "choose", "train", fold.repeat, fold.number)
        shared = self.settings.unmeasured().changed(epochs=None, steps=steps, allow_missing=True)

        def make(folder: Path) -> dict[str, Any]:
            started = time.monotonic()
            fitted = self._trained(way, (dataset, vectors), shared, (seed, seed), (folder, about))
            predicted = fitted.predict(judging)
            write_json(folder / TABLE, predicted.probabilities.tolist())
            return {"steps": fitted.steps, "seconds": time.monotonic() - started}

        key = {**self._key(way, dataset, shared, seed), "judging": judging.fingerprint}
        stage = self.within.keeper.stage("choose", key, make, about=about)
        table = np.array(read_json(stage.folder / TABLE), dtype=np.float64).reshape(len(judging), -1)
        return Done(table, int(stage.notes["steps"]), float(stage.notes["seconds"]))

    def on_all(self, way: Candidate, copy: int = 0) -> tuple[Fitted, int, float]:
        """Return a way's model trained on all rows, the steps it took and the seconds.

        Args:
            way: The way.
            copy: 0 trains with the choice's own seed, 1 and so on with others; checkers are those of the choice's own.
        """
        dataset = self.rows.whole()
        about = f"{way.name} · all rows" + (f", training {copy + 1}" if copy else "")
        seed = derive(self.seed, "choose", "copy", copy) if copy else self.seed

        def train(folder: Path) -> Fitted:
            return self._trained(way, (dataset, self.rows.vectors), self.settings, (seed, self.seed), (folder, about))

        return self._kept({**self._key(way, dataset, self.settings, seed), "judging": None}, train, about)

    def distilled(self, average: Fitted) -> tuple[Fitted, int, float]:
        """Return one model trained on an average's probabilities of all rows, the steps it took and the seconds.

        Args:
            average: What it learns from.
        """
        from augtune.training.distilled import TRUTH, distilled

        dataset, about = self.rows.whole(), "one model of the average · all rows"

        def train(folder: Path) -> Fitted:
            running = self._running(folder, about)
            return distilled(average, dataset, self.settings, seed=self.seed, running=running)

        key = {
            "version": VERSION,
            "distilled": {"teacher": average.fingerprint, "truth": TRUTH},
            "rows": dataset.fingerprint,
            "settings": self.settings.to_key(),
            "encoder": self.within.encoder,
            "seed": self.seed,
        }
        return self._kept(key, train, about)

    def _kept(self, key: Mapping[str, Any], train: Callable[[Path], Fitted], about: str) -> tuple[Fitted, int, float]:
        """Return the model of a stage, trained now or before, the steps it took and the seconds."""
        from augtune.model.fitted import Fitted

        made: list[Fitted] = []

        def make(folder: Path) -> dict[str, Any]:
            started = time.monotonic()
            fitted = train(folder)
            fitted.save(folder / MODEL)
            made.append(fitted)
            return {"steps": fitted.steps, "seconds": time.monotonic() - started}

        stage = self.within.keeper.stage("train", key, make, about=about)
        fitted = made[0] if made else Fitted.load(stage.folder / MODEL)
        return fitted, int(stage.notes["steps"]), float(stage.notes["seconds"])

    def _key(self, way: Candidate, dataset: Dataset, settings: TrainSettings, seed: int) -> dict[str, Any]:
        return {
            "version": VERSION,
            "way": way.to_json(),
            "rows": dataset.fingerprint,
            "settings": settings.to_key(),
            "encoder": self.within.encoder,
            "seed": seed,
        }

    def _trained(
        self,
        way: Candidate,
        known: tuple[Dataset, np.ndarray],
        shared: TrainSettings,
        seeds: tuple[int, int],
        place: tuple[Path, str],
    ) -> Fitted:
        """Return a way's model of the given rows; the seeds are that of the training and that of its checkers."""
        from augtune.training.contrastive import contrast
        from augtune.training.probed import probed
        from augtune.training.train import train

        (dataset, vectors), (seed, checked) = known, seeds
        if way.is_cheap:
            kept = way.rows(dataset, None)
            found = probed(kept, encoder=shared.encoder, ridge=RIDGE, seed=seed, vectors=_of(vectors, dataset, kept))
            every = (shared.threshold,) * len(kept.labels) if isinstance(shared.threshold, float) else None
            return replace(found, thresholds=every)
        if way.kind == "contrastive":
            return contrast(way.rows(dataset, None), shared, ridge=RIDGE, seed=seed, running=self._running(*place))
        quality = None
        if way.wants_quality:
            judge = self._checker("quality", dataset, vectors, shared, checked)
            made = dataset.synthetic()
            if judge.quality is not None:
                quality = label_probability(judge.quality, made)
        kept = way.rows(dataset, quality)
        settings = way.settings(shared, kept)
        checkers = None
        if settings.recipe.needs:
            checkers = self._merged(settings.recipe.needs, kept, _of(vectors, dataset, kept), settings, checked)
        running = self._running(*place)
        return train(kept, seed=seed, settings=settings, checkers=checkers, running=running)

    def _merged(
        self, needs: tuple[str, ...], dataset: Dataset, vectors: np.ndarray, settings: TrainSettings, seed: int
    ) -> Checkers:
        from augtune.training.tables import Checkers

        return Checkers.merged([self._checker(name, dataset, vectors, settings, seed) for name in needs])

    def _checker(
        self, name: str, dataset: Dataset, vectors: np.ndarray, settings: TrainSettings, seed: int
    ) -> Checkers:
        """Return what a checker says of a fold's rows; ways that differ in nothing but recipe and loss share it."""
        from augtune.training.checkers import make_checkers

        rest = {part: value for part, value in settings.to_key().items() if part not in ("recipe", "loss")}
        key = (name, dataset.fingerprint, fingerprint({"settings": rest, "seed": seed}))
        if key not in self._checkers:
            self._checkers = {old: made for old, made in self._checkers.items() if old[1] == dataset.fingerprint}
            own = settings.checkers.encoder in (None, settings.encoder)
            self._checkers[key] = make_checkers(
                dataset, settings, seed, needs=(name,), vectors=vectors if own else None
            )
        return self._checkers[key]

    def _running(self, folder: Path, about: str) -> Any:
        from augtune.training.running import Running

        listen = self.within.listen

        def on_step(step: int, of: int, loss: float) -> None:
            listen({"event": "progress", "stage": "choose", "about": about, "step": step, "of": of, "loss": loss})

        def on_note(sentence: str) -> None:
            listen({"event": "note", "stage": "choose", "about": about, "message": sentence})

        return Running(
            on_step=on_step, on_note=on_note, folder=folder / CHECKPOINTS, stop=self.within.stop, about=about
        )


def _of(vectors: np.ndarray, dataset: Dataset, kept: Dataset) -> np.ndarray:
    """Return the vectors of the rows kept."""
    place = {name: i for i, name in enumerate(dataset.ids)}
    return vectors[[place[name] for name in kept.ids]]
