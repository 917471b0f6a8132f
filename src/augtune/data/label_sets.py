"""The labels of rows that may have several: lists as json and parquet have them, or one text with a separator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from augtune.core.errors import DataError
from augtune.core.json_text import decoded
from augtune.data.classes import is_null, value_of
from augtune.data.tables import Table

__all__ = ["label_set", "listed_in", "sets_of"]


def sets_of(table: Table, column: str, separator: str | None) -> list[list[str]]:
    """Return each row's labels as texts: names, or the digits of whole numbers; blanks around them do not count.

    Args:
        table: The rows.
        column: Of the labels.
        separator: What stands between the labels of a text; None where the column holds lists.

    Raises:
        DataError: If a cell is no list of labels, or names one twice; the message has file and line.
    """
    return [label_set(row.get(column), table, i, column, separator) for i, row in enumerate(table.rows)]


def label_set(value: Any, table: Table, index: int, column: str, separator: str | None) -> list[str]:
    """Return the labels of one row; see ``sets_of``."""
    place, names = table.place(index), table.class_names.get(column)
    cells = _cells(value, separator, f"{place}: column {column!r}")
    found = [value_of(cell, names, table, index, column) for cell in cells]
    twice = next((name for name in found if found.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{place}: label {twice!r} is given twice (column {column!r}).")
    return found


def listed_in(value: Any) -> Sequence[Any] | None:
    """Return the list that a cell holds, as a list or as JSON text; None if it holds none."""
    if isinstance(value, (list, tuple)):
        return value
    if not isinstance(value, str) or not value.strip().startswith("["):
        return None
    try:
        written = decoded(value)
    except ValueError:
        return None
    return written if isinstance(written, list) else None


def _cells(value: Any, separator: str | None, where: str) -> Sequence[Any]:
    written = listed_in(value)
    if written is not None:
        return written
    if separator is not None and (value is None or isinstance(value, str)):
        # A cell of a csv file cannot say "no label" but by being empty.
        parts = [part.strip() for part in (value or "").split(separator)]
        return [part for part in parts if part]
    if is_null(value, False):
        raise DataError(f"{where}: the labels are missing.", hint="Write [] for a row that has none of them.")
    raise DataError(
        f"{where}: expected a list of labels, got {value!r}.",
        hint="If labels stand in one text, name what is between them: data.separator: '|' in YAML, --separator '|'.",
    )
