"""Schedules: how the learning rate falls after its warm-up; each class is its settings. Loads without torch.

A schedule is a function of the share of a stage that is done, so it ends where it says at the stage's own last step,
however many steps that is. Factors are shares of the highest learning rate.
"""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import Field, field_validator

from augtune.core.settings import Settings

__all__ = [
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Cyclic",
    "Exponential",
    "InverseSqrt",
    "Linear",
    "MultiStep",
    "Polynomial",
    "ReduceOnPlateau",
    "Schedule",
    "Step",
    "lr_factor",
]


class Schedule(Settings):
    """Base of the schedules."""

    def factor(self, step: int, steps: int, warmup: int) -> float:
        """Return the share of the highest learning rate at a step after the warm-up.

        Args:
            step: 0 for the first step after the warm-up, ``steps`` for the state after the last one.
            steps: Steps after the warm-up, at least 1.
            warmup: Steps of the warm-up.
        """
        raise NotImplementedError


class Linear(Schedule):
    """Falls in equal steps to 0."""

    kind: ClassVar[str] = "linear"

    def factor(self, step: int, steps: int, warmup: int) -> float:
        """Return 1 at first, 0 after the last step."""
        return 1.0 - step / steps


class Cosine(Schedule):
    """Falls along half a cosine (Loshchilov and Hutter, ICLR 2017)."""

    kind: ClassVar[str] = "cosine"

    end: float = Field(default=0.0, ge=0, le=1)
    """Share of the highest learning rate it ends at."""

    def factor(self, step: int, steps: int, warmup: int) -> float:
        """Return 1 at first, ``end`` after the last step."""
        return _between(0.5 * (1.0 + math.cos(math.pi * (step / steps))), self.end)


class Constant(Schedule):
    """Stays at the highest learning rate."""

    kind: ClassVar[str] = "constant"

    def factor(self, step: int, steps: int, warmup: int) -> float:
        """Return 1."""
        return 1.0


class Step(Schedule):
    """Is multiplied by a factor at equal distances."""

    kind: ClassVar[str] = "step"

    every_share: float = Field(default=1 / 3, gt=0, le=1)
    """Distance between two falls, as a share of the stage."""
    multiply: float = Field(default=0.1, gt=0, lt=1)
    """What each fall leaves of the rate."""

    def factor(self, step: int, steps: int, warmup: int) -> float:
        """Return 1 before the first fall, ``multiply`` to the power of the falls after it."""
        return float(self.multiply ** (step // max(1, round(self.every_share * steps))))


class MultiStep(Schedule):
    """Is multiplied by a factor at given places."""

    kind: ClassVar[str] = "multi_step"

    at_shares: tuple[float, ...] = (0.5, 0.75)
    """Where it falls, as shares of the stage, ascending."""
    multiply: float = Field(default=0.1, gt=0, lt=1)
    """What each fall leaves of the rate."""

    @field_validator("at_shares")
    @classmethod
    def _ascending(cls, places: tuple[float, ...]) -> tuple[float, ...]:
        if not places or list(places) != sorted(set(places)) or not 0 < places[0] <= places[-1] < 1:
            raise ValueError(f"expected shares between 0 and 1 in ascending order, got {list(places)}")
        return places

    def factor(self, step: int, steps: int, warmup: int) -> float:
        """Return ``multiply`` to the power of the places that are passed."""
        return float(self.multiply ** sum(step >= round(place * steps) for place in self.at_shares))


class Exponential(Schedule):
    """Falls by the same factor in every step."""

    kind: ClassVar[str] = "exponential"

    end: float = Field(default=0.01, gt=0, lt=1)
    """Share of the highest learning rate it ends at."""

    def factor(self, step: int, steps: int, warmup: int) -> float:
        """Return 1 at first, ``end`` after the last step."""
        return float(self.end ** (step / steps))


class CosineRestarts(Schedule):
    """Falls along half a cosine again and again, each time from the top (SGDR; Loshchilov and Hutter, ICLR 2017)."""

    kind: ClassVar[str] = "cosine_restarts"

    cycles: int = Field(default=4, ge=1)
    """How often it falls."""
    growth: float = Field(default=1.0, ge=1, allow_inf_nan=False)
    """How many times as long as the one before each fall takes."""
    end: float = Field(default=0.0, ge=0, le=1)
    """Share of the highest learning rate each fall ends at."""

    def factor(self, step: int, steps: int, warmup: int) -> float:
        """Return 1 at the start of each cycle, ``end`` after the last step of all."""
        if step >= steps:
            return self.end
        lengths = [self.growth**cycle for cycle in range(self.cycles)]
        done = step / steps * sum(lengths)
        for length in lengths[:-1]:
            # A step that rounding puts a hair before a restart is at the restart.
            if done < length * (1 - 1e-12):
                break
            done = max(done - length, 0.0)
        else:
            length = lengths[-1]
        return _between(0.5 * (1.0 + math.cos(math.pi * (done / length))), self.end)


class Polynomial(Schedule):
    """Falls along a power of what is left."""

    kind: ClassVar[str] = "polynomial"

    power: float = Field(default=2.0, gt=0, allow_inf_nan=False)
    """The power; 1 is linear."""
    end: float = Field(default=0.0, ge=0, le=1)
    """Share of the highest learning rate it ends at."""

    def factor(self, step: int, steps: int, warmup: int) -> float:
        """Return 1 at first, ``end`` after the last step."""
        return _between((1.0 - step / steps) ** self.power, self.end)


class InverseSqrt(Schedule):
    """Falls with the square root of the steps, after Vaswani et al. (NeurIPS 2017)."""

    kind: ClassVar[str] = "inverse_sqrt"

    timescale: int | None = Field(default=None, ge=1)
    """Steps after which the square has halved; None: those of the warm-up, or 1 without one."""

    def factor(self, step: int, steps: int, warmup: int) -> float:
        """Return 1 at first, 1 / sqrt(1 + steps / timescale) after the last step."""
        scale = self.timescale or max(1, warmup)
        return 1.0 / math.sqrt(1.0 + step / scale)


class ReduceOnPlateau(Schedule):
    """Is multiplied by a factor when the validation rows show no progress; needs validation rows.

    What counts as progress is what ``keep_by`` measures. Only the last stage is evaluated, so stages before it are
    trained at the highest learning rate throughout.
    """

    kind: ClassVar[str] = "reduce_on_plateau"

    multiply: float = Field(default=0.5, gt=0, lt=1)
    """What each fall leaves of the rate."""
    patience: int = Field(default=2, ge=1)
    """Evaluations without progress after which it falls."""
    tolerance: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Progress has to be more than this."""
    end: float = Field(default=0.01, gt=0, le=1)
    """Share of the highest learning rate it never falls below."""

    def factor(self, step: int, steps: int, warmup: int) -> float:
        """Return 1: what the evaluations make of it is multiplied on top."""
        return 1.0

    def reduced(self, reductions: int) -> float:
        """Return the share of the highest learning rate after so many falls."""
        return max(float(self.multiply**reductions), self.end)


class Cyclic(Schedule):
    """Rises and falls in straight lines, again and again (Smith, WACV 2017)."""

    kind: ClassVar[str] = "cyclic"

    cycles: int = Field(default=5, ge=1)
    """How often it rises and falls."""
    low: float = Field(default=0.1, gt=0, lt=1)
    """Share of the highest learning rate each cycle starts from and ends at."""
    halving: bool = False
    """Each cycle rises half as far as the one before."""

    def factor(self, step: int, steps: int, warmup: int) -> float:
        """Return ``low`` at the ends of each cycle, 1 in the middle of the first."""
        place = step * self.cycles / steps
        cycle = min(int(place), self.cycles - 1)
        height = 1.0 - abs(2.0 * (place - cycle) - 1.0)
        return self.low + (1.0 - self.low) * height * (0.5**cycle if self.halving else 1.0)


def _between(share: float, end: float) -> float:
    """Return what lies so far between ``end`` (share 0) and 1 (share 1)."""
    return end + (1.0 - end) * share


def lr_factor(step: int, steps: int, warmup_share: float, schedule: Schedule) -> float:
    """Return the share of the highest learning rate that update ``step`` uses.

    Args:
        step: 0 for the first update, ``steps`` for the state after the last.
        steps: Updates of the stage.
        warmup_share: Share of the updates over which the rate rises in equal steps to the schedule's first.
        schedule: What follows.
    """
    warmup = int(warmup_share * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1) * schedule.factor(0, steps - warmup, warmup)
    return schedule.factor(step - warmup, steps - warmup, warmup)
