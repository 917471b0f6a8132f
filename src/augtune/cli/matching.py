"""Which prediction is of which row: rows of two files matched by a column or by their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from augtune.core.errors import DataError

if TYPE_CHECKING:
    from augtune.cli.tasks import LabelOptions
    from augtune.core.task import LabelValue
    from augtune.data.tables import Table

__all__ = ["ID_COLUMNS", "ORDER", "OTHERWISE", "TRUE_COLUMNS", "ids_of", "match_by"]

TRUE_COLUMNS = ("label", "labels", "true", "truth", "gold")
ID_COLUMNS = ("id", "index")
ORDER = "order"
OTHERWISE = "Match rows by another column (--match COLUMN), or by their order (--match order)."


def ids_of(table: Table, key: str | None) -> list[str]:
    """Return what tells a file's rows: the values of a column, or their numbers from 0."""
    return [str(i if key is None else row.get(key)) for i, row in enumerate(table.rows)]


def match_by(
    truth: Table, table: Table, true: Sequence[LabelValue], told: LabelOptions, match: str | None
) -> str | None:
    """Return the column two files are matched by, None for row order, having seen that they can be."""
    key = _key(truth, table, match)
    if key is not None:
        for one in (truth, table):
            if len(set(ids_of(one, key))) != len(one.rows):
                raise DataError(f"{one.source}: the values of column {key!r} have to be unique.", hint=OTHERWISE)
        return key
    if len(truth.rows) != len(table.rows):
        usual = "without an id or index column in both they can only be matched by their order"
        why = usual if match is None else "to be matched by their order both need as many"
        raise DataError(
            f"{table.source}: has {len(table.rows)} rows and {truth.source} {len(truth.rows)}, and {why}.",
            hint="Name a column that both have: --match COLUMN.",
        )
    own = next((name for name in TRUE_COLUMNS if name in table.columns), None)
    if own is not None:
        here = told.values(table, own)
        differ = [i for i, value in enumerate(here) if value != true[i]]
        if differ:
            raise DataError(
                f"{table.place(differ[0])}: the true label is {table.rows[differ[0]].get(own)!r} here and "
                f"{true[differ[0]]!r} in {truth.source} ({len(differ)} rows differ): another order.",
                hint="Add a column id to both.",
            )
    return None


def _key(truth: Table, table: Table, match: str | None) -> str | None:
    """Return the column that two files are to be matched by, None for row order."""
    if match is None:
        return next((name for name in ID_COLUMNS if name in truth.columns and name in table.columns), None)
    if match == ORDER:
        return None
    for one in (truth, table):
        if match not in one.columns:
            raise DataError(
                f"{one.source}: no column {match!r} (given as --match); there are: {', '.join(one.columns)}.",
                hint="Name a column that both files have, or match rows by their order: --match order.",
            )
    return match
