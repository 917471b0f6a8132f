"""Stages: a recipe the user writes, as a list of stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from augtune.core.errors import DataError, SettingsError
from augtune.core.settings import Settings
from augtune.core.task import TaskName
from augtune.model import LOSSES
from augtune.model.losses import Loss
from augtune.training.recipes.base import Recipe
from augtune.training.stages import Order, RowChoice, Stage, share_out
from augtune.training.weightings import Weighting, parse_weighting

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset
    from augtune.training.settings import TrainSettings

__all__ = ["StageSettings", "Stages"]

Share = Annotated[float, Field(ge=0, le=1)]


class StageSettings(Settings):
    """One stage of recipe ``stages``; what is left out is as in ``train``."""

    rows: RowChoice
    """Rows it trains on: human, synthetic or all."""
    share: float | None = Field(default=None, gt=0, le=1)
    """Its share of the steps; None: an equal part of what the others leave."""
    name: str | None = Field(default=None, min_length=1)
    """What history and messages call it, and what its random choices depend on; None: stage 1, stage 2 and so on, or
    train where there is one only."""
    lr: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Highest learning rate; None: train.lr."""
    loss: Annotated[
        Loss | None,
        BeforeValidator(lambda value: None if value is None else LOSSES.parse(value, where="loss")),
        PlainSerializer(lambda value: None if value is None else value.to_json()),
    ] = None
    """What a row costs: a name, or a mapping with kind and the loss's own keys; None: train.loss."""
    trainable: Literal["all", "head"] | Annotated[int, Field(ge=0)] | None = None
    """What is trained: all, the head alone, or head, pooler and so many top layers; None: train.trainable."""
    weights: Annotated[
        Weighting | None,
        BeforeValidator(lambda value: parse_weighting(value, where="weights")),
        PlainSerializer(lambda value: None if value is None else value.to_json()),
    ] = None
    """What its synthetic rows count: none, quality, imp or dimp; a name, or a mapping with kind and its own keys."""
    order: Order = "random"
    """random, or easiest_first: the rows whose label the quality checker finds likeliest come first."""
    human_share: Share | tuple[Share, Share] | None = None
    """Of rows: all, the share of human rows in every step, or in the first and in the last; None: as many as there
    are."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        problems = []
        if self.human_share is not None and self.rows != "all":
            problems.append(f"human_share: it is for rows: all; here rows are {self.rows}")
        if self.weights is not None and self.weights.own_loss is not None and self.loss is not None:
            problems.append(f"loss: weights {self.weights.kind} brings its own; leave one of the two out")
        if self.weights is not None and self.rows == "human" and self.weights.human == "trusted":
            problems.append("weights: human rows count 1 unless the weights say human: weighed")
        if problems:
            raise SettingsError(problems)
        return self

    def stage(self, name: str, steps: int, settings: TrainSettings) -> Stage:
        """Return the stage, what was left out filled in from the training's settings."""
        loss = self.loss if self.weights is None else self.weights.own_loss or self.loss
        share = self.human_share
        return Stage(
            name=self.name or name,
            rows=self.rows,
            steps=steps,
            lr=settings.lr if self.lr is None else self.lr,
            loss=settings.loss if loss is None else loss,
            trainable=settings.trainable if self.trainable is None else self.trainable,
            weighting=self.weights,
            order=self.order,
            human_share=(share, share) if isinstance(share, float | int) else share,
        )


def _parse(value: Any) -> Any:
    """Return the list with every mapping read, so that problems name the stage they are in."""
    if not isinstance(value, (list, tuple)):
        raise SettingsError(f"stages: expected a list of stages, got {value!r}")
    read: list[StageSettings] = []
    problems: list[str] = []
    for i, one in enumerate(value):
        where = f"stages[{i}]"
        if isinstance(one, StageSettings):
            read.append(one)
        elif isinstance(one, Mapping):
            try:
                read.append(StageSettings.parse(one, where=where))
            except SettingsError as error:
                problems.extend(error.problems)
        else:
            problems.append(f"{where}: expected a mapping such as {{rows: human, share: 0.5}}, got {one!r}")
    if not value:
        problems.append("stages: expected one stage at least, got none")
    if problems:
        raise SettingsError(problems)
    return tuple(read)


class Stages(Recipe):
    """A list of stages, each with its own rows, share of the steps, learning rate, loss, trained parts and weights.

    Every stage begins with a fresh optimizer, and its schedule ends at its own last step.
    """

    kind: ClassVar[str] = "stages"
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal", "multi_label")

    stages: Annotated[tuple[StageSettings, ...], BeforeValidator(_parse)]
    """The stages in order, each a mapping: rows, share, name, lr, loss, trainable, weights, order, human_share."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        given = [one.share for one in self.stages if one.share is not None]
        total, missing = sum(given), len(self.stages) - len(given)
        if not missing and abs(total - 1) > 1e-6:
            raise SettingsError(f"stages: expected shares that sum to 1, got {' + '.join(map(str, given))} = {total:g}")
        if missing and total > 1 - 1e-6:
            raise SettingsError(
                f"stages: the shares given sum to {total:g}, which leaves nothing for the {missing} without one"
            )
        names = self._names()
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated is not None:
            raise SettingsError(f"stages: two are called {repeated!r}; give each its own name")
        return self

    @property
    def needs(self) -> tuple[str, ...]:
        """The checkers that weights and order of its stages need."""
        wanted = {name for one in self.stages if one.weights is not None for name in one.weights.needs}
        wanted |= {"quality" for one in self.stages if one.order == "easiest_first"}
        return tuple(name for name in ("quality", "diversity") if name in wanted)

    @property
    def weighs(self) -> bool:
        """True if a stage weighs rows."""
        return any(one.weights is not None for one in self.stages)

    def check(self, settings: TrainSettings) -> None:
        """Refuse fewer steps than stages."""
        if settings.epochs is None and settings.steps < len(self.stages):
            raise SettingsError(f"steps: recipe stages needs at least {len(self.stages)}, one for each stage")

    def plan(self, settings: TrainSettings, steps: int) -> list[Stage]:
        """Return the stages."""
        given = [one.share for one in self.stages]
        missing = given.count(None)
        rest = (1 - sum(share for share in given if share is not None)) / max(1, missing)
        counts = share_out([rest if share is None else share for share in given], steps)
        named = zip(self.stages, self._names(), counts, strict=True)
        return [one.stage(name, count, settings) for one, name, count in named]

    def require(self, dataset: Dataset) -> None:
        """Refuse a dataset that lacks rows of a stage, or of a checker that a stage needs."""
        there = {"human" if origin == "human" else "synthetic" for origin in dataset.origins}
        for one, name in zip(self.stages, self._names(), strict=True):
            wanted = ("human", "synthetic") if one.human_share is not None else (one.rows,)
            missing = [rows for rows in wanted if rows != "all" and rows not in there]
            if missing:
                raise DataError(f"{dataset.name}: {name} trains on {missing[0]} rows, and there are none.")
            checked = [] if one.weights is None and one.order == "random" else ["human", "synthetic"]
            missing = [rows for rows in checked if rows not in there]
            if missing:
                what = f"weights {one.weights.kind}" if one.weights is not None else f"order {one.order}"
                raise DataError(
                    f"{dataset.name}: {name} has {what}, which judge synthetic rows by human ones; "
                    f"there are no {missing[0]} rows."
                )

    def _names(self) -> list[str]:
        if len(self.stages) == 1:
            return [self.stages[0].name or "train"]
        return [one.name or f"stage {i}" for i, one in enumerate(self.stages, start=1)]
