"""Whether files of predictions agree with the truth on the labels, and with themselves on what is predicted."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from augtune.core.errors import DataError

if TYPE_CHECKING:
    from augtune.core.task import LabelValue
    from augtune.data.tables import Table

__all__ = ["check_labels"]

SHOWN = 5  # labels in a message


def check_labels(truth: Table, true: Sequence[LabelValue], table: Table, said: Sequence[LabelValue]) -> None:
    """See that a file predicts labels of the truth; those that the truth never has are told on stderr.

    Args:
        truth: The file of the truth.
        true: Its labels.
        table: The file of predictions.
        said: Its labels.

    Raises:
        DataError: If none of the predicted labels is a true one.
    """
    there = set(_names(true))
    strange = Counter(name for name in _names(said) if name not in there)
    if not strange:
        return
    if not there.intersection(_names(said)):
        raise DataError(
            f"{table.source}: predicts {_listed(strange)} and never a label of {truth.source}, which has "
            f"{_listed(sorted(there))}: no row can be right.",
            hint=_hint(there, strange),
        )
    rows = ", ".join(f"{name!r} ({count} row{'s' * (count != 1)})" for name, count in strange.most_common(SHOWN))
    more = f" and {len(strange) - SHOWN} labels more" if len(strange) > SHOWN else ""
    sys.stderr.write(
        f"warning: {table.source}: predicts {rows}{more}, which no row of {truth.source} has: such a row is wrong, and "
        "such a label counts 0 in this file's macro averages\n"
    )


def _names(values: Iterable[LabelValue]) -> list[str]:
    return [name for value in values for name in ([value] if isinstance(value, str) else value)]


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(map(repr, found[:SHOWN])) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


def _hint(there: Iterable[str], strange: Iterable[str]) -> str:
    """Return what to do: the same numbers may be written in two ways, or the column may be another."""
    numbers = {value: name for name in there if (value := _number(name)) is not None}
    for name in strange:
        value = _number(name)
        if value in numbers:
            return f"{name} and {numbers[value]} are the same number and other labels; write both files alike."
    return "Name the columns with --label and --predicted, or all labels there are with --labels A,B,..."


def _number(name: str) -> float | None:
    try:
        return float(name)
    except ValueError:
        return None
