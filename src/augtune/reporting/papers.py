"""A run's tables for a paper, as Markdown or LaTeX: arms, differences, classes, calibration, generators, cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from augtune.reporting import views
from augtune.reporting.grid import Cell, Grid
from augtune.reporting.makers import makers, makers_grid
from augtune.reporting.palette import arm_styles
from augtune.reporting.read import HasFolder, RunView, read_run
from augtune.reporting.reliability import calibration_grid, reliability_of
from augtune.reporting.tables import markdown_line

__all__ = ["escaped", "paper_tables"]

LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "−": "$-$", "±": r"$\pm$", "–": "--", "→": r"$\rightarrow$", "·": r"\textperiodcentered{}",
}  # fmt: skip


def paper_tables(run: Path | str | HasFolder, kind: Literal["markdown", "latex"]) -> str:
    r"""Return the tables of a run's report as text; LaTeX needs ``\usepackage{booktabs}``.

    Numbers are those of the report, what is best in bold. Each table has a caption, and in LaTeX a label such as
    ``tab:arms``.

    Args:
        run: The run folder, or the results of a run.
        kind: ``markdown`` or ``latex``.

    Raises:
        DataError: If the run folder is missing, is none, or is damaged.
    """
    write = _latex if kind == "latex" else _markdown
    return "\n\n".join(map(write, _grids(read_run(run)))) + "\n"


def escaped(text: str) -> str:
    """Return a text as LaTeX writes it."""
    return "".join(LATEX.get(character, character) for character in text)


def _grids(view: RunView) -> list[Grid]:
    styles, written = arm_styles(view.arms, view.baseline), makers(view)
    reliable = [(arm, one) for arm in view.arms if (one := reliability_of(view, arm)) is not None]
    grids = [
        views.arms_grid(view, styles),
        views.differences_grid(view, styles),
        views.f1_grid(view),
        calibration_grid(reliable, styles),
        views.labels_grid(view),
        makers_grid(view, written),
        views.curation_grid(view, styles),
        views.cost_grid(view, styles),
    ]
    return [_plain(grid) if grid.id == "table-arms" else grid for grid in grids if grid.rows]


def _plain(grid: Grid) -> Grid:
    """Return the grid without what stands under the names of its rows: an arm's model and steps are too long here."""
    rows, foot = ([[replace(row[0], note=""), *row[1:]] for row in part] for part in (grid.rows, grid.foot))
    return replace(grid, rows=rows, foot=foot)


def _markdown(grid: Grid) -> str:
    head = markdown_line([column.heading for column in grid.columns])
    rule = f"| {' | '.join('---:' if column.numeric else '---' for column in grid.columns)} |"
    lines = []
    for row in (*grid.rows, *grid.foot):
        cells = [markdown_line([_written(cell)])[2:-2] for cell in row]
        strong = [f"**{text}**" if cell.strong and text else text for cell, text in zip(row, cells, strict=True)]
        lines.append(f"| {' | '.join(strong)} |")
    return "\n".join([grid.caption, "", head, rule, *lines])


def _latex(grid: Grid) -> str:
    name = grid.id.removeprefix("table-")
    body = [_latex_line(row) for row in grid.rows]
    foot = [r"\midrule", *(_latex_line(row) for row in grid.foot)] if grid.foot else []
    columns = "".join("r" if column.numeric else "l" for column in grid.columns)
    head = " & ".join(escaped(column.heading) for column in grid.columns) + r" \\"
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escaped(grid.caption)}}}",
            rf"\label{{tab:{name}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            *foot,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _latex_line(row: Sequence[Cell]) -> str:
    cells = [escaped(_written(cell)) for cell in row]
    strong = [rf"\textbf{{{text}}}" if cell.strong and text else text for cell, text in zip(row, cells, strict=True)]
    return " & ".join(strong) + r" \\"


def _written(cell: Cell) -> str:
    """Return a cell on one line, its quieter line behind the other."""
    return " ".join(f"{cell.text} {cell.note}".split())
