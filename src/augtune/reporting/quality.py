"""What the rows a language model wrote are like: a table and the warnings for each set of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from augtune.reporting import words
from augtune.reporting.grid import Cell, Column, Grid, count_cell, number_cell, text_cell
from augtune.reporting.read import RunView
from augtune.reporting.schema import GroupQuality, Quality

__all__ = ["Inspected", "inspected"]

HEADINGS = (
    "Rows", "Repeats", "Near repeats", "Self-BLEU", "Distinct pairs", "To nearest human", "Checker agrees", "Words",
    "Drift", "Names its label", "Tagged", "Sources", "Near a test row",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Inspected:
    """A set of synthetic rows.

    Args:
        arms: The arms that share it.
        grid: A line per label, and one of all rows.
        warnings: What to look at, in words.
    """

    arms: str
    grid: Grid
    warnings: Sequence[str]


def inspected(view: RunView) -> list[Inspected]:
    """Return what was found of each set of rows; arms whose rows are the same share one."""
    groups: list[tuple[Quality, list[str]]] = []
    for arm in view.arms:
        quality = view.quality(arm)
        if quality is None:
            continue
        same = [arms for other, arms in groups if other == quality]
        if same:
            same[0].append(arm)
        else:
            groups.append((quality, [arm]))
    return [
        Inspected(words.spoken_list(arms), _grid(quality, words.spoken_list(arms), place), quality.warnings)
        for place, (quality, arms) in enumerate(groups)
    ]


def _grid(quality: Quality, arms: str, place: int) -> Grid:
    columns = [Column("Label"), *(Column(name, numeric=True) for name in HEADINGS)]
    rows = [_line(label, one) for label, one in quality.by_label.items()]
    caption = f"Synthetic rows of {arms}, by label; below each number that of human rows."
    return Grid(f"table-quality-{place}", caption, columns, rows, [_line("all", quality.whole)], quiet=True)


def _line(label: str, one: GroupQuality) -> list[Cell]:
    wrong = f"{words.count(one.tagged_wrong)} wrongly" if one.tagged_wrong else ""
    most = "" if one.largest_source is None else f"{words.count(one.largest_source)} rows of one"
    return [
        text_cell(label),
        count_cell(one.rows),
        count_cell(one.repeats),
        number_cell(one.near_repeats, words.share(one.near_repeats)),
        _beside(one, "self_bleu", 2),
        _beside(one, "distinct_2", 2),
        _beside(one, "nearest_human", 2),
        _beside(one, "agreement", None),
        _beside(one, "length", 0),
        _beside(one, "drift", 2),
        _beside(one, "names_label", None),
        number_cell(one.tagged, words.count(one.tagged), wrong),
        number_cell(one.sources, words.count(one.sources), most),
        number_cell(one.near_test, words.count(one.near_test)),
    ]


def _beside(one: GroupQuality, name: str, digits: int | None) -> Cell:
    """Return a number with that of human rows below it; a share if it has no digits."""
    own, human = getattr(one, name), one.human.get(name)
    told = [words.share(value) if digits is None else words.number(value, digits) for value in (own, human)]
    return number_cell(own, told[0], "" if human is None else f"human {told[1]}")
