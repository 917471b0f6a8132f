"""Read a table file to plain rows: csv, tsv, json, jsonl and parquet, each error with its file and line.

Text is UTF-8 (a byte order mark is fine) and is kept as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from augtune.core.columns import ROWS_AT_ONCE
from augtune.core.errors import DataError
from augtune.core.files import read_text, text_lines
from augtune.core.json_text import HALF_SAID, decoded, whole
from augtune.data import delimited
from augtune.data.packed import PackedRows

__all__ = ["EXTENSIONS", "NotATableError", "Table", "from_arrow", "parse_jsonl", "read", "read_table"]

LARGE_BYTES = 1 << 30  # of a table in memory; below this nothing is out of proportion
GROWTH = 100
BATCH_ROWS = 1 << 14


class NotATableError(DataError):
    """A JSON file holds something else than rows, e.g. a dataset card."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as a file has them.

    Args:
        source: The file's path or the hub's name of it, for messages.
        rows: One mapping from column to value per row.
        lines: The line each row starts on, for the formats that have lines; else None.
        class_names: Names that a column's integers stand for, for columns that bring them.
    """

    source: str
    rows: Sequence[Mapping[str, Any]]
    lines: Sequence[int] | None = None
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns, in order of first appearance."""
        if isinstance(self.rows, PackedRows):
            return self.rows.columns
        return tuple(dict.fromkeys(name for row in self.rows for name in row))

    def place(self, index: int) -> str:
        """Return where row ``index`` (from 0) is, as a user finds it: ``x.csv: line 12`` or ``x.parquet: row 11``."""
        unit = f"row {index + 1}" if self.lines is None else f"line {self.lines[index]}"
        return f"{self.source}: {unit}"


def read_table(path: str | Path) -> list[dict[str, Any]]:
    """Return a table file's rows as plain mappings from column to value.

    Args:
        path: A ``.csv``, ``.tsv``, ``.json``, ``.jsonl`` or ``.parquet`` file.

    Raises:
        DataError: If there is no such file, its kind is unknown, it is empty, not UTF-8 or damaged.
    """
    return [dict(row) for row in read(Path(path)).rows]


def read(path: Path) -> Table:
    """Return a table file's rows with the line each starts on; see ``read_table``."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path}: unknown kind of file {path.suffix!r}; known: {', '.join(EXTENSIONS)}.",
            hint="Save it as one of these, e.g. as CSV (UTF-8).",
        )
    if path.is_dir():
        raise DataError(f"{path}: is a folder, expected a file.")
    table = reader(path)
    if not table.rows:
        raise DataError(f"{path}: the file holds no rows.")
    return table


def _read_delimited(path: Path) -> Table:
    text = read_text(path)
    if not text.strip():
        raise DataError(f"{path}: the file is empty.")
    rows, lines = delimited.parse(text, source=str(path), tabs=path.suffix.lower() == ".tsv")
    return Table(str(path), rows, lines)


def _read_jsonl(path: Path) -> Table:
    return _of_lines(text_lines(path), str(path))


def parse_jsonl(text: str, source: str) -> Table:
    """Return the rows of a text with one JSON object on each line; blank lines are skipped.

    Args:
        text: The text.
        source: Where it is from, for messages.

    Raises:
        DataError: If it is empty or a line is no JSON object; the message has the line.
    """
    return _of_lines(text.split("\n"), source)


def _of_lines(given: Iterable[str], source: str) -> Table:
    """Return the rows of a JSON object on each line; lines are read one after the other and not kept."""
    rows, lines = PackedRows(), []
    for number, line in enumerate(given, start=1):
        if not line.strip():
            continue
        try:
            row = whole(line.removesuffix("\n"))
        except json.JSONDecodeError as error:
            hint = "A .jsonl file has one JSON object per line; an array over several lines belongs in a .json file."
            raise _not_json(f"{source}: line {number}", f"{error.msg} (column {error.colno})", hint) from error
        if not isinstance(row, dict):
            raise DataError(f"{source}: line {number}: expected a JSON object, got {_kind(row)}.")
        rows.append(row)
        lines.append(number)
    if not lines:
        raise DataError(f"{source}: the file is empty.")
    return Table(source, rows, lines)


def _not_json(place: str, said: str, hint: str) -> DataError:
    """Return the error for a text that is no JSON, or holds what is no character."""
    if said.startswith(HALF_SAID):
        return DataError(f"{place}: {said}.", hint="The file was cut or escaped wrongly; write it again as UTF-8.")
    return DataError(f"{place}: not JSON: {said}.", hint=hint)


def _read_json(path: Path) -> Table:
    text = read_text(path)
    if not text.strip():
        raise DataError(f"{path}: the file is empty.")
    try:
        value = whole(text)
    except json.JSONDecodeError as error:
        hint = "One JSON object per line belongs in a .jsonl file."
        raise _not_json(f"{path}: line {error.lineno}", error.msg, hint) from error
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        value = value["data"]
    if isinstance(value, dict):
        return Table(str(path), _from_columns(path, value))
    if not isinstance(value, list):
        raise NotATableError(f"{path}: expected an array of objects, got {_kind(value)}.")
    for i, row in enumerate(value, start=1):
        if not isinstance(row, dict):
            raise NotATableError(f"{path}: row {i}: expected a JSON object, got {_kind(row)}.")
    return Table(str(path), value)


def _from_columns(path: Path, value: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of ``{"text": [...], "label": [...]}``, or of pandas' ``{"text": {"0": ...}, ...}``."""
    columns = {name: list(cells.values()) if isinstance(cells, dict) else cells for name, cells in value.items()}
    if not columns or not all(isinstance(cells, list) for cells in columns.values()):
        raise NotATableError(
            f"{path}: expected an array of objects, an object with 'data', or one array per column.",
        )
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {n}" for name, n in lengths.items())
        raise NotATableError(f"{path}: its columns differ in length: {told}.")
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _read_parquet(path: Path) -> Table:
    try:
        _refuse_bomb(path)
        table = pq.ParquetFile(path).read()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file.") from error
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(f"{path}: not a readable parquet file: {first}") from error
    return from_arrow(table, source=str(path))


def _refuse_bomb(path: Path) -> None:
    """Refuse a file that is small on disk and fills the memory: one text, packed well, named for millions of rows.

    Texts are counted without writing them out, since what the file says of its own size may be anything.

    Raises:
        DataError: If it would grow beyond ``LARGE_BYTES`` and to more than ``GROWTH`` times its size.
    """
    most = max(LARGE_BYTES, GROWTH * path.stat().st_size)
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    texts = [name for name, kind in zip(schema.names, schema.types, strict=True) if _is_text(kind)]
    unpacked = 0
    for batch in pq.ParquetFile(path, read_dictionary=texts).iter_batches(batch_size=BATCH_ROWS):
        unpacked += sum(map(_bytes_written_out, batch.columns))
        if unpacked > most:
            raise DataError(
                f"{path}: would grow from {path.stat().st_size:,} to more than {most:,} bytes as it is read.",
                hint="Its texts are repeated over and over. If that is meant, write it as .jsonl or in parts.",
            )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind))


def _bytes_written_out(column: pa.Array) -> int:
    """Return the bytes of a column in memory, each row's text counted by itself."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = pc.binary_length(column.dictionary).fill_null(0).take(column.indices)
    return int(pc.sum(lengths).as_py() or 0)


def from_arrow(table: pa.Table, *, source: str) -> Table:
    """Return the rows of an arrow table.

    A Hugging Face ``ClassLabel`` and an arrow dictionary bring their class names, in their order.
    """
    names: dict[str, tuple[str, ...]] = {}
    features = _hub_features(table.schema.metadata or {})
    for column in table.schema.names:
        feature = features.get(column)
        if isinstance(feature, dict) and isinstance(feature.get("feature"), dict):
            feature = feature["feature"]  # of a list
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names"):
            names[column] = tuple(feature["names"])
        elif _is_categorical(table.schema.field(column).type) and table.num_rows:
            categories = table.column(column).unify_dictionaries().chunk(0).dictionary.to_pylist()
            names[column] = tuple(str(category) for category in categories)
    rows = (row for part in table.to_batches(max_chunksize=ROWS_AT_ONCE) for row in part.to_pylist())
    return Table(source, PackedRows(rows), None, names)


def _hub_features(metadata: Mapping[bytes, bytes]) -> Mapping[str, Any]:
    """Return what the library ``datasets`` notes about the columns; nothing where its note is not readable."""
    try:
        features = decoded(metadata.get(b"huggingface", b"{}").decode())["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def _is_categorical(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type))


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "a truth value", type(None): "null"}
    return kinds.get(type(value), "a number")


READERS: Mapping[str, Callable[[Path], Table]] = {
    ".csv": _read_delimited,
    ".tsv": _read_delimited,
    ".json": _read_json,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
}
EXTENSIONS = tuple(READERS)
