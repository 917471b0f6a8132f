"""What a choice may cost, shared out: short trainings to compare ways, and the final ones on all rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from augtune.choosing.settings import ChooseSettings

__all__ = ["Budget", "Short", "short_trainings"]

# A shorter training says nothing of a longer one: after 40 steps rare classes are not yet found at all, and what loses
# 6 points after 100 has gained 18 (trec6 at 1:10).
LEAST_STEPS = 100
# Of the full training's steps.
SHORT_SHARE = 1 / 3
# Ways beside human rows alone that are trained shortly, most first; none: what needs no training is judged beside them.
MOST_WAYS = (2, 1, 0)
# Folds below which rather fewer ways are compared than on fewer folds.
ENOUGH_FOLDS = 3
LEAST_FOLDS = 2
# Trainings that compare one way with human rows alone on the fewest folds.
LEAST_COMPARED = 4


@dataclass(frozen=True, slots=True)
class Budget:
    """Optimizer steps.

    Args:
        full: Of one full training.
        most: Of everything, the final trainings included.
        distill: Whether what the final trainings make is distilled into one model, which takes a full training more.
        compares: Whether there is a way that only trainings on folds can judge: they come before a third final one.
        average: Whether final trainings are averaged, so that more than one is of use.
    """

    full: int
    most: int
    distill: bool = False
    compares: bool = False
    average: bool = True

    @classmethod
    def of(cls, full: int, settings: ChooseSettings, *, compares: bool = False) -> Budget:
        """Return what the settings allow."""
        most = math.floor(settings.trainings * full)
        allowed = most if settings.max_steps is None else min(most, settings.max_steps)
        return cls(full, allowed, settings.distill, compares, settings.average)

    @property
    def short(self) -> int:
        """Steps of a short training."""
        return min(self.full, max(LEAST_STEPS, math.ceil(SHORT_SHARE * self.full)))

    @property
    def finals(self) -> int:
        """How many full trainings are kept for the end: three or two if something is left to compare with, else one.

        Where their average is distilled they are two at least, where none is wanted one.
        """
        if not self.average:
            return 1
        left = self.most - self.distill * self.full
        if left >= 5 * self.full and (not self.compares or left - 3 * self.full >= LEAST_COMPARED * self.short):
            return 3
        return 2 if self.distill or left >= 3 * self.full else 1

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
    count = (budget.most - budget.kept) // budget.short
    for most in MOST_WAYS:
        taken = min(most, ways)
        room = min(folds, count // (1 + taken))
        if room >= (LEAST_FOLDS if taken <= 1 else min(folds, ENOUGH_FOLDS)):
            return Short(taken, room, budget.short)
    return None
