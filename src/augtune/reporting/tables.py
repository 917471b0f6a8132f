"""The results as aligned text for the terminal, and as Markdown."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from augtune.reporting import words
from augtune.reporting.read import HasFolder, RunView, read_run
from augtune.reporting.schema import Comparison

__all__ = ["markdown_line", "markdown_table", "results_table"]

NAME_LENGTH = 40


def results_table(run: Path | str | HasFolder) -> str:
    """Return a run's arms and differences as aligned lines of text.

    Args:
        run: The run folder, or the results of a run.

    Raises:
        DataError: If the run folder is missing, is none, or is damaged.
    """
    view = read_run(run)
    blocks = [f"{_clean(view.name)} · {_size(view)}", _aligned(_arms(view))]
    if view.comparisons():
        blocks += [f"Differences from {_clean(view.baseline or 'the baseline')}", _aligned(_differences(view))]
    return "\n\n".join(blocks)


def markdown_table(run: Path | str | HasFolder) -> str:
    """Return a run's arms as a Markdown table, numbers aligned right.

    Args:
        run: The run folder, or the results of a run.

    Raises:
        DataError: If the run folder is missing, is none, or is damaged.
    """
    head, *rows = _arms(read_run(run))
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(map(markdown_line, lines))


def markdown_line(cells: Sequence[str]) -> str:
    """Return cells as a line of a Markdown table; what Markdown would read in them is escaped."""
    return f"| {' | '.join(map(_markdown, cells))} |"


def _size(view: RunView) -> str:
    seeds = "1 seed" if len(view.seeds) == 1 else f"{len(view.seeds)} seeds"
    return f"{len(view.arms)} arms, {seeds}, {words.count(view.test_rows)} test rows; means with {view.intervals}"


def _arms(view: RunView) -> list[list[str]]:
    lines = [["arm", *map(words.metric_name, view.metrics), "human", "synthetic", "cost", "training"]]
    for name in view.arms:
        arm = view.arm(name)
        scores = [words.score(arm.mean.get(metric), arm.interval.get(metric)) for metric in view.metrics]
        sizes = [words.count(arm.rows.human), words.count(arm.rows.synthetic)]
        lines.append([_clean(name), *scores, *sizes, words.money(arm.cost.usd), words.duration(arm.train_seconds)])
    if "majority" in view.results.references:
        lines.append(["majority", *(words.number(view.majority(metric)) for metric in view.metrics), *[""] * 4])
    return lines


def _differences(view: RunView) -> list[list[str]]:
    lines = [["arm", "metric", "difference", "p", "adjusted p", "test"]]
    return lines + [_difference(row) for row in view.comparisons()]


def _difference(row: Comparison) -> list[str]:
    value = f"{words.difference(row.difference)} {words.interval(row.interval, signed=True)}".rstrip()
    ps = [words.p_value(row.p), words.p_value(row.p_adjusted)]
    return [_clean(row.arm), words.metric_name(row.metric), value, *ps, words.test_name(row.test)]


def _clean(name: str) -> str:
    """Return a name on one line, without characters that would steer a terminal."""
    visible = "".join(c if c.isprintable() else " " for c in name)
    return words.clip(visible, NAME_LENGTH)


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(_width(line[k]) for line in lines) for k in range(len(lines[0]))]
    padded = [
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join(padded)


def _width(text: str) -> int:
    """Return how many terminal columns a text takes: wide characters take two, combining ones none."""
    marks = ("Mn", "Me", "Cf")
    wide = ("W", "F")
    return sum(
        0 if unicodedata.category(c) in marks else 2 if unicodedata.east_asian_width(c) in wide else 1 for c in text
    )


def _markdown(cell: str) -> str:
    for character in "\\|*_`":
        cell = cell.replace(character, f"\\{character}")
    # an entity, as a backslash does not keep every renderer from reading a tag or a link
    return cell.replace("<", "&lt;").replace("](", "&#93;(")
