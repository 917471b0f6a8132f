"""What every recipe shares: stages, rows it cannot do without, and the checkers it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from augtune.core.settings import Settings
from augtune.core.tables import Weights
from augtune.core.task import TaskName
from augtune.training.stages import Stage

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset
    from augtune.training.settings import TrainSettings

__all__ = ["Online", "Recipe"]


@dataclass(frozen=True, slots=True, eq=False)
class Online:
    """Who is who where weights are learned beside training.

    Args:
        weighed: ``(N,)`` True for the rows that get weights; the others count 1.
        held_out: Positions of the rows that are trusted and not trained on; none: the validation rows are trusted.
    """

    weighed: np.ndarray
    held_out: np.ndarray


class Recipe(Settings):
    """Base of the recipes."""

    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal")
    """The tasks it can be used for."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The checkers it needs: ``quality``, ``diversity``."""
        return ()

    @property
    def weighs(self) -> bool:
        """True if it gives rows weights, which ``Fitted.weights`` then tells."""
        return bool(self.needs)

    def check(self, settings: TrainSettings) -> None:
        """Raise a SettingsError where recipe and settings contradict each other."""

    def plan(self, settings: TrainSettings, steps: int) -> list[Stage]:
        """Return the stages in order; their steps sum to ``steps``.

        Args:
            settings: The training settings the recipe is part of.
            steps: Optimizer steps to share out.
        """
        raise NotImplementedError

    def require(self, dataset: Dataset) -> None:
        """Raise a DataError if the dataset lacks rows the recipe cannot do without."""

    def learned(self, rows: Dataset, settings: TrainSettings, seed: int) -> Weights | None:
        """Return how much each row counts, where an outer loop before training finds that out; None: there is none."""
        return None

    def online(self, rows: Dataset, *, has_validation: bool, seed: int) -> Online | None:
        """Return which rows get weights beside training, and which are trusted for it; None: weights do not change."""
        return None
