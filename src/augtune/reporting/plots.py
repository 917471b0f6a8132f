"""Charts of many values: label distributions, weights.

Charts are plotly figures in the light scheme; the page redraws them in the dark one. Nothing in them depends on
colour alone: arms are named where they are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from augtune.reporting import words
from augtune.reporting.curves import MOST_ARMS
from augtune.reporting.figure import (
    GRID,
    INK,
    MUTED,
    Chart,
    axis_of,
    figure_of,
    layout_of,
    plot_label,
)
from augtune.reporting.grid import Column, Grid, count_cell, number_cell
from augtune.reporting.histogram import Histogram, weight_histogram
from augtune.reporting.palette import ROLES, ArmStyle
from augtune.reporting.read import RunView

__all__ = ["labels_charts", "weights_chart"]


def labels_charts(view: RunView) -> list[Chart]:
    """Return the rows per label, human and synthetic, one chart per distinct set of rows.

    Of many arms, those of the baseline and the best; the table has all.
    """
    groups: dict[tuple[tuple[int, ...], tuple[int, ...]], list[str]] = {}
    for arm in view.leading(MOST_ARMS):
        human, synthetic = (
            tuple(counts.get(label, 0) for label in view.labels)
            for counts in (view.human(arm), view.arm_details(arm).synthetic)
        )
        groups.setdefault((human, synthetic), []).append(arm)
    top = max((h + s for human, synthetic in groups for h, s in zip(human, synthetic, strict=True)), default=1)
    return [_labels_chart(view, counts, arms, (place, top)) for place, (counts, arms) in enumerate(groups.items())]


def _labels_chart(
    view: RunView, rows_by_label: tuple[tuple[int, ...], tuple[int, ...]], arms: list[str], where: tuple[int, int]
) -> Chart:
    (human, counts), (place, top) = rows_by_label, where
    names = [plot_label(label, 24) for label in view.labels]
    rows = list(range(len(names)))
    counted = (("human rows", human, "human"), ("synthetic rows", counts, "synthetic"))
    traces = [_bars(names, values, (name, ROLES[role][0])) for name, values, role in counted if any(values)]
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


def _bars(labels: Sequence[str], values: Sequence[int], told: tuple[str, str]) -> dict[str, Any]:
    """Return a bar per label; ``told`` is what is counted, and its colour."""
    name, color = told
    hover = [f"{label}<br>{value:,} {name}" for label, value in zip(labels, values, strict=True)]
    return {
        "type": "bar", "orientation": "h", "name": name, "x": list(values), "y": list(range(len(values))),
        "marker": {"color": color, "line": {"width": 0}}, "hovertext": hover, "hoverinfo": "text",
    }  # fmt: skip


def weights_chart(view: RunView, arm: str, style: ArmStyle, place: int) -> Chart | None:
    """Return the histogram of an arm's weights over all rows and seeds; None if none are on record."""
    found: Histogram | None = weight_histogram(np.fromiter((row.weight for row in view.weights(arm)), np.float64))
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
    columns = [Column("Weight from", numeric=True), Column("to", numeric=True), Column("Rows", numeric=True)]
    rows = [
        [number_cell(low, f"{low:.3g}"), number_cell(high, f"{high:.3g}"), count_cell(n)]
        for low, high, n in zip(found.edges, found.edges[1:], found.counts, strict=False) if n
    ]  # fmt: skip
    table = Grid(f"table-weights-{place}", f"Weights of {arm}, all seeds.", columns, rows, quiet=True)
    return Chart(f"chart-weights-{place}", arm, alt, figure_of([bars], layout), table=table)
