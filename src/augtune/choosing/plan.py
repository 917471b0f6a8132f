"""What a choice may cost, shared out: short trainings to compare ways, and the final ones on all rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from augtune.choosing.settings import ChooseSettings

__all__ = ["Budget", "Short", "short_trainings"]

# A shorter training says nothing of a longer one.
LEAST_STEPS = 40
# Of the full training's steps.
SHORT_SHARE = 1 / 3
# Ways beside human rows alone that are trained shortly, most first.
MOST_WAYS = (2, 1)
# Folds below which rather fewer ways are compared than on fewer folds.
ENOUGH_FOLDS = 3
LEAST_FOLDS = 2
# Final trainings that may be needed: that of a way and that of human rows alone.
FINAL = 2


@dataclass(frozen=True, slots=True)
class Budget:
    """Optimizer steps.

    Args:
        full: Of one full training.
        most: Of everything, the final trainings included.
        distill: Whether what the final trainings make is distilled into one model, which takes a full training more.
    """

    full: int
    most: int
    distill: bool = False

    @classmethod
    def of(cls, full: int, settings: ChooseSettings) -> Budget:
        """Return what the settings allow."""
        most = math.floor(settings.trainings * full)
        return cls(full, most if settings.max_steps is None else min(most, settings.max_steps), settings.distill)

    @property
    def finals(self) -> int:
        """How many full trainings are kept for the end: two where that leaves something to compare with, else one."""
        return FINAL if self.distill or self.most >= (FINAL + 1) * self.full else 1

    @property
    def kept(self) -> int:
        """Steps kept for the end, those of a model that learns from the others included."""
        return (self.finals + self.distill) * self.full


@dataclass(frozen=True, slots=True)
class Short:
    """The short trainings of rung 1.

    Args:
        ways: Ways beside human rows alone.
        folds: Folds each is trained on.
        steps: Optimizer steps of each training.
    """

    ways: int
    folds: int
    steps: int


def short_trainings(budget: Budget, ways: int, folds: int) -> Short | None:
    """Return the short trainings that a budget allows beside the final ones; None: it allows none.

    Args:
        budget: The budget.
        ways: Ways that are worth it, human rows alone not counted.
        folds: Folds of a repeat.
    """
    steps = min(budget.full, max(LEAST_STEPS, math.ceil(SHORT_SHARE * budget.full)))
    count = (budget.most - budget.kept) // steps
    for most in MOST_WAYS:
        taken = min(most, ways)
        room = min(folds, count // (1 + taken))
        if room >= (LEAST_FOLDS if taken <= 1 else min(folds, ENOUGH_FOLDS)):
            return Short(taken, room, steps)
    return None
