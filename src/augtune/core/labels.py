"""Labels: the names of the classes in one fixed order."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from augtune.core.errors import DataError
from augtune.core.task import TASKS, Task, TaskName

__all__ = ["NONE", "Labels"]

WHOLE = re.compile(r"-?\d{1,400}")  # longer ones are names: Python reads no number of any length
NONE = "(none)"
"""How a row without any label is written where a row may have several."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Class names in a fixed order, and how many of them a row has; column ``k`` of ``(N, K)`` arrays is ``names[k]``.

    Args:
        names: ``K`` names. Where ``task`` is ``ordinal``, from one end to the other.
        descriptions: What a label means, by its name.
        task: ``single_label``: one of them per row; ``multi_label``: any number; ``ordinal``: one, in order.
        was: Where they are a view of other labels: each of those, in order, and the name it is in; None if its rows
            are left out.

    >>> labels = Labels(("negative", "positive"))
    >>> labels, labels.index("positive")
    (negative · positive, 1)
    """

    names: tuple[str, ...]
    descriptions: Mapping[str, str] = field(default_factory=dict)
    task: TaskName = "single_label"
    was: Mapping[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        repeated = sorted(name for name, count in Counter(self.names).items() if count > 1)
        if repeated:
            raise DataError(f"labels: {', '.join(map(repr, repeated))} named more than once.")
        if any(not isinstance(name, str) or not name.strip() for name in self.names):
            raise DataError("labels: every label needs a name that is not empty.")
        if self.task not in TASKS:
            raise DataError(f"labels: expected a task of {', '.join(TASKS)}, got {self.task!r}.")

        if self.task == "ordinal" and any(low >= high for low, high in pairwise(self.positions)):
            raise DataError(f"labels: numbers with an order have to rise, got {', '.join(self.names)}.")

    @classmethod
    def found_in(cls, values: Iterable[str | int], task: TaskName = "single_label") -> Labels:
        """Return the distinct values in their natural order: numbers by size, names by code point.

        The order depends on the values alone, never on the order of rows or on the process's hash seed.

        Raises:
            DataError: If the task is ``ordinal`` and the values are not all numbers: names do not tell their order.
        """
        distinct = {str(value).strip() for value in values}
        if all(WHOLE.fullmatch(name) for name in distinct):
            return cls(tuple(sorted(distinct, key=lambda name: (int(name), name))), task=task)
        if task != "ordinal":
            return cls(tuple(sorted(distinct)), task=task)
        if any(_number(name) is None for name in distinct):
            raise DataError(
                f"labels: {', '.join(map(repr, sorted(distinct)[:12]))}: names do not tell their order.",
                hint="Give them from one end to the other, e.g. labels: [bad, fair, good].",
            )
        return cls(tuple(sorted(distinct, key=lambda name: (_number(name) or 0.0, name))), task=task)

    @property
    def rule(self) -> Task:
        """What the task means for targets, probabilities and predictions."""
        return TASKS[self.task]

    @property
    def has_many(self) -> bool:
        """True if a row may have several labels, or none."""
        return self.task == "multi_label"

    @property
    def positions(self) -> tuple[float, ...]:
        """Where each label stands on the scale, ``K`` numbers: its own number if all are numbers, else 0 to K - 1.

        Raises:
            DataError: If the labels have no order.
        """
        if self.task != "ordinal":
            raise DataError(
                f"the labels {self} have no order that was declared.",
                hint="Say so where the data is named: data.task: ordinal in YAML, --task ordinal, "
                "task='ordinal' in load; names are listed in order as labels.",
            )
        numbers = [_number(name) for name in self.names]
        known = [number for number in numbers if number is not None]
        return tuple(known) if len(known) == len(numbers) else tuple(map(float, range(len(numbers))))

    @staticmethod
    def text_of(names: Iterable[str]) -> str:
        """Return the labels of one row as a text to be read: ``anger + joy``, or ``(none)``."""
        return " + ".join(names) or NONE

    def one_each(self, who: str) -> None:
        """See that every row has one label.

        Args:
            who: What needs that, for the message.

        Raises:
            DataError: If rows may have several.
        """
        if self.has_many:
            raise DataError(f"{who} needs rows of one label each; these may have several (task multi_label).")

    def index(self, name: str) -> int:
        """Return the column of a label.

        Raises:
            DataError: If it is not one of the labels.
        """
        try:
            return self.names.index(name)
        except ValueError:
            raise DataError(f"label {name!r} is not one of {', '.join(map(repr, self.names))}.") from None

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, index: int) -> str:
        return self.names[index]

    def __repr__(self) -> str:
        return " · ".join(self.names)


def _number(name: str) -> float | None:
    try:
        value = float(name)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
