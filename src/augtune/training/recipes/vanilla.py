"""Vanilla: one stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from augtune.core.task import TaskName
from augtune.training.recipes.base import Recipe
from augtune.training.stages import Stage

if TYPE_CHECKING:
    from augtune.training.settings import TrainSettings

__all__ = ["Vanilla"]


class Vanilla(Recipe):
    """One stage on all rows, human and synthetic alike."""

    kind: ClassVar[str] = "vanilla"
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal", "multi_label")

    def plan(self, settings: TrainSettings, steps: int) -> list[Stage]:
        """Return the one stage."""
        return [Stage("train", "all", steps, settings.lr, settings.loss, settings.trainable)]
