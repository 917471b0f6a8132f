"""Cells of csv files that we write: no spreadsheet takes a text in one for a formula, and what was written is known.

A spreadsheet runs a cell that opens with ``=``, ``+``, ``-``, ``@``, a tab or a line end (or the wide forms of those
characters), whoever wrote the text in it. Such a text is written with an apostrophe before it, which spreadsheets take
for "this is text". A text that has apostrophes there already gets one more, so that taking one away always gives the
text back. A plain number, as in a label ``-1``, is no formula and stays.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["csv_text", "guarded", "unguarded"]

FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)


def guarded(text: str) -> str:
    """Return a text as it is written into a cell; ``unguarded`` gives it back.

    >>> guarded("=1+1"), guarded("-1"), guarded("'=x"), guarded("a = b")
    ("'=1+1", '-1', "''=x", 'a = b')
    """
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def unguarded(cell: str) -> str:
    """Return the text of a cell that ``guarded`` wrote; any other is as it was."""
    return cell[1:] if cell[:1] == "'" and FORMULA.match(cell) else cell


def csv_text(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return rows as csv with a header, every text guarded, names of columns too.

    Args:
        rows: Values by column; None and what is missing make an empty cell.
        columns: The columns, in order; what else a row has is left out.
    """
    lines = [_line([guarded(name) for name in columns])]
    for row in rows:
        cells = (row.get(name) for name in columns)
        lines.append(_line([guarded(cell) if isinstance(cell, str) else cell for cell in cells]))
    return "".join(lines)


def _line(cells: Sequence[Any]) -> str:
    stream = io.StringIO(newline="")
    # With both characters as line end a cell that has either of them is quoted; a lone return else would not be.
    csv.writer(stream, lineterminator="\r\n").writerow(cells)
    return stream.getvalue()[:-2] + "\n"
