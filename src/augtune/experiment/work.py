"""Pieces of a run's work: values in, files and notes out. What a piece does depends on nothing else.

So a piece comes to the same in the run's own process and on another machine, and may be begun again anywhere.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from augtune.core.dataset import Dataset, HumanDataset
from augtune.core.files import write_json, write_jsonl
from augtune.core.outcomes import Generation
from augtune.core.tables import Weights

if TYPE_CHECKING:
    from augtune.generation.base import Generator
    from augtune.model.fitted import Fitted
    from augtune.training.running import Running
    from augtune.training.settings import TrainSettings
    from augtune.training.tables import Checkers

__all__ = [
    "CheckerWork",
    "Crew",
    "GenerateWork",
    "PredictWork",
    "TrainAndPredict",
    "TrainWork",
    "UnseenWork",
    "Work",
    "write_generation",
    "write_predictions",
]

PREDICTIONS = "predictions.jsonl"
MODEL = "model"


class Work(Protocol):
    """A piece of work. It can be pickled."""

    def do(self, folder: Path, running: Running) -> Any:
        """Write the files into a folder and return the notes."""
        ...


class Crew(Protocol):
    """Does pieces of work elsewhere, many at once; each is waited for by a thread."""

    def do(self, work: Work, folder: Path, about: str, note: Callable[[str], None]) -> Any:
        """Have a piece done, put its files into ``folder`` and return its notes.

        Args:
            work: The piece.
            folder: Folder of the stage, which is there.
            about: What it is called.
            note: Called with each sentence that its user has to know of.
        """
        ...


@dataclass(frozen=True)
class TrainWork:
    """A training.

    Args:
        dataset: Rows to train on.
        validation: Rows to select on, or None.
        settings: How.
        seed: Its seed.
        checkers: What the checkers say, where the recipe needs any.
        checker_seconds: How long they took.
    """

    dataset: Dataset
    validation: HumanDataset | None
    settings: TrainSettings
    seed: int
    checkers: Checkers | None = None
    checker_seconds: float = 0.0

    def fitted(self, folder: Path, running: Running) -> tuple[dict[str, Any], Fitted]:
        """Write model, history and weights into a folder; return the notes and the model."""
        from augtune.training.train import train

        made = train(
            self.dataset,
            validation=self.validation,
            seed=self.seed,
            settings=self.settings,
            checkers=self.checkers,
            running=running,
        )
        made.save(folder / MODEL)
        write_jsonl(folder / "history.jsonl", made.history)
        if made.weights is not None:
            write_jsonl(folder / "weights.jsonl", _weight_rows(made.weights, self.checkers, self.dataset, self.seed))
        notes = {
            "seconds": made.seconds + self.checker_seconds,
            "about": made.name,
            "precision": made.precision,
            "model": made.fingerprint,
            "truncated": made.truncated,
            "kept": made.kept,
            "effective_share": None if made.weights is None else made.weights.effective_share,
        }
        return notes, made


@dataclass(frozen=True)
class TrainAndPredict:
    """A training and what its model predicts, so that the model need not travel twice.

    Args:
        train: The training.
        rows: The rows to be predicted.
    """

    train: TrainWork
    rows: HumanDataset

    def do(self, folder: Path, running: Running) -> dict[str, Any]:
        """Write the training's files into a folder; return its notes, and notes and file of the predictions."""
        notes, fitted = self.train.fitted(folder, running)
        with tempfile.TemporaryDirectory() as beside:
            predicted = write_predictions(Path(beside), fitted, self.rows)
            content = (Path(beside) / PREDICTIONS).read_bytes()
        return {"train": notes, "predict": predicted, "predictions": content}


@dataclass(frozen=True)
class PredictWork:
    """Predictions of a saved model.

    Args:
        model: The files of its folder.
        rows: The rows to be predicted.
    """

    model: Mapping[str, bytes]
    rows: HumanDataset

    @classmethod
    def of(cls, model: Path, rows: HumanDataset) -> PredictWork:
        """Return the work for the model in a folder."""
        files = (path for path in sorted(model.rglob("*")) if path.is_file())
        return cls({str(path.relative_to(model)): path.read_bytes() for path in files}, rows)

    def do(self, folder: Path, running: Running) -> dict[str, Any]:
        """Write the predictions into a folder and return the notes."""
        from augtune.model.fitted import Fitted

        with tempfile.TemporaryDirectory() as beside:
            for name, content in self.model.items():
                path = Path(beside) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            return write_predictions(folder, Fitted.load(Path(beside)), self.rows)


@dataclass(frozen=True)
class CheckerWork:
    """The training of one checker and its scores of the rows.

    Args:
        dataset: The rows.
        settings: How the arm is trained.
        seed: Its seed.
        name: Which checker.
    """

    dataset: Dataset
    settings: TrainSettings
    seed: int
    name: str

    def do(self, folder: Path, running: Running) -> dict[str, Any]:
        """Write the scores into a folder and return the notes."""
        from augtune.training.checkers import make_checkers

        started = time.monotonic()
        made = make_checkers(self.dataset, self.settings, self.seed, needs=(self.name,))
        write_json(folder / "scores.json", made.to_json())
        return {
            "seconds": time.monotonic() - started,
            "quality_accuracy": made.quality_accuracy,
            "temperatures": dict(made.temperatures or {}),
        }


@dataclass(frozen=True)
class UnseenWork:
    """Predictions of training rows, each by a classifier that never saw it.

    Args:
        rows: The rows.
        settings: How the classifiers are trained.
        seed: Their seed.
    """

    rows: HumanDataset
    settings: TrainSettings
    seed: int

    def do(self, folder: Path, running: Running) -> dict[str, Any]:
        """Write the predictions into a folder and return the notes."""
        from augtune.collaboration.tune.data import out_of_fold

        started = time.monotonic()
        made = out_of_fold(self.rows, settings=self.settings, seed=self.seed)
        write_jsonl(folder / PREDICTIONS, made.to_rows())
        about = {"made_by": made.made_by, "model": made.model, "folds": made.folds}
        return {**about, "seconds": time.monotonic() - started}


@dataclass(frozen=True)
class GenerateWork:
    """The rows of a generator that asks no language model and reads no file.

    Args:
        generator: The generator.
        train: The human rows.
        seed: Seed of what is drawn.
    """

    generator: Generator
    train: HumanDataset
    seed: int

    def do(self, folder: Path, running: Running) -> dict[str, Any]:
        """Write the rows into a folder and return the notes."""
        from augtune.generation.base import generate

        return write_generation(folder, generate(self.train, self.generator, seed=self.seed))


def write_generation(folder: Path, made: Generation) -> dict[str, Any]:
    """Write generated rows, kept and dropped, into a folder; return the notes."""
    labels = made.dataset.labels
    write_jsonl(folder / "rows.jsonl", (row.to_json(labels) for row in made.dataset))
    write_jsonl(folder / "dropped.jsonl", (row.to_json(labels) for row in made.dropped))
    return {"cost": made.cost.to_json(), "shortfall": dict(made.shortfall), "rows": len(made.dataset)}


def write_predictions(folder: Path, fitted: Fitted, rows: HumanDataset) -> dict[str, Any]:
    """Write what a model predicts of rows into a folder; return the notes."""
    made = fitted.predict(rows)
    truth = dict(zip(rows.ids, rows.label_values, strict=True))
    write_jsonl(folder / PREDICTIONS, made.to_rows(truth))
    return {"made_by": made.made_by, "model": made.model}


def _weight_rows(weights: Weights, checkers: Checkers | None, dataset: Dataset, seed: int) -> Iterator[dict[str, Any]]:
    """Yield one row per weighed row: the mean weight it had in training and what the checkers say of its label."""
    from augtune.training.tables import Checkers

    place = {name: i for i, name in enumerate(dataset.ids)}
    rows = dataset.take([place[name] for name in weights.ids])
    for row in (checkers or Checkers()).columns(rows, weights):
        yield {"id": row.pop("id"), "seed": seed} | row
