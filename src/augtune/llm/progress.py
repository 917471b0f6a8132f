"""How asking a model goes: what is done, kept and dropped, tokens and money so far, per minute and to be expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from augtune.core.outcomes import Cost
from augtune.llm.client import LLM
from augtune.llm.clock import Clock

__all__ = ["LLMProgress", "Watch"]


@dataclass(frozen=True, slots=True)
class LLMProgress:
    """One moment of a piece of work that asks a language model.

    Args:
        done: Calls answered, those from the cache included.
        of: How many there will be, as far as known.
        cost: What this work's calls cost so far.
        seconds: How long it has been going on.
        kept: Rows kept; None if not told.
        dropped: Rows not kept, by reason.
    """

    done: int
    of: int
    cost: Cost
    seconds: float
    kept: int | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Tokens paid for, in and out."""
        return self.cost.tokens_in + self.cost.tokens_out

    @property
    def tokens_per_minute(self) -> float:
        """Tokens paid for per minute so far."""
        return self._per_minute(self.tokens)

    @property
    def usd_per_minute(self) -> float | None:
        """Money per minute so far; None if the price is not known."""
        return None if self.cost.usd is None else self._per_minute(self.cost.usd)

    @property
    def usd_expected(self) -> float | None:
        """What the whole work will cost, if the calls to come cost what those paid for did; None if not known."""
        if self.cost.usd is None:
            return None
        each = self.cost.usd / self.cost.calls if self.cost.calls else 0.0
        return self.cost.usd + each * max(self.of - self.done, 0)

    def _per_minute(self, amount: float) -> float:
        return 60 * amount / self.seconds if self.seconds > 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return all of it as one flat JSON object, for ``events.jsonl``."""
        return {
            "done": self.done,
            "of": self.of,
            "kept": self.kept,
            "dropped": dict(self.dropped),
            **self.cost.to_json(),
            "seconds": round(self.seconds, 3),
            "tokens_per_minute": round(self.tokens_per_minute, 1),
            "usd_per_minute": None if self.usd_per_minute is None else round(self.usd_per_minute, 6),
            "usd_expected": None if self.usd_expected is None else round(self.usd_expected, 6),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> LLMProgress:
        """Return the progress that an object of ``to_json`` describes; further keys are passed over."""
        names = ("done", "of", "seconds", "kept", "dropped")
        return cls(cost=Cost.from_json(value), **{name: value[name] for name in names})

    def __str__(self) -> str:
        parts = [f"{self.done} of {self.of}"]
        if self.kept is not None:
            parts.append(f"{self.kept} kept")
        if self.dropped:
            reasons = sorted(self.dropped.items(), key=lambda item: (-item[1], item[0]))
            parts.append(f"{sum(self.dropped.values())} dropped ({', '.join(f'{n} {why}' for why, n in reasons)})")
        if self.cost.cached:
            parts.append(f"{self.cost.cached} from the cache")
        if self.cost.calls:
            parts.append(f"{self.tokens:,} tokens, {self.tokens_per_minute:,.0f}/min")
            parts += self._money()
        return " · ".join(parts)

    def _money(self) -> list[str]:
        if self.cost.usd is None:
            return ["price unknown"]
        if not self.cost.usd or self.usd_per_minute is None:
            return []
        expected = f", about ${self.usd_expected:.3f} in all" if self.done < self.of else ""
        return [f"${self.cost.usd:.3f}, ${self.usd_per_minute:.3f}/min{expected}"]


class Watch:
    """Tells how a piece of work with a model goes; the model's cost and the time count from when this is made.

    Args:
        llm: The model.
        clock: Time.
    """

    def __init__(self, llm: LLM, clock: Clock | None = None) -> None:
        self._llm = llm
        self._clock = clock or Clock()
        self._before = llm.cost
        self._started = self._clock.now()

    def at(
        self, done: int, of: int, *, kept: int | None = None, dropped: Mapping[str, int] | None = None
    ) -> LLMProgress:
        """Return how it stands with so many of so many calls answered, and, if told, so many rows kept and dropped."""
        now, before = self._llm.cost, self._before
        usd = None if now.usd is None or before.usd is None else now.usd - before.usd
        names = ("calls", "cached", "tokens_in", "tokens_out")
        spent = Cost(usd, *(getattr(now, name) - getattr(before, name) for name in names))
        return LLMProgress(done, of, spent, self._clock.now() - self._started, kept, dict(dropped or {}))
