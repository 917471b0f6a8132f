"""SunGen: weights learned in two nested loops before training."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from augtune.core.errors import DataError, SettingsError
from augtune.core.tables import Weights
from augtune.core.task import TaskName
from augtune.training.recipes.base import Recipe
from augtune.training.stages import Stage

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset
    from augtune.training.settings import TrainSettings

__all__ = ["SunGen"]

KEEP = 0.7


class SunGen(Recipe):
    """Learn a weight for each synthetic row in two nested loops, without human rows (Gao et al., ICLR 2023).

    Inner loop: a small classifier, drawn anew each time, is trained on the weighted rows. Outer loop: the weights move
    so that one more step of it, followed to second order, lowers a loss that forgives wrong labels. The classifier
    proper is then trained on the rows so weighted. Human rows count 1.
    """

    kind: ClassVar[str] = "sungen"
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label",)

    rows: Literal["all", "synthetic"] = "all"
    """Rows the classifier is trained on: human and synthetic, or synthetic alone, as in the paper."""
    use: Literal["weigh", "filter"] = "weigh"
    """Weigh rows by what was learned, or keep the heaviest with weight 1 and give the others 0."""
    keep: float | None = Field(default=None, gt=0, le=1)
    """Share of the synthetic rows that filter keeps; by default 0.7."""
    normalise: bool = True
    """Divide the weights by their mean, so that the size of a step stays what it was."""
    inner: Literal["linear", "mlp", "lstm"] = "linear"
    """The small classifier: one or two layers on the frozen encoder's sentence vectors, or the paper's bi-LSTM on its
    word pieces, which is some hundred times slower."""
    encoder: str | None = None
    """Encoder whose sentence vectors or word pieces it sees; None: the one that is trained."""
    iterations: int = Field(default=100, ge=1)
    """Steps of the outer loop."""
    outer_lr: float = Field(default=0.25, gt=0, allow_inf_nan=False)
    """Learning rate of the weights."""
    outer_on: Literal["synthetic", "human"] = "synthetic"
    """Rows of the outer loss: the synthetic ones themselves, as in the paper, or the human ones."""
    outer_rows: int | None = Field(default=None, ge=1)
    """Rows drawn in each iteration for the virtual step, and for the outer loss; None: all of them."""
    inner_lr: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    """Learning rate of the small classifier."""
    inner_epochs: int = Field(default=1, ge=1)
    """Passes of its training."""
    inner_batch: int = Field(default=64, ge=1)
    """Rows per step of its training."""
    sigmoid: bool = True
    """Weights are the sigmoid of a number that starts at 0; False: they start at 1 and are cut to [0, upper]."""
    upper: float = Field(default=2.0, gt=0, allow_inf_nan=False)
    """Largest weight without the sigmoid."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.keep is not None and self.use != "filter":
            raise SettingsError("keep: the share that use: filter keeps; with use: weigh leave it out")
        return self

    @property
    def weighs(self) -> bool:
        """True."""
        return True

    def plan(self, settings: TrainSettings, steps: int) -> list[Stage]:
        """Return the one stage."""
        return [Stage("train", self.rows, steps, settings.lr, settings.loss, settings.trainable)]

    def require(self, dataset: Dataset) -> None:
        """Refuse a dataset without synthetic rows, or one that lacks the human rows the outer loss is on."""
        if set(dataset.origins) == {"human"}:
            raise DataError(
                f"{dataset.name}: recipe sungen weighs synthetic rows, and there are none.",
                hint="Generate some, or use recipe: vanilla.",
            )
        if self.outer_on == "human" and "human" not in dataset.origins:
            raise DataError(f"{dataset.name}: recipe sungen with outer_on: human needs human rows; there are none.")

    def learned(self, rows: Dataset, settings: TrainSettings, seed: int) -> Weights | None:
        """Return the weight of every row; human rows count 1."""
        from augtune.training.meta.sungen import learn

        human = np.array([origin == "human" for origin in rows.origins], dtype=bool)
        weighed = rows.take(np.flatnonzero(~human))
        outer = rows.take(np.flatnonzero(human)) if self.outer_on == "human" else weighed
        found = self._used(learn(self, weighed, outer, self.encoder or settings.encoder, seed))
        values = np.ones(len(rows))
        values[~human] = found
        return Weights(rows.ids, values)

    def _used(self, learned: np.ndarray) -> np.ndarray:
        values = learned
        if self.use == "filter":
            kept = np.argsort(-learned, kind="stable")[: max(1, round((self.keep or KEEP) * len(learned)))]
            values = np.zeros(len(learned))
            values[kept] = 1.0
        elif self.normalise and learned.mean() > 0:
            values = learned / learned.mean()
        return values
