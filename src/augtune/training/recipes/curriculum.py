"""Curriculum: synthetic rows first, then more and more human ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from augtune.core.errors import DataError, SettingsError
from augtune.core.task import TaskName
from augtune.training.recipes.base import Recipe
from augtune.training.stages import Order, Stage, share_out

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset
    from augtune.training.settings import TrainSettings

__all__ = ["Curriculum"]


class Curriculum(Recipe):
    """Train on synthetic rows first and on human ones last, in phases or by a share that rises in every step.

    The noisier rows come first and the trusted ones last, so that what training ends on is the human rows' view. With
    ``order: easiest_first`` the synthetic rows start with those whose label the quality checker finds likeliest; the
    pool grows with the square root of the progress (after Platanios et al., NAACL 2019).
    """

    kind: ClassVar[str] = "curriculum"
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal", "multi_label")

    phases: Annotated[int, Field(ge=2)] | Literal["smooth"] = 2
    """2: synthetic rows, then human ones, in equal shares of the steps. More: mixes in between, whose share of human
    rows rises evenly. smooth: one phase, in which that share rises from 0 to 1."""
    order: Order = "random"
    """Order in which synthetic rows enter, in the first phase: random, or easiest_first."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The quality checker, where it says what is easy."""
        return ("quality",) if self.order == "easiest_first" else ()

    @property
    def weighs(self) -> bool:
        """False: every row counts 1."""
        return False

    def check(self, settings: TrainSettings) -> None:
        """Refuse fewer steps than phases."""
        if self.phases != "smooth" and settings.epochs is None and settings.steps < self.phases:
            raise SettingsError(f"steps: recipe curriculum needs at least {self.phases}, one for each phase")

    def plan(self, settings: TrainSettings, steps: int) -> list[Stage]:
        """Return the phases."""
        same = (settings.lr, settings.loss, settings.trainable)
        if self.phases == "smooth":
            return [Stage("train", "all", steps, *same, order=self.order, human_share=(0.0, 1.0))]
        last = self.phases - 1
        counts = share_out([1 / self.phases] * self.phases, steps)
        return [
            Stage("stage 1", "synthetic", counts[0], *same, order=self.order),
            *(
                Stage(f"stage {i + 1}", "all", counts[i], *same, human_share=(i / last, i / last))
                for i in range(1, last)
            ),
            Stage(f"stage {last + 1}", "human", counts[last], *same),
        ]

    def require(self, dataset: Dataset) -> None:
        """Refuse a dataset that lacks human or synthetic rows."""
        origins = set(dataset.origins)
        if "human" not in origins:
            raise DataError(f"{dataset.name}: recipe curriculum ends on human rows, and there are none.")
        if origins == {"human"}:
            raise DataError(
                f"{dataset.name}: recipe curriculum begins with synthetic rows, and there are none.",
                hint="Generate some, or use recipe: vanilla.",
            )
