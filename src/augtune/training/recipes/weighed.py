"""What the recipes that are one stage of weighed rows share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from augtune.core.errors import DataError, SettingsError
from augtune.model.losses import CrossEntropy
from augtune.training.recipes.base import Recipe
from augtune.training.stages import Stage
from augtune.training.weightings import Weighting

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset
    from augtune.training.settings import TrainSettings

__all__ = ["Weighed"]


class Weighed(Weighting, Recipe):
    """A weighting, and one stage under it."""

    rows: Literal["all", "synthetic"] = "all"
    """Rows the classifier is trained on: human and synthetic, or synthetic alone, as in the paper."""

    def check(self, settings: TrainSettings) -> None:
        """Refuse another loss beside the recipe's own."""
        if self.own_loss is not None and settings.loss != CrossEntropy():
            raise SettingsError(f"loss: recipe {self.kind} brings its own; leave it out")

    def plan(self, settings: TrainSettings, steps: int) -> list[Stage]:
        """Return the one stage."""
        loss = self.own_loss or settings.loss
        return [Stage("train", self.rows, steps, settings.lr, loss, settings.trainable, weighting=self)]

    def require(self, dataset: Dataset) -> None:
        """Refuse a dataset without human rows, on which the quality checker is trained, or without synthetic ones."""
        origins = set(dataset.origins)
        if "human" not in origins:
            raise DataError(
                f"{dataset.name}: recipe {self.kind} trains its quality checker on human rows, and there are none.",
                hint="Add the human rows to the dataset; with rows: synthetic they train the checker only.",
            )
        if origins == {"human"}:
            raise DataError(
                f"{dataset.name}: recipe {self.kind} weighs synthetic rows, and there are none.",
                hint="Generate some, or use recipe: vanilla.",
            )
