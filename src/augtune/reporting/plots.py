"""Charts of many values: learning curves, label distributions, weights.

Charts are plotly figures in the light scheme; the page redraws them in the dark one. Nothing in them depends on
colour alone: arms are named where they are drawn.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from augtune.reporting import words
from augtune.reporting.curves import Curve, learning_curves
from augtune.reporting.figure import (
    GRID,
    INK,
    MUTED,
    RIGHT_PX,
    Chart,
    Styles,
    axis_of,
    figure_of,
    layout_of,
    note_at,
    plot_label,
)
from augtune.reporting.histogram import Histogram, weight_histogram
from augtune.reporting.palette import ROLES, ArmStyle
from augtune.reporting.read import RunView

__all__ = ["labels_charts", "learning_chart", "weights_chart"]


def learning_chart(view: RunView, styles: Styles) -> Chart | None:
    """Return the training loss by step, smoothed: one line per arm, its seeds faint behind it."""
    curves = learning_curves(view)
    if not curves:
        return None
    traces: list[Any] = []
    for curve in curves:
        color = styles[curve.arm].color
        traces += [_line(seed.steps, seed.losses, color, width=1, opacity=0.22) for seed in curve.seeds]
    for curve in curves:
        mean = _line(curve.mean.steps, curve.mean.losses, styles[curve.arm].color, width=2.5, opacity=1)
        loss = [f"{plot_label(curve.arm, 60)}<br>step {s:,} · loss {y:.3f}" for s, y in curve.mean.points()]
        traces.append({**mean, "hovertext": loss, "hoverinfo": "text"})
        traces.append(_stage_marks(curve, styles[curve.arm].color))
    top = max(max(curve.mean.losses) for curve in curves)
    bottom = min(0.0, *(min(curve.mean.losses) for curve in curves))
    axis_range = [bottom - 0.02 * top, 1.08 * top]
    layout = layout_of(
        420,
        margin={"l": 8, "r": RIGHT_PX, "t": 12, "b": 44, "pad": 0},
        xaxis=axis_of(title_text="Optimizer step", nticks=7),
        yaxis=axis_of(title_text="Training loss (smoothed)", showgrid=True, gridcolor=GRID, range=axis_range, nticks=6),
        annotations=_end_labels(curves, styles, axis_range),
    )
    spoken = "; ".join(
        f"{curve.arm} from {curve.mean.losses[0]:.3f} to {curve.mean.losses[-1]:.3f}" for curve in curves
    )
    alt = f"Training loss by optimizer step, smoothed: {spoken}."
    narrow = {"margin": {"l": 8, "r": 12, "t": 12, "b": 44}, "annotations": [], "height": 340}
    figure = figure_of(traces, layout, narrow=narrow)
    return Chart("chart-learning", "Training loss", alt, figure, [curve.arm for curve in curves])


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


def labels_charts(view: RunView) -> list[Chart]:
    """Return the rows per label, human and synthetic, one chart per distinct set of synthetic rows."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for arm in view.arms:
        synthetic = view.arm_details(arm).synthetic
        groups.setdefault(tuple(synthetic.get(label, 0) for label in view.labels), []).append(arm)
    human = [view.details.counts.train.get(label, 0) for label in view.labels]
    top = max((h + s for counts in groups for h, s in zip(human, counts, strict=True)), default=1)
    return [
        _labels_chart(view, human, counts, arms, (place, top)) for place, (counts, arms) in enumerate(groups.items())
    ]


def _labels_chart(
    view: RunView, human: list[int], counts: tuple[int, ...], arms: list[str], where: tuple[int, int]
) -> Chart:
    place, top = where
    names = [plot_label(label, 24) for label in view.labels]
    rows = list(range(len(names)))
    traces = [
        _bars(rows, human, ROLES["human"][0], [f"{n}<br>{h:,} human rows" for n, h in zip(names, human, strict=True)]),
        _bars(
            rows, counts, ROLES["synthetic"][0],
            [f"{n}<br>{s:,} synthetic rows" for n, s in zip(names, counts, strict=True)],
        ),
    ]  # fmt: skip
    notes = [
        {
            "text": f"{h:,}" if not any(counts) else f"{h:,} + {s:,}", "x": h + s, "y": row, "showarrow": False,
            "xanchor": "left", "xshift": 6, "font": {"color": MUTED, "size": 12},
        }
        for row, h, s in zip(rows, human, counts, strict=True)
    ]  # fmt: skip
    height = 26 * len(names) + 12
    layout = layout_of(
        height,
        barmode="stack",
        bargap=0.32,
        margin={"l": 0, "r": 0, "t": 4, "b": 4, "pad": 6},
        xaxis=axis_of(range=[0, 1.3 * top], showticklabels=False),
        yaxis=axis_of(
            tickvals=rows, ticktext=names, range=[len(names) - 0.4, -0.6], tickfont={"color": INK, "size": 12}
        ),
        annotations=notes,
    )
    spoken = "; ".join(
        f"{label}: {h} human, {s} synthetic" for label, h, s in zip(view.labels, human, counts, strict=True)
    )
    title = words.spoken_list(arms)
    alt = f"Training rows per label for {title}: {spoken}."
    narrow = {"xaxis": axis_of(range=[0, 1.55 * top], showticklabels=False)}
    return Chart(f"chart-labels-{place}", title, alt, figure_of(traces, layout, narrow=narrow))


def _bars(rows: Sequence[int], values: Sequence[int], color: str, hover: Sequence[str]) -> dict[str, Any]:
    marker = {"color": color, "line": {"width": 0}}
    return {
        "type": "bar", "orientation": "h", "x": list(values), "y": list(rows), "marker": marker,
        "hovertext": list(hover), "hoverinfo": "text",
    }  # fmt: skip


def weights_chart(view: RunView, arm: str, style: ArmStyle, place: int) -> Chart | None:
    """Return the histogram of an arm's weights over all rows and seeds; None if none are on record."""
    found: Histogram | None = weight_histogram([row.weight for row in view.weights(arm)])
    if found is None:
        return None
    hover = [
        f"weight {low:.3g} to {high:.3g}<br>{n:,} rows" for low, high, n in zip(
            found.edges, found.edges[1:], found.counts, strict=False
        )
    ]  # fmt: skip
    bars = {
        "type": "bar", "x": found.centers, "y": found.counts, "width": found.width, "hovertext": hover,
        "hoverinfo": "text", "marker": {"color": style.color, "line": {"width": 0}},
    }  # fmt: skip
    scale = " (logarithmic scale)" if found.is_log else ""
    layout = layout_of(
        260,
        bargap=0.06,
        xaxis=axis_of(title_text=f"Weight{scale}", tickvals=found.tick_places, ticktext=found.tick_texts),
        yaxis=axis_of(title_text="Rows, all seeds", showgrid=True, gridcolor=GRID, nticks=5),
    )
    peak = max(range(len(found.counts)), key=found.counts.__getitem__)
    alt = (
        f"Histogram of the weights of {arm}, from {min(found.edges):.3g} to {max(found.edges):.3g}; "
        f"most rows weigh {found.edges[peak]:.3g} to {found.edges[peak + 1]:.3g}."
    )
    return Chart(f"chart-weights-{place}", arm, alt, figure_of([bars], layout))
