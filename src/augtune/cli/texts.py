"""Texts to predict: from a table, a file of lines or standard input; no label is needed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augtune.cli.matching import ID_COLUMNS, TRUE_COLUMNS
from augtune.cli.tasks import LabelOptions
from augtune.core.errors import DataError

if TYPE_CHECKING:
    from augtune.core.labels import Labels
    from augtune.core.task import LabelValue
    from augtune.data.tables import Table

__all__ = ["STDIN", "Texts", "texts_of"]

STDIN = Path("-")
LINES = ".txt"


@dataclass(frozen=True, slots=True)
class Texts:
    """Rows to predict.

    Args:
        ids: Unique: those of the file, or the rows' numbers where it has none or they repeat.
        texts: The texts.
        pairs: The second texts of pairs.
        truth: The labels by id, where the file has them.
        own_ids: Ids as the file has them, if they repeat.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    pairs: tuple[str, ...] | None
    truth: Mapping[str, LabelValue] | None
    own_ids: tuple[str, ...] | None = None

    def with_own_ids(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield rows to write; where the file's ids repeat, with these and the row's number (from 0) as ``row``."""
        for row in rows:
            if self.own_ids is None:
                yield dict(row)
            else:
                number = int(row["id"])
                yield {"id": self.own_ids[number], "row": number, **{k: v for k, v in row.items() if k != "id"}}


def texts_of(
    path: Path,
    *,
    text: str | None,
    text_pair: str | None,
    is_pair: bool,
    labels: Labels,
    separator: str | None = None,
) -> Texts:
    """Return the texts of a table file; it needs no label column.

    Args:
        path: The file.
        text: Column of the text, found by its usual names if None; likewise ``text_pair``.
        text_pair: Column of the second text.
        is_pair: Whether the model reads pairs.
        labels: The model's labels; a column that is called as labels usually are is taken along if it holds only these.
        separator: What stands between the labels of a row, where it may have several.
    """
    from augtune.data.columns import LABEL_NAMES

    table = _read(path)
    first, second = _text_columns(table, text, text_pair, is_pair)
    texts = [_text(table, i, first) for i in range(len(table.rows))]
    pairs = None if second is None else tuple(_text(table, i, second) for i in range(len(table.rows)))
    key = next((name for name in ID_COLUMNS if name in table.columns), None)
    ids = tuple(str(i if key is None else row.get(key)) for i, row in enumerate(table.rows))
    own_ids = None
    if len(set(ids)) != len(ids):
        own_ids, ids = ids, tuple(map(str, range(len(ids))))
        sys.stderr.write(f"{path}: values of column {key!r} repeat, so a column row says which row is which\n")
    label = next((name for name in (*TRUE_COLUMNS, *LABEL_NAMES) if name in table.columns), None)
    truth = None if label is None else _known_labels(table, label, labels, separator)
    return Texts(ids, tuple(texts), pairs, None if truth is None else dict(zip(ids, truth, strict=True)), own_ids)


def _known_labels(table: Table, column: str, labels: Labels, separator: str | None) -> Sequence[LabelValue] | None:
    """Return the labels of all rows, or None if one of them is none of the model's."""
    if not labels.has_many:
        names = [str(row.get(column)).strip() for row in table.rows]
        return names if all(name in labels for name in names) else None
    try:
        values = LabelOptions(labels.task, separator).values(table, column)
    except DataError:
        return None
    return values if all(name in labels for value in values for name in value) else None


def _text_columns(table: Table, text: str | None, pair: str | None, is_pair: bool) -> tuple[str, str | None]:
    from augtune.data.columns import PAIRS, TEXT_NAMES

    names = table.columns
    for role, name in (("--text", text), ("--text-pair", pair)):
        if name is not None and name not in names:
            raise DataError(f"{table.source}: no column {name!r} (given as {role}); there are: {', '.join(names)}.")
    if is_pair:
        found = next(((a, b) for a, b in PAIRS if a in names and b in names), (None, None))
        first, second = text or found[0], pair or found[1]
        if first is None or second is None:
            raise DataError(
                f"{table.source}: the model reads pairs of texts; name both columns with --text and --text-pair; "
                f"there are: {', '.join(names)}."
            )
        return first, second
    if pair is not None:
        raise DataError("--text-pair: the model reads single texts.")
    second = next((b for a, b in PAIRS if a in names and b in names), None)
    if text is None and second is not None:
        raise DataError(
            f"{table.source}: the model reads single texts, and there is a column {second!r}.",
            hint="Take a model that was trained on pairs, or name the one text to read: --text COLUMN.",
        )
    usual = [name for name in names if name.strip().lower() in TEXT_NAMES]
    exact = [name for name in usual if name.strip().lower() == "text"]
    choice = text or next(iter(exact or usual if len(exact or usual) == 1 else names if len(names) == 1 else ()), None)
    if choice is None:
        raise DataError(
            f"{table.source}: which column is the text? There are: {', '.join(names)}.", hint="Name it with --text."
        )
    return choice, None


def _text(table: Table, index: int, column: str) -> str:
    value = table.rows[index].get(column)
    if not isinstance(value, str) or not value.strip():
        problem = "the text is empty" if value is None or value == "" else f"expected text, got {value!r}"
        raise DataError(f"{table.place(index)}: {problem} (column {column!r}).")
    return value


def _read(path: Path) -> Table:
    """Return a table file's rows, those of a file with a text on each line, or those of standard input."""
    from augtune.core.files import read_text
    from augtune.data import tables

    if path == STDIN:
        return _read_stdin()
    if path.suffix.lower() == LINES:
        return _of_lines(read_text(path), str(path))
    return tables.read(path)


def _read_stdin() -> Table:
    """Return the rows of standard input: JSON objects if the first line is one, else a text on each line."""
    from augtune.data.tables import parse_jsonl

    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"standard input: not UTF-8 (byte 0x{error.object[error.start]:02x} at {error.start})."
        ) from error
    return parse_jsonl(text, "standard input") if text.lstrip().startswith("{") else _of_lines(text, "standard input")


def _of_lines(text: str, source: str) -> Table:
    from augtune.data.tables import Table

    lines = text.removesuffix("\n").split("\n") if text else []
    if not text.strip():
        raise DataError(f"{source}: is empty; expected a text on each line.")
    rows = [{"text": line.removesuffix("\r")} for line in lines]
    return Table(source, rows, tuple(range(1, len(rows) + 1)))
