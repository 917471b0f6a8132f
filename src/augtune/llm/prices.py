"""What tokens cost, and what may be spent."""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib import resources
from typing import Any, Literal, cast

from pydantic import Field

from augtune.core.errors import SettingsError
from augtune.core.settings import Settings

__all__ = ["FREE", "TUNED", "Budget", "Price", "list_price", "listed_shutdown"]

Unit = Literal["USD", "calls", "tokens"]

MILLION = Decimal(1_000_000)
BUDGET = re.compile(r"(?P<amount>\d{1,15}(?:\.\d{1,9})?)\s*(?P<scale>[kM])?\s*(?P<unit>USD|calls?|tokens?)")
SCALES = {None: 1, "k": 1_000, "M": 1_000_000}
TUNED = "ft:"
DATED = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")


class Price(Settings):
    """What a model's tokens cost, in US dollars per million."""

    input: float = Field(ge=0, allow_inf_nan=False)
    """$/million prompt tokens."""

    output: float = Field(ge=0, allow_inf_nan=False)
    """$/million tokens of replies, thinking included."""

    cached: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """$/million prompt tokens that the provider had cached; the input price if not given."""

    cache_write: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """$/million prompt tokens that the provider puts into its cache, where it charges more for that. Replies do not
    say which these were, so every prompt token that was not read from the cache is counted at the dearer price."""

    batch: float | None = Field(default=None, gt=0, le=1)
    """What share of these prices a call in a batch costs, e.g. 0.5; without it, it is counted in full."""

    def in_batch(self) -> Price:
        """Return the price of a call in a batch; nothing is taken off twice, so cached tokens count like the others."""
        share = _exact(self.batch or 1.0)
        return Price(input=float(self._fresh * share), output=float(_exact(self.output) * share))

    @property
    def _fresh(self) -> Decimal:
        """The most that a prompt token costs which was not read from the provider's cache."""
        return max(_exact(self.input), _exact(self.cache_write or 0.0))

    def usd(self, *, tokens_in: int, tokens_out: int, tokens_cached: int = 0) -> Decimal:
        """Return what a call with these counts costs, exactly; the cached tokens are among those in."""
        cached = min(max(tokens_cached, 0), tokens_in)
        cheaper = self.input if self.cached is None else self.cached
        total = (tokens_in - cached) * self._fresh + cached * _exact(cheaper) + tokens_out * _exact(self.output)
        return total / MILLION

    def most_usd(self, *, tokens_in: int, tokens_out: int) -> Decimal:
        """Return the most that a call with at most these counts can cost."""
        dearer = max(self._fresh, _exact(self.cached or 0.0))
        return (tokens_in * dearer + tokens_out * _exact(self.output)) / MILLION


FREE = Price(input=0.0, output=0.0)


def _exact(price: float) -> Decimal:
    return Decimal(str(price))


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that may be spent, in one unit.

    Args:
        amount: How much.
        unit: ``USD``, ``calls`` or ``tokens`` (in and out together).
    """

    amount: Decimal
    unit: Unit

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Return the budget a text like ``2 USD``, ``500 calls`` or ``2M tokens`` stands for.

        Raises:
            SettingsError: If it is anything else.
        """
        found = BUDGET.fullmatch(text.strip())
        wrong = f"expected an amount and a unit, like '2 USD', '500 calls' or '2M tokens', got {text!r}"
        if found is None:
            raise SettingsError(wrong)
        unit = cast("Unit", "USD" if found["unit"] == "USD" else found["unit"].rstrip("s") + "s")
        amount = Decimal(found["amount"]) * SCALES[found["scale"]]
        if unit == "USD" and found["scale"]:
            raise SettingsError(f"{wrong}; write dollars in full")
        if unit != "USD" and amount != amount.to_integral_value():
            raise SettingsError(f"{wrong}; {unit} are whole")
        return cls(amount, unit)

    def show(self, amount: Decimal) -> str:
        """Return an amount in the budget's unit as a user reads it."""
        if self.unit == "USD":
            return f"{amount.quantize(Decimal('0.000001')).normalize():f} USD"
        return f"{int(amount)} {self.unit[:-1] if amount == 1 else self.unit}"

    def __str__(self) -> str:
        return self.show(self.amount)


@functools.cache
def _listed() -> dict[str, dict[str, Any]]:
    return tomllib.loads(resources.files("augtune.llm").joinpath("prices.toml").read_text(encoding="utf-8"))


def _row(provider: str, model: str) -> dict[str, Any] | None:
    if model.startswith(TUNED):  # ft:BASE:organisation:suffix:id
        model = ":".join(model.split(":")[:2])
    return _listed().get(f"{provider}/{model}") or _listed().get(f"{provider}/{DATED.sub('', model)}")


def listed_shutdown(provider: str, model: str) -> date | None:
    """Return the day a model goes, as far as ``prices.toml`` knows."""
    found = (_row(provider, model) or {}).get("shutdown")
    return found if isinstance(found, date) else None


def list_price(provider: str, model: str) -> Price | None:
    """Return the list price of a model, or None if it is not known; a date at the end of the name does not matter.

    A model that was fine-tuned (``ft:BASE:...``) has a price of its own.
    """
    row = _row(provider, model)
    return None if row is None else Price(**{name: value for name, value in row.items() if name in Price.model_fields})
