"""What a method costs: paid once to make it, paid again with every prediction, and what a point of quality comes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from augtune.core.errors import DataError
from augtune.core.outcomes import Cost

__all__ = ["Bill", "Item", "Machine", "token_usd"]

When = Literal["once", "running"]

SECONDS_PER_HOUR = 3600
TOKENS_PER_PRICE = 1_000_000
POINTS = 100  # a metric of 1 is a hundred points


@dataclass(frozen=True, slots=True)
class Machine:
    """A computer and its price.

    Args:
        name: What it is, e.g. ``8 x V100``.
        usd_per_hour: What an hour of it costs; 0 for one that is there anyway.
    """

    name: str
    usd_per_hour: float

    def usd(self, seconds: float) -> float:
        """Return what so many seconds cost."""
        return self.usd_per_hour * seconds / SECONDS_PER_HOUR


def token_usd(tokens: float, usd_per_million: float) -> float:
    """Return what tokens cost at a price per million."""
    return tokens * usd_per_million / TOKENS_PER_PRICE


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a bill.

    Args:
        what: What was paid for, e.g. ``generation``, ``fine-tuning``, ``asking``.
        usd: US dollars; None if the price is unknown.
        when: ``once``, to make the system; ``running``, for the predictions the bill counts.
        seconds: How long it took; 0 if unknown.
        cost: Calls and tokens, for work of a language model.
    """

    what: str
    usd: float | None
    when: When = "once"
    seconds: float = 0.0
    cost: Cost | None = None

    @classmethod
    def of_calls(cls, what: str, cost: Cost, when: When = "once") -> Item:
        """Return the line for calls of a language model."""
        return cls(what, cost.usd, when, cost=cost)

    @classmethod
    def of_time(cls, what: str, seconds: float, machine: Machine, when: When = "once") -> Item:
        """Return the line for time on a machine."""
        return cls(what, machine.usd(seconds), when, seconds)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        value: dict[str, Any] = {"what": self.what, "usd": self.usd, "when": self.when, "seconds": self.seconds}
        return value if self.cost is None else {**value, "cost": self.cost.to_json()}


@dataclass(frozen=True, slots=True)
class Bill:
    """All that a method costs.

    A sum that holds an unknown price is unknown: None, never the part that is known.

    Args:
        items: Its lines.
        predictions: How many predictions the running items paid for.

    Raises:
        DataError: If there are running items and no predictions.
    """

    items: tuple[Item, ...]
    predictions: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", tuple(self.items))
        if self.predictions < 1 and any(item.when == "running" for item in self.items):
            raise DataError("a bill with running items has to say how many predictions they paid for, got none.")

    @property
    def once_usd(self) -> float | None:
        """What it took to make the system."""
        return _sum(item.usd for item in self.items if item.when == "once")

    @property
    def running_usd(self) -> float | None:
        """What the predictions took."""
        return _sum(item.usd for item in self.items if item.when == "running")

    @property
    def usd(self) -> float | None:
        """Both together."""
        return _sum(item.usd for item in self.items)

    @property
    def seconds(self) -> float:
        """Time of all items together."""
        return sum(item.seconds for item in self.items)

    def usd_per_prediction(self, over: int | None = None) -> float | None:
        """Return what one prediction costs, what was paid once spread over ``over`` predictions.

        Args:
            over: Predictions the system will make in its life; by default those of the bill.

        Raises:
            DataError: If there is nothing to spread it over.
        """
        life = self.predictions if over is None else over
        if life < 1:
            raise DataError(f"cost per prediction: expected one prediction or more, got {life}.")
        once, running = self.once_usd, self.running_usd
        if once is None or running is None:
            return None
        return once / life + (running / self.predictions if self.predictions else 0.0)

    def usd_per_point(self, value: float, over: float = 0.0) -> float | None:
        """Return what a point of a metric costs.

        Args:
            value: The metric, from 0 to 1; a point is a hundredth.
            over: What would be had without the system; 0 counts every point, as published tables do.

        Raises:
            DataError: If there is no point gained.
        """
        points = POINTS * (value - over)
        if points <= 0:
            raise DataError(f"cost per point: expected a value over {over:g}, got {value:g}.")
        return None if self.usd is None else self.usd / points

    def __add__(self, other: Bill) -> Bill:
        return Bill((*self.items, *other.items), max(self.predictions, other.predictions))

    def to_json(self) -> dict[str, Any]:
        """Return the lines and sums as a JSON object."""
        sums = {"once_usd": self.once_usd, "running_usd": self.running_usd, "usd": self.usd, "seconds": self.seconds}
        return {"items": [item.to_json() for item in self.items], "predictions": self.predictions, **sums}

    def __repr__(self) -> str:
        total = "price unknown" if self.usd is None else f"${self.usd:.2f}"
        lines = ", ".join(f"{i.what} {'unknown' if i.usd is None else f'${i.usd:.2f}'}" for i in self.items)
        return f"{total} ({lines})" if self.items else total


def _sum(values: Iterable[float | None]) -> float | None:
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total
