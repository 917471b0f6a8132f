"""What the recipes that weigh rows by a quality checker share."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from augtune.core.errors import DataError, SettingsError
from augtune.model.losses import CrossEntropy
from augtune.training.recipes.base import Recipe

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset
    from augtune.training.settings import TrainSettings

__all__ = ["Weighed"]


class Weighed(Recipe):
    """What imp and dimp share: which rows are trained on, and whether human rows are weighed too."""

    needs: ClassVar[tuple[str, ...]] = ("quality",)

    rows: Literal["all", "synthetic"] = "all"
    """Rows the classifier is trained on: human and synthetic, or synthetic alone, as in the paper."""
    human: Literal["trusted", "weighed"] = "trusted"
    """Human rows count 1, or are weighed like the others, by checkers that did not see them."""
    gamma: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Exponent of the weights; below 1 evens them out."""

    def check(self, settings: TrainSettings) -> None:
        """Refuse another loss beside the recipe's own."""
        if settings.loss != CrossEntropy():
            raise SettingsError(f"loss: recipe {self.kind} brings its own; leave it out")

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

    def untrusted(self, rows: Dataset) -> np.ndarray:
        """Return ``(N,)`` True for the rows that are weighed."""
        return np.array([self.human == "weighed" or origin != "human" for origin in rows.origins], dtype=bool)
