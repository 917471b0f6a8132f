"""Rows that a model leaves unanswered, in files of predictions: how they are written and read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augtune.core.errors import DataError
from augtune.core.json_text import decoded

if TYPE_CHECKING:
    from augtune.core.tables import Predictions
    from augtune.data.tables import Table

__all__ = ["ABSTAINED", "answers_of", "as_written", "output_rows", "written_as"]

ABSTAINED = "abstained"
CSV = ".csv"


def output_rows(
    predictions: Predictions, truth: Mapping[str, Any] | None, abstain_below: float | None
) -> Iterator[dict[str, Any]]:
    """Yield one JSON object per row; with a threshold, ``predicted`` is null where the model abstains.

    Args:
        predictions: Of all rows.
        truth: Labels by row id, if known.
        abstain_below: Confidence below which the model abstains; None: it answers every row.
    """
    from augtune.evaluation.selective import answered, check_threshold

    rows = predictions.to_rows(truth)
    if abstain_below is None:
        yield from rows
        return
    predictions.labels.one_each("--abstain-below")
    sure = answered(predictions, check_threshold(abstain_below, where="--abstain-below"))
    for row, answers in zip(rows, sure, strict=True):
        yield {**row, "predicted": row["predicted"] if answers else None, ABSTAINED: not answers}


def written_as(rows: Iterable[Mapping[str, Any]], path: Path | None, *, as_csv: bool) -> str:
    """Write rows to a file and return nothing, or return them as text if there is no file.

    Args:
        rows: JSON objects of the same keys.
        path: Where to; None: nowhere.
        as_csv: As a table with a header, objects and lists as JSON in their cell and no text a formula
            (``core.cells``), else one JSON object a line.
    """
    from augtune.core.files import atomic_write

    text = _csv(rows) if as_csv else "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if path is None:
        return text
    with atomic_write(path) as stream:
        stream.write(text)
    return ""


def _csv(rows: Iterable[Mapping[str, Any]]) -> str:
    from augtune.core.cells import csv_text

    cells = [{name: _cell(value) for name, value in row.items()} for row in rows]
    return csv_text(cells, list(cells[0])) if cells else ""


def _cell(value: Any) -> Any:
    plain = not isinstance(value, (Mapping, list, tuple, bool))
    return ("" if value is None else value) if plain else json.dumps(value, ensure_ascii=False)


def as_written(table: Table) -> Table:
    """Return a file of predictions with the texts its cells stand for; in csv they may be guarded (``core.cells``).

    Args:
        table: The file.
    """
    from augtune.core.cells import unguarded

    if not table.source.lower().endswith(CSV):
        return table
    rows = [
        {unguarded(name): unguarded(cell) if isinstance(cell, str) else cell for name, cell in row.items()}
        for row in table.rows
    ]
    return replace(table, rows=rows)


def answers_of(table: Table, predicted: str, probabilities: str | None) -> tuple[Table, Sequence[bool]]:
    """Return a file of predictions with every row answered, and which rows it leaves unanswered.

    A row that is left unanswered gets its most probable label.

    Args:
        table: The file.
        predicted: Its column of the predicted label.
        probabilities: Its column of the probabilities, if there is one.

    Raises:
        DataError: If such a row has no probabilities.
    """
    if ABSTAINED not in table.columns:
        return table, [False] * len(table.rows)
    left = [str(row.get(ABSTAINED)).strip().lower() in ("true", "1") for row in table.rows]
    rows = [
        {**row, predicted: _most_probable(table, i, probabilities)} if unanswered else row
        for i, (row, unanswered) in enumerate(zip(table.rows, left, strict=True))
    ]
    return replace(table, rows=rows), left


def _most_probable(table: Table, index: int, column: str | None) -> str:
    value = None if column is None else table.rows[index].get(column)
    try:
        found: Any = decoded(value) if isinstance(value, str) else value
        return str(max(found.items(), key=lambda item: float(item[1]))[0])
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(
            f"{table.place(index)}: the row is marked as abstained and has no probabilities by label; got {value!r}.",
            hint="Files that augtune predict writes have them.",
        ) from error
