"""Rows without an object each: one list per column, rows put together when they are looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

__all__ = ["PackedRows"]

# Texts up to this length that were seen before are kept once, as labels and ids of sources; at most so many of them.
SHORT, MOST_KNOWN = 40, 65_536


class _Absent:
    """Stands where a row has no such column."""


ABSENT = _Absent()


class PackedRows(Sequence[Mapping[str, Any]]):
    """Rows as mappings from column to value, columns in order of their first appearance.

    Args:
        rows: The rows; one is looked at after the other.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self._columns: dict[str, list[Any]] = {}
        self._size = 0
        self._known: dict[str, str] = {}
        for row in rows:
            self.append(row)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns."""
        return tuple(self._columns)

    def append(self, row: Mapping[str, Any]) -> None:
        """Take in one more row."""
        for name, value in row.items():
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = [ABSENT] * self._size
            column.append(self._shared(value))
        self._size += 1
        if len(row) < len(self._columns):
            for column in self._columns.values():
                if len(column) < self._size:
                    column.append(ABSENT)

    def _shared(self, value: Any) -> Any:
        if type(value) is not str or len(value) > SHORT:
            return value
        known = self._known.get(value)
        if known is None:
            known = value
            if len(self._known) < MOST_KNOWN:
                self._known[value] = value
        return known

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self[i] for i in range(self._size)[index]]
        place = range(self._size)[index]
        return {name: column[place] for name, column in self._columns.items() if column[place] is not ABSENT}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        names = tuple(self._columns)
        if not names:
            yield from ({} for _ in range(self._size))
        for values in zip(*self._columns.values(), strict=True):
            yield {name: value for name, value in zip(names, values, strict=True) if value is not ABSENT}

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]
