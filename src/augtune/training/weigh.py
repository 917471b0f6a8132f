"""``weigh``: what a weighting makes of synthetic rows, to be looked at before anything is trained on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from augtune.core.dataset import Dataset
from augtune.core.errors import SettingsError
from augtune.core.tables import Weights
from augtune.training.checkers import make_checkers
from augtune.training.recipes.weighed import Weighed
from augtune.training.settings import TrainSettings
from augtune.training.tables import Checkers
from augtune.weighting.importance import WeightReport, weight_report

__all__ = ["Weighing", "weigh"]


@dataclass(frozen=True, slots=True)
class Weighing:
    """Synthetic rows, what they weigh and why.

    Args:
        rows: The synthetic rows, ``N``.
        weights: One for each of them.
        checkers: What the checkers say of all rows, human ones included.
    """

    rows: Dataset
    weights: Weights
    checkers: Checkers

    def report(self, count: int = 5) -> WeightReport:
        """Return the effective size and the ``count`` rows at both ends."""
        return weight_report(self.weights, self.rows, count=count)


def weigh(dataset: Dataset, *, settings: TrainSettings | None = None, seed: int = 0, **overrides: Any) -> Weighing:
    """Return what each synthetic row would count in a training, before any.

    Args:
        dataset: Human rows, which the quality checker is trained on, and synthetic ones, which are weighed.
        settings: Of the training; its recipe is ``imp`` if not given, and may be ``quality``.
        seed: Of the training.
        **overrides: Single settings, e.g. ``recipe=at.Imp(gamma=0.5)``, ``checkers=``.

    Raises:
        SettingsError: If the recipe weighs no rows before training: dimp does so in each step.
        DataError: If the dataset lacks human or synthetic rows.
    """
    chosen = (settings or TrainSettings(recipe="imp")).changed(**overrides)
    recipe = chosen.recipe
    if not isinstance(recipe, Weighed) or recipe.own_loss is not None:
        raise SettingsError(
            f"recipe: expected imp or quality, whose weights are known before training; got {recipe.kind}",
            hint="What rows counted in a training stands in its model's folder, weights.jsonl.",
        )
    misfits = chosen.misfits(dataset.labels.task)
    if misfits:
        raise SettingsError(misfits)
    recipe.require(dataset)
    checkers = make_checkers(dataset, chosen, seed)
    rows = dataset.synthetic()
    found = recipe.weights(dataset, checkers)
    if found is None:
        raise SettingsError(f"recipe: {recipe.kind} gives no weights before training")
    by_id = dict(zip(found.ids, found.values, strict=True))
    return Weighing(rows, Weights(rows.ids, np.array([by_id[name] for name in rows.ids])), checkers)
