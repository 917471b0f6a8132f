"""Labels: the names of the classes in one fixed order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from augtune.core.errors import DataError

__all__ = ["Labels"]


@dataclass(frozen=True, slots=True)
class Labels:
    """Class names in a fixed order; column ``k`` of every ``(N, K)`` array belongs to ``names[k]``.

    >>> labels = Labels(("negative", "positive"))
    >>> labels, labels.index("positive")
    (negative · positive, 1)
    """

    names: tuple[str, ...]
    descriptions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            raise DataError(f"labels: {', '.join(map(repr, repeated))} named more than once.")
        if any(not isinstance(name, str) or not name.strip() for name in self.names):
            raise DataError("labels: every label needs a name that is not empty.")

    @classmethod
    def found_in(cls, values: Iterable[str | int]) -> Labels:
        """Return the distinct values in their natural order: integers by size, names by code point.

        The order depends on the values alone, never on the order of rows or on the process's hash seed.
        """
        distinct = {str(value).strip() for value in values}
        if all(name.lstrip("-").isdigit() for name in distinct):
            return cls(tuple(sorted(distinct, key=int)))
        return cls(tuple(sorted(distinct)))

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
