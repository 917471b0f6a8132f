"""Charts of points with interval whiskers: the arms' scores, and their differences from the baseline."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augtune.reporting import words
from augtune.reporting.figure import (
    GRID,
    INK,
    MUTED,
    NAME_LENGTH,
    PAGE,
    RIGHT_PX,
    Chart,
    Figure,
    Styles,
    axis_of,
    figure_of,
    layout_of,
    note_at,
    plot_label,
)
from augtune.reporting.palette import ArmStyle
from augtune.reporting.read import RunView
from augtune.reporting.schema import Comparison

__all__ = ["Mark", "arms_chart", "differences_chart", "marks_figure", "padded", "vertical"]

OFF_SCALE = 4
"""How many times the span of the arms the majority reference may be away and still be drawn as a line."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A row of a chart of points.

    Args:
        name: What stands left of it.
        written: Its number in words, right of it.
        value: Where the point stands; None for no point.
        bounds: Its interval.
        style: How it is drawn.
        hover: What is said when it is pointed at.
        outer: A wider interval, drawn as a thin line with caps.
    """

    name: str
    written: str
    value: float | None
    bounds: Sequence[float] | None
    style: ArmStyle
    hover: str
    outer: Sequence[float] | None = None

    def reach(self) -> list[float]:
        """Return the values the axis has to show."""
        return [value for value in (self.value, *(self.bounds or ()), *(self.outer or ())) if value is not None]


def _whiskers(mark: Mark, bounds: Sequence[float] | None, *, thickness: float, cap: float) -> dict[str, Any] | None:
    if bounds is None or mark.value is None:
        return None
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(bounds[1] - mark.value, 0)],
        "arrayminus": [max(mark.value - bounds[0], 0)],
        "color": mark.style.color,
        "thickness": thickness,
        "width": cap,
    }


def _outer(mark: Mark, y: float) -> dict[str, Any]:
    """Return the wider interval alone: a line without a point."""
    whiskers = _whiskers(mark, mark.outer, thickness=1, cap=4)
    base = {"type": "scatter", "mode": "markers", "x": [mark.value], "y": [y], "error_x": whiskers}
    return {**base, "marker": {"size": 1, "color": mark.style.color}, "cliponaxis": False, "hoverinfo": "skip"}


def _point(mark: Mark, y: float) -> dict[str, Any]:
    whiskers = _whiskers(mark, mark.bounds, thickness=2.5, cap=0)
    size = 16 if "triangle" in mark.style.symbol else 13
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [mark.value],
        "y": [y],
        "error_x": whiskers,
        "marker": {"size": size, "color": mark.style.color, "symbol": mark.style.symbol, "line": {"width": 0}},
        "cliponaxis": False,
        "hovertext": [mark.hover],
        "hoverinfo": "text",
    }


def marks_figure(
    marks: Sequence[Mark], axis: Mapping[str, Any], shapes: Sequence[Any] = (), notes: Sequence[Any] = ()
) -> Figure:
    """Return a figure of one row per mark, the first on top: its name left of the plot and its number right of it.

    Where the page is narrow, name and number stand above the row instead.
    """
    places = range(len(marks) - 1, -1, -1)
    wide, narrow = list(notes), list(notes)
    left = 26 + min(7 * max(len(words.clip(mark.name, NAME_LENGTH)) for mark in marks), 190)
    for mark, place in zip(marks, places, strict=True):
        name, number = {"font": {"color": INK, "size": 13}}, {"font": {"color": MUTED, "size": 13}}
        wide.append(note_at(plot_label(mark.name), 0, place, xanchor="left", xshift=-left, **name))
        wide.append(note_at(mark.written, 1, place, xanchor="right", xshift=RIGHT_PX, **number))
        narrow.append(note_at(plot_label(mark.name), 0, place + 0.38, xanchor="left", bgcolor=PAGE, **name))
        narrow.append(note_at(mark.written, 1, place + 0.38, xanchor="right", bgcolor=PAGE, **number))
    low = -0.95 if notes else -0.6
    layout = layout_of(
        int((len(marks) - 0.4 - low) * 42) + 56,
        margin={"l": left, "r": RIGHT_PX, "t": 4, "b": 52, "pad": 0},
        annotations=wide,
        shapes=[*shapes, *(_base_line(place) for place in places)],
        xaxis=axis,
        yaxis=axis_of(range=[low, len(marks) - 0.4], showticklabels=False),
    )
    small = {
        "margin": {"l": 2, "r": 2, "t": 4, "b": 52, "pad": 0},
        "annotations": narrow,
        "height": int((len(marks) - 0.25 - low) * 56) + 56,
        "yaxis": axis_of(range=[low, len(marks) - 0.25], showticklabels=False),
    }
    drawn = list(zip(marks, places, strict=True))
    traces = [_outer(mark, place) for mark, place in drawn if mark.outer is not None]
    return figure_of([*traces, *(_point(mark, place) for mark, place in drawn)], layout, narrow=small)


def vertical(x: float, color: str, dash: str = "solid") -> dict[str, Any]:
    """Return a line from bottom to top of the plot."""
    line = {"color": color, "width": 1.5, "dash": dash}
    place = {"x0": x, "x1": x, "y0": 0, "y1": 1, "xref": "x", "yref": "paper"}
    return {"type": "line", "layer": "below", "line": line, **place}


def _base_line(y: float) -> dict[str, Any]:
    line = {"color": GRID, "width": 1}
    place = {"x0": 0, "x1": 1, "y0": y, "y1": y, "xref": "paper", "yref": "y"}
    return {"type": "line", "layer": "below", "line": line, **place}


def arms_chart(view: RunView, styles: Styles) -> Chart:
    """Return the arms' means of the metric that decides, as points with interval whiskers and a majority line.

    Where the majority reference is so far off that the arms would be squeezed together, an arrow stands for its line.
    """
    metric = view.metric
    marks = []
    for name in view.arms:
        mean, bounds = view.arm(name).mean.get(metric), view.arm(name).interval.get(metric)
        written = words.score(mean, bounds)
        marks.append(Mark(name, written, mean, bounds, styles[name], f"{plot_label(name, 60)}<br>{written}"))
    values = [value for mark in marks for value in mark.reach()]
    title = words.metric_name(metric)
    alt = f"{title} by arm with {view.intervals}: {'; '.join(f'{mark.name} {mark.written}' for mark in marks)}."
    shapes, notes = [], []
    majority = view.majority(metric)
    if majority is not None and values:
        alt += f" Always answering the largest class scores {words.number(majority)}."
        if _is_near(majority, values):
            shapes.append(vertical(majority, MUTED, "dot"))
            title += f" (dotted line: always the largest class, {words.number(majority)})"
            values.append(majority)
        else:
            notes.append(_majority_arrow(majority, is_left=majority < min(values)))
    figure = marks_figure(marks, axis_of(title_text=title, range=padded(values), nticks=6), shapes, notes)
    return Chart("chart-arms", "Arms", alt, figure)


def _is_near(value: float, others: Sequence[float]) -> bool:
    low, high = min(others), max(others)
    return low - OFF_SCALE * (high - low) <= value <= high + OFF_SCALE * (high - low)


def _majority_arrow(majority: float, *, is_left: bool) -> dict[str, Any]:
    text = f"always the largest class: {words.number(majority)}"
    side = {"x": 0, "xanchor": "left"} if is_left else {"x": 1, "xanchor": "right"}
    place = {"y": 0, "xref": "paper", "yref": "paper", "yanchor": "bottom", "showarrow": False, **side}
    return {"text": f"◂ {text}" if is_left else f"{text} ▸", "font": {"color": MUTED, "size": 12}, **place}


def padded(values: Sequence[float]) -> list[float]:
    """Return an axis range that holds the values with some room; 0 to 1 without values."""
    if not values:
        return [0, 1]
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 0.05
    return [low - room, high + room]


def differences_chart(view: RunView, styles: Styles, metric: str) -> Chart | None:
    """Return a forest plot of a metric's differences with their intervals; None if no difference has one."""
    found = _one_per_arm(view, styles, metric)
    if not found:
        return None
    marks = []
    for row in found:
        written = f"{words.difference(row.difference)} {words.interval(row.interval, signed=True)}"
        hover = f"{plot_label(row.arm, 60)}<br>{written}<br>adjusted p {html.escape(words.p_value(row.p_adjusted))}"
        outer = row.interval_adjusted
        if outer is not None:
            hover += f"<br>allowing for all comparisons {words.interval(outer, signed=True)}"
        marks.append(Mark(row.arm, written, row.difference, row.interval, styles[row.arm], hover, outer))
    name, baseline = words.metric_name(metric), found[0].baseline
    values = [0.0, *(value for mark in marks for value in mark.reach())]
    axis = axis_of(title_text=f"Difference in {name} from {plot_label(baseline)}", range=padded(values), nticks=6)
    spoken = "; ".join(f"{mark.name} {mark.written}" for mark in marks)
    alt = f"Differences in {name} from {baseline} with {view.intervals}: {spoken}."
    return Chart(f"chart-differences-{metric}", name, alt, marks_figure(marks, axis, [vertical(0, MUTED)]))


def _one_per_arm(view: RunView, styles: Styles, metric: str) -> list[Comparison]:
    """Return the first difference with an interval of each arm: further tests of it have the same difference."""
    found: dict[str, Comparison] = {}
    for row in view.comparisons(metric):
        if row.interval is not None and row.arm in styles:
            found.setdefault(row.arm, row)
    return list(found.values())
