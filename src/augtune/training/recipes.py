"""Recipes: training as a list of stages, and the weights rows get in them. Loads without torch.

Adding one is a class here (or in a file of its own) and a row in ``RECIPES``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from augtune.core.errors import DataError, SettingsError
from augtune.core.settings import Settings
from augtune.core.tables import Weights
from augtune.core.task import TaskName
from augtune.model.losses import CrossEntropy, Ldam, Loss
from augtune.model.losses import Dimp as DimpLoss
from augtune.training.stages import RowChoice, Stage
from augtune.weighting.importance import importance, label_probability

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset
    from augtune.training.settings import TrainSettings
    from augtune.training.tables import Checkers

__all__ = ["Dimp", "Imp", "Recipe", "TwoStage", "Vanilla"]


class Recipe(Settings):
    """Base of the recipes."""

    needs: ClassVar[tuple[str, ...]] = ()
    """The checkers it needs: ``quality``, ``diversity``."""
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal", "multi_label")
    """The tasks it can be used for."""

    def check(self, settings: TrainSettings) -> None:
        """Raise a SettingsError where recipe and settings contradict each other."""

    def stages(self, settings: TrainSettings, steps: int) -> list[Stage]:
        """Return the stages in order; their steps sum to ``steps``.

        Args:
            settings: The training settings the recipe is part of.
            steps: Optimizer steps to share out.
        """
        raise NotImplementedError

    def require(self, dataset: Dataset) -> None:
        """Raise a DataError if the dataset lacks rows the recipe cannot do without."""

    def weights(self, rows: Dataset, checkers: Checkers | None) -> Weights | None:
        """Return how much each row counts, where that is known before training; None: every row counts 1."""
        return None

    def quality(self, rows: Dataset, checkers: Checkers | None) -> np.ndarray | None:
        """Return the ``(N,)`` quality the loss weighs rows by in each step, NaN for rows that count 1; or None."""
        return None


class Vanilla(Recipe):
    """One stage on all rows, human and synthetic alike."""

    kind: ClassVar[str] = "vanilla"

    def stages(self, settings: TrainSettings, steps: int) -> list[Stage]:
        """Return the one stage."""
        return [Stage("train", "all", steps, settings.lr, settings.loss, settings.trainable)]


class TwoStage(Recipe):
    """The top of the encoder on a class-balanced signal first, then everything on the human rows.

    After Aslani's two-stage fine-tuning (Neurocomputing 592:127801, 2024): stage 1 trains head, pooler and top layers
    on rewordings, or on the human rows under a margin loss that favours rare classes; stage 2 is ordinary fine-tuning.
    Each stage has its own optimizer and a schedule that ends at its own last step.
    """

    kind: ClassVar[str] = "two_stage"

    variant: Literal["augmented", "reweighted", "both"] = "augmented"
    """Stage 1: cross-entropy on synthetic rows (augmented), LDAM on human (reweighted) or synthetic ones (both)."""
    stage1_share: float = Field(default=0.5, ge=0, lt=1)
    """Share of the steps that goes to stage 1; 0 leaves vanilla training on the human rows."""
    stage1_lr: float = Field(default=1e-4, gt=0, allow_inf_nan=False)
    """Highest learning rate of stage 1."""
    top_layers: int = Field(default=1, ge=0)
    """Layers trained in stage 1, counted from the top, besides pooler and head."""
    stage1_rows: Literal["synthetic", "all"] = "synthetic"
    """Rows of stage 1 where it uses synthetic ones: those alone, or human rows with them."""

    def check(self, settings: TrainSettings) -> None:
        """Refuse to train nothing: a stage of no steps."""
        if settings.epochs is None and self.stage1_share > 0 and settings.steps < 2:
            raise SettingsError("steps: recipe two_stage needs at least 2, one for each stage")

    def stages(self, settings: TrainSettings, steps: int) -> list[Stage]:
        """Return stage 1 on the top layers and stage 2 on everything that ``trainable`` allows."""
        first = 0 if self.stage1_share == 0 else min(max(1, round(self.stage1_share * steps)), steps - 1)
        rows: RowChoice = "human" if self.variant == "reweighted" else self.stage1_rows
        loss: Loss = CrossEntropy() if self.variant == "augmented" else Ldam()
        stage2 = Stage("stage 2", "human", steps - first, settings.lr, settings.loss, settings.trainable)
        if first == 0:
            return [stage2]
        return [Stage("stage 1", rows, first, self.stage1_lr, loss, self.top_layers), stage2]

    def require(self, dataset: Dataset) -> None:
        """Refuse a dataset without human rows, or without the synthetic rows stage 1 is made of."""
        if "human" not in dataset.origins:
            raise DataError(
                f"{dataset.name}: recipe two_stage trains its second stage on human rows, and there are none."
            )
        if self.variant != "reweighted" and self.stage1_share > 0 and set(dataset.origins) == {"human"}:
            raise DataError(
                f"{dataset.name}: recipe two_stage trains its first stage on synthetic rows, and there are none.",
                hint="Generate some, or use recipe: {kind: two_stage, variant: reweighted}, which needs none.",
            )


class _Weighed(Recipe):
    """What imp and dimp share: which rows are trained on, and whether human rows are weighed too."""

    needs: ClassVar[tuple[str, ...]] = ("quality",)
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal")

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

    def _untrusted(self, rows: Dataset) -> np.ndarray:
        """Return ``(N,)`` True for the rows that are weighed."""
        return np.array([self.human == "weighed" or origin != "human" for origin in rows.origins], dtype=bool)


class Imp(_Weighed):
    """Weigh each row by checked quality over checked diversity, once, before training (Kuo et al., ICLR 2025).

    The quality checker is trained on human rows, the diversity checker on synthetic ones; both are cross-fitted, so
    that no row is scored by a model that saw it. The weight is (q / d)^gamma, taken in log space and clamped.
    """

    kind: ClassVar[str] = "imp"
    needs: ClassVar[tuple[str, ...]] = ("quality", "diversity")

    clamp: float | None = Field(default=10.0, gt=0)
    """Largest weight; None: the paper's, without bound."""
    normalise: bool = False
    """Divide the weights by their mean."""

    def stages(self, settings: TrainSettings, steps: int) -> list[Stage]:
        """Return the one stage, weighted cross-entropy."""
        return [Stage("train", self.rows, steps, settings.lr, CrossEntropy(), settings.trainable)]

    def weights(self, rows: Dataset, checkers: Checkers | None) -> Weights | None:
        """Return the weight of every row; trusted rows count 1."""
        if checkers is None or checkers.quality is None or checkers.diversity is None:
            raise DataError("recipe imp: expected a quality and a diversity checker's predictions.")
        weighed = self._untrusted(rows)
        values = np.ones(len(rows))
        values[weighed] = importance(
            checkers.quality, checkers.diversity, rows.take(np.flatnonzero(weighed)),
            gamma=self.gamma, clamp=self.clamp, normalise=self.normalise,
        ).values  # fmt: skip
        return Weights(rows.ids, values)


class Dimp(_Weighed):
    """Weigh each row by checked quality over the model's own confidence, anew in each step (Kuo et al., ICLR 2025).

    The quality checker is trained on human rows and scores every row once; a step then costs what one of
    cross-entropy costs. A row counts less once the model finds it easy. Human rows count 1 unless ``human: weighed``.
    """

    kind: ClassVar[str] = "dimp"

    floor: float | None = Field(default=None, gt=0, lt=1)
    """Smallest model probability divided by; None: no floor."""
    clamp: float | Literal["auto"] | None = "auto"
    """Largest weight; auto: 5 times the number of classes; None: the paper's, without bound."""

    def stages(self, settings: TrainSettings, steps: int) -> list[Stage]:
        """Return the one stage, under the DIMP loss."""
        loss = DimpLoss(gamma=self.gamma, floor=self.floor, clamp=self.clamp)
        return [Stage("train", self.rows, steps, settings.lr, loss, settings.trainable)]

    def quality(self, rows: Dataset, checkers: Checkers | None) -> np.ndarray | None:
        """Return the checker's probability of each row's label, NaN for trusted rows."""
        if checkers is None or checkers.quality is None:
            raise DataError("recipe dimp: expected a quality checker's predictions.")
        values = np.full(len(rows), np.nan)
        weighed = np.flatnonzero(self._untrusted(rows))
        values[weighed] = label_probability(checkers.quality, rows.take(weighed))
        return values
