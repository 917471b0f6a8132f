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

__all__ = ["arms_chart", "differences_chart"]

OFF_SCALE = 4
"""How many times the span of the arms the majority reference may be away and still be drawn as a line."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """A row of a chart of points: a name, a number in words, a point with its interval."""

    name: str
    written: str
    value: float | None
    bounds: Sequence[float] | None
    style: ArmStyle
    hover: str

    def reach(self) -> list[float]:
        """Return the values the axis has to show."""
        return [value for value in (self.value, *(self.bounds or ())) if value is not None]


def _point(mark: _Mark, y: float) -> dict[str, Any]:
    whiskers = None
    if mark.bounds is not None and mark.value is not None:
        whiskers = {
            "type": "data",
            "symmetric": False,
            "array": [max(mark.bounds[1] - mark.value, 0)],
            "arrayminus": [max(mark.value - mark.bounds[0], 0)],
            "color": mark.style.color,
            "thickness": 2.5,
            "width": 0,
        }
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


def _marks_figure(marks: Sequence[_Mark], axis: Mapping[str, Any], shapes: list[Any], notes: list[Any]) -> Figure:
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
    return figure_of([_point(mark, place) for mark, place in zip(marks, places, strict=True)], layout, narrow=small)


def _vertical(x: float, color: str, dash: str = "solid") -> dict[str, Any]:
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
        marks.append(_Mark(name, written, mean, bounds, styles[name], f"{plot_label(name, 60)}<br>{written}"))
    values = [value for mark in marks for value in mark.reach()]
    title = words.metric_name(metric)
    alt = f"{title} by arm with 95 % intervals: {'; '.join(f'{mark.name} {mark.written}' for mark in marks)}."
    shapes, notes = [], []
    majority = view.majority(metric)
    if majority is not None and values:
        alt += f" Always answering the largest class scores {words.number(majority)}."
        if _is_near(majority, values):
            shapes.append(_vertical(majority, MUTED, "dot"))
            title += f" (dotted line: always the largest class, {words.number(majority)})"
            values.append(majority)
        else:
            notes.append(_majority_arrow(majority, is_left=majority < min(values)))
    figure = _marks_figure(marks, axis_of(title_text=title, range=_padded(values), nticks=6), shapes, notes)
    return Chart("chart-arms", "Arms", alt, figure)


def _is_near(value: float, others: Sequence[float]) -> bool:
    low, high = min(others), max(others)
    return low - OFF_SCALE * (high - low) <= value <= high + OFF_SCALE * (high - low)


def _majority_arrow(majority: float, *, is_left: bool) -> dict[str, Any]:
    text = f"always the largest class: {words.number(majority)}"
    side = {"x": 0, "xanchor": "left"} if is_left else {"x": 1, "xanchor": "right"}
    place = {"y": 0, "xref": "paper", "yref": "paper", "yanchor": "bottom", "showarrow": False, **side}
    return {"text": f"◂ {text}" if is_left else f"{text} ▸", "font": {"color": MUTED, "size": 12}, **place}


def _padded(values: Sequence[float]) -> list[float]:
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
        marks.append(_Mark(row.arm, written, row.difference, row.interval, styles[row.arm], hover))
    name, baseline = words.metric_name(metric), found[0].baseline
    values = [0.0, *(value for mark in marks for value in mark.reach())]
    axis = axis_of(title_text=f"Difference in {name} from {plot_label(baseline)}", range=_padded(values), nticks=6)
    spoken = "; ".join(f"{mark.name} {mark.written}" for mark in marks)
    alt = f"Differences in {name} from {baseline} with 95 % intervals: {spoken}."
    return Chart(f"chart-differences-{metric}", name, alt, _marks_figure(marks, axis, [_vertical(0, MUTED)], []))


def _one_per_arm(view: RunView, styles: Styles, metric: str) -> list[Comparison]:
    """Return the first difference with an interval of each arm: further tests of it have the same difference."""
    found: dict[str, Comparison] = {}
    for row in view.comparisons(metric):
        if row.interval is not None and row.arm in styles:
            found.setdefault(row.arm, row)
    return list(found.values())
