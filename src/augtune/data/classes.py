"""What the label column's values mean: their names, their order, and which of them may occur."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from augtune.core.errors import DataError
from augtune.core.labels import Labels
from augtune.core.settings import suggestion
from augtune.core.task import TaskName
from augtune.data.tables import Table

__all__ = ["Classes", "LabelsGiven", "is_null", "is_unlabelled", "listed", "resolve", "value_of", "values_of"]

LabelsGiven = Labels | Sequence[str | int] | Mapping[Any, str]
MOST_LISTED = 12
MOST_FRACTIONS = 20
"""More different fractional numbers than this are a measurement; fewer may be half stars."""

MEASURED = (
    "augtune predicts labels, no measurements: cut the numbers into bins (low, medium, high) and name them in order, "
    "with data.task: ordinal."
)
MANY = "Rows with several labels: say data.task: multi_label in YAML, --task multi_label, task='multi_label' in load."


@dataclass(frozen=True, slots=True)
class Classes:
    """The labels of a task, and how to get to them from the values in the files.

    Args:
        labels: The classes in order.
        renamed: Value in the files to class name; None if they are the same.
        known_from: Where the labels come from, for messages, e.g. ``the given labels``.
    """

    labels: Labels
    renamed: Mapping[str, str] | None
    known_from: str

    def name_of(self, value: str, place: str) -> str:
        """Return the class a value stands for.

        Raises:
            DataError: If it stands for none.
        """
        if self.renamed is not None:
            if value in self.renamed:
                return self.renamed[value]
            known: Iterable[str] = self.renamed
        elif value in self.labels:
            return value
        else:
            known = self.labels
        close = suggestion(value, known)
        close = close if close.startswith("; did") else "."
        raise DataError(
            f"{place}: label {value!r} is none of {self.known_from}: {listed(known)}{close}",
            hint="Correct or remove the row, add training rows of this class, or give all classes in order "
            "as labels=[...].",
        )


def listed(names: Iterable[str]) -> str:
    """Return names as a message shows them: quoted, the first dozen."""
    quoted = [repr(name) for name in names]
    more = f" and {len(quoted) - MOST_LISTED} more" if len(quoted) > MOST_LISTED else ""
    return ", ".join(quoted[:MOST_LISTED]) + more


def is_unlabelled(table: Table, column: str) -> bool:
    """Return whether no row has a label, as in the public test splits of GLUE, where every label is -1."""
    return all(is_null(row.get(column), column in table.class_names) for row in table.rows)


def values_of(table: Table, column: str, task: TaskName = "single_label") -> list[str]:
    """Return each row's label as text: a name, or the digits of a whole number; blanks around it do not count.

    Raises:
        DataError: If a label is missing, or is no class (a list, or a fraction unless the labels have an order).
    """
    names = table.class_names.get(column)
    if task == "ordinal" and names is None:
        table = replace(table, rows=[{**row, column: _half(row.get(column))} for row in table.rows])
    return [value_of(row.get(column), names, table, i, column) for i, row in enumerate(table.rows)]


def _half(value: Any) -> Any:
    """Return a fraction, such as of half stars, as text; anything else as it is."""
    fraction = isinstance(value, float) and math.isfinite(value) and not value.is_integer()
    return f"{value:.12g}" if fraction else value


def is_null(value: Any, has_names: bool) -> bool:
    """Return whether a cell is empty, or -1 where whole numbers stand for names."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return (isinstance(value, str) and not value.strip()) or (has_names and value == -1)


def value_of(value: Any, names: Sequence[str] | None, table: Table, index: int, column: str) -> str:
    """Return one label as text.

    Raises:
        DataError: If it is missing or no class.
    """
    if is_null(value, names is not None):
        raise DataError(
            f"{table.place(index)}: the label is missing (column {column!r}).", hint="Label or remove the row."
        )
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of whole numbers with a gap was read as floats before it was saved
    if isinstance(value, (str, bool)):
        return str(value).strip()
    if not isinstance(value, int):
        hint = MEASURED if isinstance(value, float) else MANY if isinstance(value, (list, tuple)) else None
        raise DataError(
            f"{table.place(index)}: expected a class name or a whole number as label (column {column!r}), "
            f"got {value!r}.",
            hint=hint,
        )
    if names is None:
        return str(value)
    if not 0 <= value < len(names):
        raise DataError(f"{table.place(index)}: label {value} is not one of the {len(names)} classes of the column.")
    return names[value]


def resolve(
    values: Iterable[str],
    *,
    declared: Sequence[str] | None,
    given: LabelsGiven | None,
    source: str,
    task: TaskName = "single_label",
) -> Classes:
    """Return the classes of a task.

    They are, in this order of precedence: those ``given``; those the data declares; those found in ``values``, whole
    numbers by size and names by code point.

    Args:
        values: The label values of the training rows.
        declared: Class names that come with the data.
        given: The user's: all classes in order, or a mapping from value (or declared class's number) to class name,
            in order; several values may share a name.
        source: Where ``values`` are from, for messages.
        task: Whether a row has one of them, several, or one of an order; that of ``given`` if it is ``Labels``.

    Raises:
        DataError: If ``given`` does not fit the values, or the values are measurements.
    """
    if given is None:
        if declared is not None:
            return Classes(Labels(tuple(declared), task=task), None, f"the classes of {source}")
        distinct = dict.fromkeys(values)
        _refuse_measurements(distinct, source)
        return Classes(Labels.found_in(distinct, task), None, f"those in {source}")
    if isinstance(given, Mapping):
        return _renaming(given, declared, task)
    if isinstance(given, str):
        raise DataError(f"labels: expected a list of class names or a mapping, got {given!r}.")
    labels = given if isinstance(given, Labels) else Labels(tuple(str(name).strip() for name in given), task=task)
    found = Labels.found_in(values)
    if len(found) and not any(name in labels for name in found):
        example = ", ".join(f"{value!r}: {name!r}" for value, name in zip(found, labels, strict=False))
        raise DataError(
            f"labels: none of {listed(labels)} occurs in {source}, which has {listed(found)}.",
            hint=f"To rename them give a mapping, e.g. labels={{{example}}}.",
        )
    return Classes(labels, None, "the given labels")


def _refuse_measurements(values: Collection[str], source: str) -> None:
    """See that a text file's labels are no fractional numbers, each of them different."""
    if len(values) <= MOST_FRACTIONS:
        return
    try:
        fractions = [value for value in values if not float(value).is_integer()]
    except (ValueError, OverflowError):
        return
    if len(fractions) > MOST_FRACTIONS:
        raise DataError(
            f"{source}: the labels are {len(values)} different numbers, such as {fractions[0]}.", hint=MEASURED
        )


def _renaming(given: Mapping[Any, str], declared: Sequence[str] | None, task: TaskName) -> Classes:
    renamed = {str(value).strip(): str(name).strip() for value, name in given.items()}
    for number, name in enumerate(declared or ()):
        if str(number) in renamed and name not in renamed:
            renamed[name] = renamed.pop(str(number))
    names = dict.fromkeys(str(name).strip() for name in given.values())
    return Classes(Labels(tuple(names), task=task), renamed, "the given labels")
