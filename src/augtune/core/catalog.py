"""Catalogs: the methods there are of one sort, by name, loaded only when used.

Adding a method is one file and one row here-like::

    LOSSES = Catalog("loss", {"focal": Row("augtune.model.losses:Focal", "Down-weigh rows the model finds easy.")})

``tests/contracts`` takes every row of every catalog.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from augtune.core.errors import SettingsError
from augtune.core.settings import Settings, suggestion

__all__ = ["Catalog", "Row"]

T = TypeVar("T", bound=Settings)


@dataclass(frozen=True, slots=True)
class Row:
    """One method: where its class is, and what it does in one line."""

    path: str
    summary: str


class Catalog(Generic[T]):
    """Named methods of one sort.

    Args:
        sort: What its members are, singular, for messages: ``loss``, ``generator``.
        rows: Name to row. The class's ``kind`` is the same name.
    """

    def __init__(self, sort: str, rows: Mapping[str, Row]) -> None:
        self.sort = sort
        self.rows = dict(rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, name: object) -> bool:
        return name in self.rows

    def load(self, name: str, *, where: str | None = None) -> type[T]:
        """Return the class called ``name``.

        Raises:
            SettingsError: If there is none; the message has the closest name.
        """
        if name not in self.rows:
            place = f"{where}: " if where else ""
            raise SettingsError(f"{place}no {self.sort} is called {name!r}{suggestion(name, self.rows)}")
        module, _, attribute = self.rows[name].path.partition(":")
        return cast("type[T]", getattr(importlib.import_module(module), attribute))

    def parse(self, value: Any, *, where: str) -> T:
        """Return the settings a YAML value describes: a bare name, or a mapping with ``kind``; settings pass through.

        Raises:
            SettingsError: One line per problem, each with its place under ``where``.
        """
        if isinstance(value, Settings):
            return cast("T", value)
        if isinstance(value, str):
            value = {"kind": value}
        if not isinstance(value, Mapping):
            raise SettingsError(f"{where}: expected a {self.sort}'s name or a mapping with 'kind', got {value!r}")
        fields = dict(value)
        kind = fields.pop("kind", None)
        if not isinstance(kind, str):
            raise SettingsError(f"{where}.kind: missing; one of: {', '.join(self.rows)}")
        return self.load(kind, where=f"{where}.kind").parse(fields, where=where)

    def parse_each(self, values: Iterable[Any], *, where: str) -> tuple[list[T], list[str]]:
        """Return the settings a list of YAML values describes, and the problems of all that describe none.

        Args:
            values: What ``parse`` takes, in order.
            where: Place of the list.
        """
        found: list[T] = []
        problems: list[str] = []
        for number, value in enumerate(values):
            try:
                found.append(self.parse(value, where=f"{where}[{number}]"))
            except SettingsError as error:
                problems.extend(error.problems)
        return found, problems
