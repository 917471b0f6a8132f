"""What a step returns: the rows it kept, the rows it dropped and why, what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from augtune.core.dataset import Dataset, Example
from augtune.core.labels import Labels

__all__ = ["Changed", "Cost", "Curation", "Dropped", "Generation"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What model calls cost.

    Args:
        usd: US dollars; None if any price is unknown.
        calls: Calls sent and paid for.
        cached: Calls answered by the cache or a recording; they cost nothing.
        tokens_in: Prompt tokens of the paid calls.
        tokens_out: Completion tokens of the paid calls.
    """

    usd: float | None = 0.0
    calls: int = 0
    cached: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def __add__(self, other: Cost) -> Cost:
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Cost(
            usd,
            self.calls + other.calls,
            self.cached + other.cached,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
        )

    def __sub__(self, earlier: Cost) -> Cost:
        usd = None if self.usd is None or earlier.usd is None else self.usd - earlier.usd
        return Cost(
            usd,
            self.calls - earlier.calls,
            self.cached - earlier.cached,
            self.tokens_in - earlier.tokens_in,
            self.tokens_out - earlier.tokens_out,
        )

    def share(self, part: float) -> Cost:
        """Return a part of it, 0 to 1; calls and tokens are rounded."""
        if part == 1:
            return self
        counts = (round(part * n) for n in (self.calls, self.cached, self.tokens_in, self.tokens_out))
        return Cost(None if self.usd is None else part * self.usd, *counts)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as the contract's ``cost`` object."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Cost:
        """Return the cost a JSON object of ``to_json`` describes."""
        return cls(**{name: value[name] for name in cls.__dataclass_fields__ if name in value})

    def __repr__(self) -> str:
        return "price unknown" if self.usd is None else f"${self.usd:.3f}"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that was not kept, on record.

    Args:
        example: The row as it was; for an unreadable reply its text is the raw reply and its label ``""``.
        by: The step that dropped it, e.g. ``gpt3mix``, ``dedup``, ``contamination``.
        because: Why, in words, naming the other row where there is one.
        reason: One or two words to count by, e.g. ``unreadable``, ``repeat``.
    """

    example: Example
    by: str
    because: str
    reason: str

    def to_json(self, labels: Labels | None = None) -> dict[str, Any]:
        """Return the row as a JSON object with ``by``, ``because`` and ``reason``."""
        return {**self.example.to_json(labels), "by": self.by, "because": self.because, "reason": self.reason}

    @classmethod
    def from_json(cls, row: Mapping[str, Any], labels: Labels) -> Dropped:
        """Return the dropped row a JSON object of ``to_json`` describes."""
        return cls(Example.from_json(row, labels), row["by"], row["because"], row["reason"])


@dataclass(frozen=True, slots=True)
class Generation:
    """Rows a generator made.

    Args:
        dataset: The rows kept; none of them is of human origin.
        dropped: What was not kept, and why.
        cost: What the calls cost.
        shortfall: Per label, how many rows fewer than asked for were delivered; empty if none.
    """

    dataset: Dataset
    dropped: tuple[Dropped, ...] = ()
    cost: Cost = field(default_factory=Cost)
    shortfall: Mapping[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        reasons = Counter(row.reason for row in self.dropped)
        why = f" ({', '.join(f'{n} {reason}' for reason, n in reasons.most_common())})" if reasons else ""
        short = f" · {sum(self.shortfall.values())} fewer than asked" if self.shortfall else ""
        return f"{len(self.dataset)} kept, {len(self.dropped)} dropped{why}{short} · {self.cost}"


@dataclass(frozen=True, slots=True)
class Changed:
    """A row that was given another label, on record.

    Args:
        before: The row as it was.
        after: The row as it is now; same id, same text.
        by: The step that changed it, e.g. ``agree``.
        because: Why, in words.
    """

    before: Example
    after: Example
    by: str
    because: str

    def to_json(self, labels: Labels | None = None) -> dict[str, Any]:
        """Return a JSON object with ``id``, ``by``, ``because`` and the rows ``before`` and ``after``."""
        rows = {"before": self.before.to_json(labels), "after": self.after.to_json(labels)}
        return {"id": self.before.id, "by": self.by, "because": self.because, **rows}

    @classmethod
    def from_json(cls, row: Mapping[str, Any], labels: Labels) -> Changed:
        """Return the changed row a JSON object of ``to_json`` describes."""
        before, after = (Example.from_json(row[name], labels) for name in ("before", "after"))
        return cls(before, after, row["by"], row["because"])


@dataclass(frozen=True, slots=True)
class Curation:
    """Rows that passed the curation steps.

    Args:
        dataset: The rows kept; as they were, but for those in ``changed``.
        dropped: The others, with who dropped them and why.
        changed: Rows that were given another label, as they were and as they are; a later step may have dropped one.
        cost: What calls to a language model cost, in steps that ask one.
    """

    dataset: Dataset
    dropped: tuple[Dropped, ...] = ()
    changed: tuple[Changed, ...] = ()
    cost: Cost = field(default_factory=Cost)

    def __repr__(self) -> str:
        by = Counter(row.by for row in self.dropped)
        relabelled = f" ({len({row.before.id for row in self.changed})} relabelled)" if self.changed else ""
        kept = f"{len(self.dataset)} kept{relabelled}, {len(self.dropped)} dropped"
        price = f" · {self.cost}" if self.cost.calls or self.cost.cached else ""
        if len(by) == 1:
            return f"{kept} by {next(iter(by))}{price}"
        who = f" ({', '.join(f'{n} by {name}' for name, n in by.most_common())})" if by else ""
        return f"{kept}{who}{price}"
