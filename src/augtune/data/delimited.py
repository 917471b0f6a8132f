"""Parse csv and tsv text to rows, strictly: a row that does not fit the header is an error, never a guess."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from augtune.core.errors import DataError
from augtune.data.packed import PackedRows

__all__ = ["Rows", "parse"]

# Tried in turn when a .csv header has no comma.
OTHER_DELIMITERS = (";", "\t", "|")
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
# The csv module refuses fields over 128 KiB unless told otherwise; a document can be longer. 2^31-1 fits any C long.
LARGEST_FIELD = 2**31 - 1
LINE_END = re.compile(r"[\r\n]")


class Rows(NamedTuple):
    """Parsed rows and the line each starts on, counted from 1."""

    rows: Sequence[Mapping[str, Any]]
    lines: list[int]


@dataclass(frozen=True, slots=True)
class _Record:
    line: int
    last: int
    fields: Sequence[str]


def parse(text: str, *, source: str, tabs: bool) -> Rows:
    """Return the rows of a delimited file.

    Fields may be quoted with ``"`` and then hold delimiters, line ends and doubled quotes. A tab-separated file that
    cannot be read so is read with quotes as plain characters, as GLUE's files are written; one that can be read either
    way, to other rows, is refused.

    Args:
        text: The whole file, with a header line.
        source: Its path, for messages.
        tabs: True for a tab-separated file; else commas, or the delimiter that the header has instead of a comma.

    Raises:
        DataError: If a row has more or fewer fields than the header, a quote is not closed, or a column has no name.
    """
    delimiter = "\t" if tabs else _delimiter(text)
    try:
        records = _records(text, source, delimiter, quoted=True)
        found = _rows(records, source, delimiter)
    except DataError as error:
        if not tabs or '"' not in text:
            raise
        try:
            return _rows(_records(text, source, delimiter, quoted=False), source, delimiter)
        except DataError:
            raise error from None
    if tabs and '"' in text:
        _check_one_reading(text, source, records)
    return found


def _check_one_reading(text: str, source: str, records: Sequence[_Record]) -> None:
    """See that no quoted field swallows rows of a tab-separated file whose quotes may be plain characters.

    Raises:
        DataError: If one holds a tab and a line end, and every line has the header's fields if quotes are plain.
    """
    wide = [record for record in records if any("\t" in field and LINE_END.search(field) for field in record.fields)]
    if not wide:
        return
    try:
        plain = _records(text, source, "\t", quoted=False)
        _rows(plain, source, "\t")
    except DataError:
        return
    if plain[0].fields != records[0].fields:
        return
    first = wide[0]
    others = f"; {len(wide) - 1} more rows likewise" if len(wide) > 1 else ""
    raise DataError(
        f"{source}: line {first.line}: a quoted field holds a tab and line ends, so lines {first.line} to {first.last} "
        f"can be one row, or {sum(first.line <= record.line <= first.last for record in plain)} rows that have quotes "
        f"in their texts{others}.",
        hint='If they are rows of their own, put each field that holds a quote in quotes and double its own: "she said '
        '""no""". If they are one row, take the tab out of its field. As jsonl there is no such question.',
    )


def _delimiter(text: str) -> str:
    header = text.lstrip("\r\n").split("\n", 1)[0]
    return "," if "," in header else next((mark for mark in OTHER_DELIMITERS if mark in header), ",")


def _records(text: str, source: str, delimiter: str, *, quoted: bool) -> list[_Record]:
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=True,
    )
    records: list[_Record] = []
    before = csv.field_size_limit(LARGEST_FIELD)
    line = 1
    try:
        for fields in reader:
            if fields:
                records.append(_Record(line, reader.line_num, fields))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{source}: line {line}: not readable as {NAMES[delimiter]}-separated values: {error}.",
            hint='A field that holds quotes is itself quoted, and its quotes are doubled: "she said ""no""".',
        ) from error
    finally:
        csv.field_size_limit(before)
    return records


def _rows(records: Sequence[_Record], source: str, delimiter: str) -> Rows:
    if not records:
        raise DataError(f"{source}: the file is empty.")
    header = [name.strip() for name in records[0].fields]
    counts = Counter(header)
    repeated = next((name for name in header if counts[name] > 1), None)
    if repeated is not None:
        raise DataError(f"{source}: line {records[0].line}: two columns are called {repeated!r}.")
    for record in records[1:]:
        if len(record.fields) != len(header):
            raise DataError(
                f"{source}: line {record.line}: expected {len(header)} fields ({', '.join(header)}), "
                f"got {len(record.fields)}.",
                hint=f'Put text that holds a {NAMES[delimiter]} in quotes: "...".',
            )
    rows = PackedRows(dict(zip(header, record.fields, strict=True)) for record in records[1:])
    return Rows(rows, [record.line for record in records[1:]])
