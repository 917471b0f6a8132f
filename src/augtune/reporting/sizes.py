"""The chart of a sweep over sizes: the score by how many synthetic rows were trained on, a line per generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from augtune.reporting import words
from augtune.reporting.figure import GRID, MUTED, RIGHT_PX, Chart, axis_of, figure_of, layout_of, note_at, plot_label
from augtune.reporting.palette import ArmStyle, arm_styles
from augtune.reporting.read import RunView

__all__ = ["SizeLine", "size_lines", "sizes_chart"]

SIZE, BASE = "size", "base_arm"
NEAR = 0.045
"""Nearest that two numbers may stand below the axis, as a share of it."""
APART = 0.008
"""How far lines are moved apart, as a share of the axis, so that whiskers at one size do not cover each other."""


@dataclass(frozen=True, slots=True)
class SizeLine:
    """The arms that differ in nothing but the size.

    Args:
        name: What tells them from other lines.
        arms: The arms with their synthetic rows, fewest first; an arm without any comes first, if one is compared with.
        style: How the line is drawn.
    """

    name: str
    arms: tuple[tuple[int, str], ...]
    style: ArmStyle


def size_lines(view: RunView) -> list[SizeLine]:
    """Return the lines of the chart; none if no arms differ in size."""
    groups: dict[tuple[tuple[str, Any], ...], list[str]] = {}
    for arm in view.arms:
        axes = view.arm(arm).axes
        if SIZE in axes:
            groups.setdefault(tuple((key, value) for key, value in axes.items() if key != SIZE), []).append(arm)
    keys = list(dict.fromkeys(key for place in groups for key, _ in place))
    telling = [key for key in keys if len({dict(place).get(key) for place in groups}) > 1]
    names = [_name(dict(place), telling) for place in groups]
    styles = arm_styles(names, None)
    lines = []
    for name, arms in zip(names, groups.values(), strict=True):
        points = {(view.arm(arm).rows.synthetic, arm) for arm in arms} | _without(view, arms)
        if len({rows for rows, _ in points}) > 1:
            lines.append(SizeLine(name, tuple(sorted(points)), styles[name]))
    return lines


def _name(place: dict[str, Any], telling: Sequence[str]) -> str:
    """Return what a place on the axes is called by the axes that tell lines apart."""
    parts = [str(place[key]) if isinstance(place.get(key), str) else f"{key} {place.get(key)}" for key in telling]
    return " · ".join(parts) or str(place.get(BASE) or "synthetic rows")


def _without(view: RunView, arms: Sequence[str]) -> set[tuple[int, str]]:
    """Return the arm without synthetic rows that these are compared with."""
    compared = {row.baseline for arm in arms if (row := view.comparison(arm)) is not None}
    return {(0, name) for name in compared if name in view.arms and view.arm(name).rows.synthetic == 0}


def sizes_chart(view: RunView) -> Chart | None:
    """Return the metric that decides by synthetic rows, with intervals and the majority line; None without sizes."""
    lines = size_lines(view)
    if not lines:
        return None
    metric, most = view.metric, max(rows for line in lines for rows, _ in line.arms)
    traces = [_line(view, line, APART * most * (number - (len(lines) - 1) / 2)) for number, line in enumerate(lines)]
    values = [value for line in lines for _, arm in line.arms for value in view.arm(arm).interval.get(metric) or ()]
    title, majority = words.metric_name(metric), view.majority(metric)
    shapes = []
    if majority is not None:
        values.append(majority)
        shapes.append(_majority_line(majority))
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = 0.05 * (high - low) or 0.05
    axis_range = [low - room, high + room]
    layout = layout_of(
        380,
        margin={"l": 8, "r": RIGHT_PX, "t": 12, "b": 48, "pad": 0},
        xaxis=axis_of(
            title_text="Synthetic rows trained on",
            tickvals=_ticks(lines, most),
            tickangle=0,
            range=[-0.03 * most, 1.03 * most],
        ),
        yaxis=axis_of(title_text=title, showgrid=True, gridcolor=GRID, range=axis_range, nticks=6),
        shapes=shapes,
        annotations=_end_names(view, lines, axis_range),
    )
    narrow = {"height": 320, "margin": {"l": 8, "r": 12, "t": 12, "b": 48}, "annotations": []}
    spoken = "; ".join(f"{line.name}: {_spoken(view, line)}" for line in lines)
    always = "" if majority is None else f" Always answering the largest class scores {words.number(majority)}."
    alt = f"{title} by synthetic rows trained on, with {view.intervals}: {spoken}.{always}"
    return Chart("chart-sizes", "Score by synthetic rows", alt, figure_of(traces, layout, narrow=narrow))


def _ticks(lines: Sequence[SizeLine], most: int) -> list[int]:
    """Return the numbers of rows to write below the axis, the larger of two that are too near each other."""
    ticks: list[int] = []
    for rows in sorted({rows for line in lines for rows, _ in line.arms}, reverse=True):
        if not ticks or ticks[-1] - rows >= NEAR * most:
            ticks.append(rows)
    return ticks[::-1]


def _end_names(view: RunView, lines: Sequence[SizeLine], axis_range: Sequence[float]) -> list[dict[str, Any]]:
    """Return each line's name where it ends, moved apart so that none covers another; a narrow page has a legend."""
    gap, places = 0.06 * (axis_range[1] - axis_range[0]), list[float]()
    ends = sorted(((view.arm(line.arms[-1][1]).mean.get(view.metric) or 0.0, line) for line in lines), key=_value)
    for value, _ in ends:
        places.append(max(value, places[-1] + gap) if places else value)
    over = max(places[-1] - axis_range[1], 0)
    return [
        note_at(plot_label(line.name, 22), 1.0, place - over, xanchor="left", xshift=10,
                font={"color": line.style.color, "size": 13})
        for (_, line), place in zip(ends, places, strict=True)
    ]  # fmt: skip


def _value(end: tuple[float, SizeLine]) -> float:
    return end[0]


def _line(view: RunView, line: SizeLine, shift: float) -> dict[str, Any]:
    metric = view.metric
    points = [(rows, arm, mean) for rows, arm in line.arms if (mean := view.arm(arm).mean.get(metric)) is not None]
    bounds = [view.arm(arm).interval.get(metric) or (mean, mean) for _, arm, mean in points]
    means = [mean for _, _, mean in points]
    color = line.style.color
    written = [words.score(mean, view.arm(arm).interval.get(metric)) for _, arm, mean in points]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [rows + shift for rows, _, _ in points],
        "y": means,
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [max(high - mean, 0) for (_, high), mean in zip(bounds, means, strict=True)],
            "arrayminus": [max(mean - low, 0) for (low, _), mean in zip(bounds, means, strict=True)],
            "color": color,
            "thickness": 1.5,
            "width": 0,
        },
        "line": {"color": color, "width": 2.5},
        "marker": {"size": 9, "color": color, "symbol": line.style.symbol},
        "hovertext": [
            f"{plot_label(arm, 60)}<br>{rows:,} rows · {told}"
            for (rows, arm, _), told in zip(points, written, strict=True)
        ],
        "hoverinfo": "text",
        "cliponaxis": False,
    }


def _majority_line(y: float) -> dict[str, Any]:
    line = {"color": MUTED, "width": 1.5, "dash": "dot"}
    return {"type": "line", "layer": "below", "line": line, "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y}


def _spoken(view: RunView, line: SizeLine) -> str:
    metric = view.metric
    return ", ".join(
        f"{rows} rows {words.score(view.arm(arm).mean.get(metric), view.arm(arm).interval.get(metric))}"
        for rows, arm in line.arms
    )
