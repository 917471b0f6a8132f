"""Charts by optimizer step: the training loss, and what was measured on the validation rows meanwhile."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from augtune.reporting import words
from augtune.reporting.curves import Curve, learning_curves, measured_curves
from augtune.reporting.figure import GRID, RIGHT_PX, Chart, Styles, axis_of, figure_of, layout_of, note_at, plot_label
from augtune.reporting.grid import Column, Grid, count_cell, number_cell
from augtune.reporting.read import RunView

__all__ = ["learning_chart", "validation_chart"]

MEASURES = ("macro_f1", "accuracy")
TABLE_ROWS = 12


def learning_chart(view: RunView, styles: Styles) -> Chart | None:
    """Return the training loss by step, smoothed: one line per arm, its seeds faint behind it."""
    curves = learning_curves(view)
    if not curves:
        return None
    losses = [loss for curve in curves for loss in curve.mean.losses]
    axis_range = [min(0.0, *losses) - 0.02 * max(losses), 1.08 * max(losses)]
    figure = _figure(curves, styles, axis_range, ("loss", "Training loss (smoothed)"))
    alt = f"Training loss by optimizer step, smoothed: {_spoken(curves)}."
    table = _table("table-learning", "Training loss, smoothed, mean over seeds.", curves)
    return Chart("chart-learning", "Training loss", alt, figure, [curve.arm for curve in curves], table)


def validation_chart(view: RunView, styles: Styles) -> Chart | None:
    """Return the metric that decides on the validation rows by step; None if no arm was evaluated while training.

    Macro-F1 stands in where the metric that decides is not measured while training.
    """
    measure = view.metric if view.metric in MEASURES else MEASURES[0]
    curves = measured_curves(view, measure)
    if not curves:
        return None
    values = [value for curve in curves for line in (curve.mean, *curve.seeds) for value in line.losses]
    room = 0.06 * (max(values) - min(values)) or 0.05
    title = words.metric_name(measure)
    name = f"{title[:1].upper()}{title[1:]} on validation rows"
    figure = _figure(curves, styles, [min(values) - room, max(values) + room], (title, name), marks=True)
    alt = f"{name} by optimizer step: {_spoken(curves)}."
    table = _table("table-validation", f"{name}, mean over seeds.", curves)
    return Chart("chart-validation", name, alt, figure, [curve.arm for curve in curves], table)


def _spoken(curves: Sequence[Curve]) -> str:
    return "; ".join(f"{one.arm} from {one.mean.losses[0]:.3f} to {one.mean.losses[-1]:.3f}" for one in curves)


def _figure(
    curves: Sequence[Curve], styles: Styles, axis_range: Sequence[float], told: tuple[str, str], *, marks: bool = False
) -> Any:
    """Return a thick line per arm, its seeds faint behind it, and its name at its end.

    Args:
        curves: What to draw.
        styles: How.
        axis_range: Of the y axis.
        told: What a point measures, and the title of the y axis.
        marks: Whether each point of a mean is marked; for few points.
    """
    traces: list[Any] = []
    for curve in curves:
        color = styles[curve.arm].color
        traces += [_line(seed.steps, seed.losses, color, width=1, opacity=0.22) for seed in curve.seeds]
    for curve in curves:
        style = styles[curve.arm]
        mean = _line(curve.mean.steps, curve.mean.losses, style.color, width=2.5, opacity=1)
        if marks:
            mean |= {"mode": "lines+markers", "marker": {"size": 8, "color": style.color, "symbol": style.symbol}}
        hover = [f"{plot_label(curve.arm, 60)}<br>step {s:,} · {told[0]} {y:.3f}" for s, y in curve.mean.points()]
        traces.append({**mean, "hovertext": hover, "hoverinfo": "text"})
        if curve.stages:
            traces.append(_stage_marks(curve, style.color))
    layout = layout_of(
        420,
        margin={"l": 8, "r": RIGHT_PX, "t": 12, "b": 44, "pad": 0},
        xaxis=axis_of(title_text="Optimizer step", nticks=7),
        yaxis=axis_of(title_text=told[1], showgrid=True, gridcolor=GRID, range=list(axis_range), nticks=6),
        annotations=_end_labels(curves, styles, axis_range),
    )
    narrow = {"margin": {"l": 8, "r": 12, "t": 12, "b": 44}, "annotations": [], "height": 340}
    return figure_of(traces, layout, narrow=narrow)


def _line(x: Sequence[float], y: Sequence[float], color: str, *, width: float, opacity: float) -> dict[str, Any]:
    line = {"color": color, "width": width}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": line, "opacity": opacity, "hoverinfo": "skip"}


def _stage_marks(curve: Curve, color: str) -> dict[str, Any]:
    """Return a mark wherever a stage begins after the first."""
    hover = [f"{plot_label(curve.arm, 60)}<br>stage {html.escape(stage)} begins" for _, _, stage in curve.stages]
    marker = {"size": 9, "color": color, "symbol": "line-ns-open", "line": {"width": 2.5, "color": color}}
    x, y = [step for step, _, _ in curve.stages], [loss for _, loss, _ in curve.stages]
    return {
        "type": "scatter", "mode": "markers", "x": x, "y": y, "marker": marker, "hovertext": hover, "hoverinfo": "text"
    }  # fmt: skip


def _end_labels(curves: Sequence[Curve], styles: Styles, axis_range: Sequence[float]) -> list[dict[str, Any]]:
    """Return each arm's name where its line ends, moved apart so that none covers another."""
    gap = (axis_range[1] - axis_range[0]) * 0.052
    places: list[float] = []
    ordered = sorted(curves, key=lambda curve: curve.mean.losses[-1])
    for curve in ordered:
        wanted = curve.mean.losses[-1]
        places.append(max(wanted, places[-1] + gap) if places else wanted)
    return [
        note_at(
            plot_label(curve.arm, 24), 1.0, place, xanchor="left", xshift=10,
            font={"color": styles[curve.arm].color, "size": 13},
        )
        for curve, place in zip(ordered, places, strict=True)
    ]  # fmt: skip


def _table(name: str, caption: str, curves: Sequence[Curve]) -> Grid:
    """Return the means at a dozen steps, an arm in each column."""
    known = [dict(curve.mean.points()) for curve in curves]
    steps = sorted(set().union(*known))
    last = len(steps) - 1
    kept = [steps[round(k * last / (min(TABLE_ROWS, len(steps)) - 1 or 1))] for k in range(min(TABLE_ROWS, len(steps)))]
    rows = [
        [count_cell(step), *(number_cell(value, words.number(value)) for value in (one.get(step) for one in known))]
        for step in dict.fromkeys(kept)
    ]
    columns = [Column("Step", numeric=True), *(Column(curve.arm, numeric=True) for curve in curves)]
    return Grid(name, caption, columns, rows, quiet=True)
