"""What an arm comes to, whether it trains, asks, routes or fine-tunes: predictions per seed, rows, cost, words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from augtune.core.files import read_json, read_jsonl
from augtune.core.outcomes import Cost
from augtune.core.tables import Predictions
from augtune.evaluation.comparisons import Runs
from augtune.experiment.choosing import DECISION
from augtune.experiment.plan import ArmPlan
from augtune.experiment.synthetic import ArmRows

if TYPE_CHECKING:
    from augtune.experiment.searching import Found

__all__ = ["ArmOutcome", "Draw", "SeedRun"]


@dataclass(frozen=True, slots=True)
class SeedRun:
    """One arm with one seed: its predictions of the test rows and where what made them is.

    Args:
        predictions: Of the test rows; they carry the fingerprint of what made them.
        predictions_file: The file they were read from.
        notes: ``seconds``, ``about`` and, of a training, ``precision`` and ``effective_share``.
        key: Key of the stage that made the model.
        folder: Its folder, which may hold ``model``, ``history.jsonl`` and ``weights.jsonl``; None without a model.
    """

    predictions: Predictions
    predictions_file: Path
    notes: Mapping[str, Any]
    key: str = ""
    folder: Path | None = None

    @property
    def seconds(self) -> float:
        """Seconds its training took, its checkers' included; 0 if nothing was trained."""
        return float(self.notes["seconds"])

    @property
    def about(self) -> str:
        """What the model is called."""
        return str(self.notes["about"])

    @property
    def precision(self) -> str | None:
        """What it was computed in; None if that was elsewhere."""
        return self.notes.get("precision")

    @property
    def effective_share(self) -> float | None:
        """Effective share of the weighed rows; None in recipes without weights."""
        return self.notes.get("effective_share")

    def part(self, name: str) -> Path | None:
        """Return a file or folder beside the model, or None if there is none."""
        path = None if self.folder is None else self.folder / name
        return path if path is not None and path.exists() else None

    def decision(self) -> dict[str, Any] | None:
        """Return what was tried to find its way of training, and what was taken; None where that was said."""
        path = self.part(DECISION)
        return None if path is None else dict(read_json(path))

    def weight_rows(self) -> list[dict[str, Any]]:
        """Return one row per weighed row: id, seed, weight, quality, diversity; none in recipes without weights."""
        path = self.part("weights.jsonl")
        return [] if path is None else read_jsonl(path)

    def weights(self) -> np.ndarray:
        """Return the weights of the weighed rows, ``(N,)``."""
        return np.array([row["weight"] for row in self.weight_rows()])


@dataclass(frozen=True, slots=True)
class Draw:
    """The rows of an arm with one seed of the data.

    Args:
        data_seed: The seed.
        human: Human training rows.
        rows: Synthetic rows.
    """

    data_seed: int
    human: int
    rows: ArmRows


@dataclass(frozen=True, slots=True)
class ArmOutcome:
    """What became of an arm.

    Args:
        plan: The arm.
        rows: Its synthetic rows.
        by_seed: One run per seed.
        human: Human training rows it used.
        cost: What its calls are worth, of all seeds together.
        details: Further entries of its part of ``details.json``.
        warnings: What a reader has to know of it.
        draws: Its rows with each seed of the data; ``rows`` and ``human`` are those of the first. None of an arm that
            trains nothing.
        groups: The seed of the data of each run, where there are several.
        search: What a search for its settings found.
    """

    plan: ArmPlan
    rows: ArmRows
    by_seed: tuple[SeedRun, ...]
    human: int
    cost: Cost
    details: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    draws: tuple[Draw, ...] = ()
    groups: tuple[int, ...] | None = None
    search: Found | None = None

    @property
    def runs(self) -> Runs:
        """The predictions, by seed."""
        predictions = tuple(one.predictions for one in self.by_seed)
        return Runs(self.plan.name, predictions, self.human or None, self.groups)
