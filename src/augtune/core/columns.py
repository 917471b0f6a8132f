"""The columns of a dataset's table, and how its rows become Python objects: few at a time, equal texts shared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from augtune.core.example import Example

__all__ = ["ROWS_AT_ONCE", "SCHEMA", "example_of", "shared_strings", "strings", "table_of"]

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("text_pair", pa.string()),
        ("label", pa.string()),
        ("probabilities", pa.list_(pa.float64())),
        ("origin", pa.string()),
        ("parents", pa.list_(pa.string())),
        ("source_text", pa.string()),
        ("soft_source", pa.string()),
        ("call_key", pa.string()),
        ("generator", pa.string()),
        ("labels", pa.list_(pa.string())),
    ]
)

# Rows that stand as objects of their own at a time, between a table and whoever reads or fills it.
ROWS_AT_ONCE = 4096


def strings(column: pa.ChunkedArray) -> tuple[Any, ...]:
    """Return a column's texts, None where there is none."""
    return tuple(column.to_numpy().tolist())


def shared_strings(column: pa.ChunkedArray) -> tuple[Any, ...]:
    """Return a column's texts, equal ones as one object: for columns of few different texts."""
    if column.null_count or not len(column):
        return strings(column)
    coded = pa.concat_arrays(column.chunks).dictionary_encode()
    texts = np.array(coded.dictionary.to_pylist(), dtype=object)
    return tuple(texts[coded.indices.to_numpy()].tolist())


def table_of(rows: Sequence[Example]) -> pa.Table:
    """Return rows as a table."""
    columns = {field: [getattr(row, field) for row in rows] for field in SCHEMA.names}
    for nested in ("probabilities", "parents", "labels"):
        columns[nested] = [None if value is None else list(value) for value in columns[nested]]
    return pa.table(columns, schema=SCHEMA)


def example_of(row: dict[str, Any]) -> Example:
    """Return the row that a table's row, as plain values, describes."""
    for nested in ("probabilities", "labels"):
        row[nested] = None if row[nested] is None else tuple(row[nested])
    row["parents"] = tuple(row["parents"] or ())
    return Example(**row)
