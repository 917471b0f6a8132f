"""A table as data: the page draws it, sorts it by its values and reads it out by its caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from augtune.reporting.palette import ArmStyle

__all__ = ["Cell", "Column", "Grid", "count_cell", "number_cell", "text_cell"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Args:
        text: What it says.
        note: A second, quieter line.
        value: What the column is sorted by; None sorts last.
        arm: How the arm it names is drawn, or None.
        strong: Set apart as the best of its column.
        depth: Shade of the cell, in [0, 1]; None for none.
        prose: Text of unknown language and length: its own direction, broken anywhere.
        link: A page beside this one that it leads to; empty for none.
    """

    text: str
    note: str = ""
    value: float | str | None = None
    arm: ArmStyle | None = None
    strong: bool = False
    depth: float | None = None
    prose: bool = False
    link: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading, and whether it holds numbers (aligned right, sorted largest first)."""

    heading: str
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A table.

    Args:
        id: Its id in the page.
        caption: What it shows, in one sentence.
        columns: Its columns; the first names the row.
        rows: Its rows, each as long as ``columns``.
        foot: Rows that stay below when the others are sorted.
        sortable: Whether columns get a button to sort by.
        quiet: Whether the caption is read out but not shown, because a heading beside it says the same.
    """

    id: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    foot: Sequence[Sequence[Cell]] = ()
    sortable: bool = True
    quiet: bool = False


def text_cell(text: str, note: str = "") -> Cell:
    """Return a cell of words, sorted as words."""
    return Cell(text, note, text)


def number_cell(value: float | None, text: str, note: str = "", *, strong: bool = False) -> Cell:
    """Return a cell sorted by its number."""
    return Cell(text, note, value, strong=strong)


def count_cell(value: int) -> Cell:
    """Return a cell that holds a count."""
    return Cell(f"{value:,}", value=value)
