"""Two-stage fine-tuning: a balanced signal for the top first, then everything on the human rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from augtune.core.errors import DataError, SettingsError
from augtune.core.task import TaskName
from augtune.model.losses import CrossEntropy, Ldam, Loss
from augtune.training.recipes.base import Recipe
from augtune.training.stages import RowChoice, Stage, share_out
from augtune.training.weightings import Weighting, parse_weighting

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset
    from augtune.training.settings import TrainSettings

__all__ = ["TwoStage"]


class TwoStage(Recipe):
    """The top of the encoder on a class-balanced signal first, then everything on the human rows.

    After Aslani's two-stage fine-tuning (Neurocomputing 592:127801, 2024): stage 1 trains head, pooler and top layers
    on rewordings, or on the human rows under a margin loss that favours rare classes; stage 2 is ordinary fine-tuning.
    Each stage has its own optimizer and a schedule that ends at its own last step.
    """

    kind: ClassVar[str] = "two_stage"
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal", "multi_label")

    variant: Literal["augmented", "reweighted", "both"] = "augmented"
    """Stage 1: cross-entropy on synthetic rows (augmented), LDAM on human (reweighted) or synthetic ones (both)."""
    stage1_share: float = Field(default=0.5, ge=0, lt=1)
    """Share of the steps that goes to stage 1; 0 leaves vanilla training on the human rows."""
    stage1_lr: float = Field(default=1e-4, gt=0, allow_inf_nan=False)
    """Highest learning rate of stage 1."""
    top_layers: Literal["head"] | Annotated[int, Field(ge=0)] = 1
    """What stage 1 trains: head, pooler and so many layers from the top (0: head and pooler), or the head alone."""
    stage1_rows: Literal["synthetic", "all"] = "synthetic"
    """Rows of stage 1 where it uses synthetic ones: those alone, or human rows with them."""

    stage1_weights: Annotated[
        Weighting | None,
        BeforeValidator(lambda value: parse_weighting(value, where="stage1_weights")),
        PlainSerializer(lambda value: None if value is None else value.to_json()),
    ] = None
    """What the synthetic rows of stage 1 count: quality, imp or dimp, a name or a mapping with kind and its own keys;
    None: 1 each."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.stage1_weights is None:
            return self
        if self.variant == "reweighted":
            raise SettingsError("stage1_weights: they are those of synthetic rows; variant reweighted has none")
        if self.stage1_weights.own_loss is not None and self.variant == "both":
            raise SettingsError(
                f"stage1_weights: {self.stage1_weights.kind} brings its own loss, and so does variant both; "
                "take variant: augmented"
            )
        return self

    @property
    def needs(self) -> tuple[str, ...]:
        """The checkers that the weights of stage 1 need."""
        return () if self.stage1_weights is None or self.stage1_share == 0 else self.stage1_weights.needs

    def check(self, settings: TrainSettings) -> None:
        """Refuse to train nothing: a stage of no steps."""
        if settings.epochs is None and self.stage1_share > 0 and settings.steps < 2:
            raise SettingsError("steps: recipe two_stage needs at least 2, one for each stage")

    def plan(self, settings: TrainSettings, steps: int) -> list[Stage]:
        """Return stage 1 on the top layers and stage 2 on everything that ``trainable`` allows."""
        if self.stage1_share == 0:
            return [Stage("stage 2", "human", steps, settings.lr, settings.loss, settings.trainable)]
        first, second = share_out([self.stage1_share, 1 - self.stage1_share], steps)
        rows: RowChoice = "human" if self.variant == "reweighted" else self.stage1_rows
        loss: Loss = CrossEntropy() if self.variant == "augmented" else Ldam()
        if self.stage1_weights is not None and self.stage1_weights.own_loss is not None:
            loss = self.stage1_weights.own_loss
        return [
            Stage("stage 1", rows, first, self.stage1_lr, loss, self.top_layers, weighting=self.stage1_weights),
            Stage("stage 2", "human", second, settings.lr, settings.loss, settings.trainable),
        ]

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
