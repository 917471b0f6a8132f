"""Cost against quality: what each arm cost, what it scored, and which arms no other beats on both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from augtune.reporting import words
from augtune.reporting.figure import (
    GRID,
    MUTED,
    Chart,
    Styles,
    axis_of,
    figure_of,
    layout_of,
    plot_label,
)
from augtune.reporting.grid import Cell, Column, Grid, number_cell, text_cell
from augtune.reporting.palette import ArmStyle
from augtune.reporting.read import RunView

__all__ = ["Spent", "frontier_chart", "spent_by_arm"]

MOST_NAMES = 12
Unit = Literal["usd", "seconds"]


@dataclass(frozen=True, slots=True)
class Spent:
    """An arm's cost and its score.

    Args:
        arm: Its name.
        cost: In US dollars or seconds.
        score: The metric that decides.
        is_best: Whether no other arm is at least as good for at most the same cost, and better in one of them.
    """

    arm: str
    cost: float
    score: float
    is_best: bool


def spent_by_arm(view: RunView) -> tuple[Unit, list[Spent]]:
    """Return what arms cost and scored, cheapest first, and in what: dollars, or seconds of training if none were paid.

    Arms without a score, or whose price is not known, are left out.
    """
    unit: Unit = "usd" if any(view.arm(arm).cost.usd for arm in view.arms) else "seconds"
    known = [(cost, mean, arm) for arm in view.arms if (cost := _cost(view, arm, unit)) is not None
             and (mean := view.arm(arm).mean.get(view.metric)) is not None]  # fmt: skip
    sign = -1.0 if view.metric in words.LOWER_IS_BETTER else 1.0
    spent = [
        Spent(
            arm, cost, mean, not any(_beats((other, sign * theirs), (cost, sign * mean)) for other, theirs, _ in known)
        )
        for cost, mean, arm in known
    ]
    return unit, sorted(spent, key=lambda one: (one.cost, -sign * one.score))


def _cost(view: RunView, arm: str, unit: Unit) -> float | None:
    return view.arm(arm).cost.usd if unit == "usd" else view.arm(arm).train_seconds


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[0] and one[1] >= other[1] and one != other


def frontier_chart(view: RunView, styles: Styles) -> Chart | None:
    """Return score by cost, arms that none beats joined by a line; None with fewer than two arms."""
    unit, spent = spent_by_arm(view)
    if len(spent) < 2:
        return None
    best = [one for one in spent if one.is_best]
    top = max(one.cost for one in spent) or 1.0
    scores = [one.score for one in spent]
    room = 0.12 * (max(scores) - min(scores)) or 0.05
    title = words.metric_name(view.metric)
    axis = "Cost of model calls, US dollars" if unit == "usd" else "Seconds of training (no call was paid for)"
    line = {
        "type": "scatter", "mode": "lines", "x": [*(one.cost for one in best), 1.05 * top],
        "y": [*(one.score for one in best), best[-1].score],
        "line": {"color": MUTED, "width": 1.5, "dash": "dot", "shape": "hv"}, "hoverinfo": "skip",
    }  # fmt: skip
    points = [_point(one, styles[one.arm], _written(view, one, unit)) for one in spent]
    names = [one for one in spent if one.is_best or len(spent) <= MOST_NAMES]
    axis_range = [min(scores) - room, max(scores) + room]
    layout = layout_of(
        360,
        margin={"l": 8, "r": 12, "t": 12, "b": 48, "pad": 0},
        xaxis=axis_of(title_text=axis, range=[-0.04 * top, 1.24 * top], nticks=6),
        yaxis=axis_of(title_text=title, showgrid=True, gridcolor=GRID, range=axis_range, nticks=6),
        annotations=_names(names, styles, (top, axis_range[1] - axis_range[0])),
    )
    narrow = {
        "height": 320,
        "annotations": [],
        "xaxis": axis_of(title_text=axis, range=[-0.04 * top, 1.05 * top], nticks=4),
    }
    spoken = "; ".join(f"{one.arm} {_written(view, one, unit)}" for one in spent)
    alt = f"{title} by cost, cheapest first: {spoken}. Not beaten on both: {words.spoken_list([b.arm for b in best])}."
    figure = figure_of([line, *points], layout, narrow=narrow)
    return Chart(
        "chart-frontier", f"{title} by cost", alt, figure, [one.arm for one in spent], _table(view, unit, spent, styles)
    )


def _written(view: RunView, one: Spent, unit: Unit) -> str:
    return f"{_priced(one.cost, unit)}, {words.score(one.score, view.arm(one.arm).interval.get(view.metric))}"


def _priced(cost: float, unit: Unit) -> str:
    return words.money(cost) if unit == "usd" else words.duration(cost)


def _point(one: Spent, style: ArmStyle, written: str) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "x": [one.cost], "y": [one.score], "cliponaxis": False,
        "marker": {"size": 13, "color": style.color, "symbol": style.symbol, "line": {"width": 0}},
        "hovertext": [f"{plot_label(one.arm, 60)}<br>{written}"], "hoverinfo": "text",
    }  # fmt: skip


def _names(spent: list[Spent], styles: Styles, span: tuple[float, float]) -> list[dict[str, Any]]:
    """Return each arm's name right of its point, moved up where it would cover that of a neighbour."""
    placed: list[tuple[float, float]] = []
    notes = []
    for one in sorted(spent, key=lambda one: one.score):
        y = one.score
        for x, other in sorted(placed, key=lambda place: place[1]):
            if abs(x - one.cost) < 0.3 * span[0] and abs(other - y) < 0.06 * span[1]:
                y = other + 0.06 * span[1]
        placed.append((one.cost, y))
        notes.append({
            "text": plot_label(one.arm, 24), "x": one.cost, "y": y, "showarrow": False, "xanchor": "left", "xshift": 4,
            "yanchor": "bottom", "yshift": 8, "font": {"color": styles[one.arm].color, "size": 13},
        })  # fmt: skip
    return notes


def _table(view: RunView, unit: Unit, spent: list[Spent], styles: Styles) -> Grid:
    rows = [
        [
            Cell(one.arm, value=one.arm, arm=styles[one.arm]),
            number_cell(one.cost, _priced(one.cost, unit)),
            number_cell(one.score, words.score(one.score, view.arm(one.arm).interval.get(view.metric))),
            text_cell("not beaten on both" if one.is_best else "beaten"),
        ]
        for one in spent
    ]
    columns = [Column("Arm"), Column("Cost" if unit == "usd" else "Training", numeric=True)]
    columns += [Column(words.metric_name(view.metric), numeric=True), Column("Frontier")]
    return Grid("table-frontier", "Cost and score of each arm, cheapest first.", columns, rows, quiet=True)
