"""The curve of an arm that routes: what the metric comes to for what the calls of the language model cost."""

from __future__ import annotations

from typing import Any

from augtune.reporting import words
from augtune.reporting.figure import GRID, INK, MUTED, PAGE, Chart, axis_of, figure_of, layout_of
from augtune.reporting.grid import Column, Grid, number_cell
from augtune.reporting.palette import ArmStyle
from augtune.reporting.read import RunView
from augtune.reporting.schema import Routing, RoutingCurve

__all__ = ["routed_arms", "routing_chart"]

TABLE_ROWS = 12


def routed_arms(view: RunView) -> list[str]:
    """Return the arms that share rows out between a classifier and a language model and have a curve on record."""
    routings = ((arm, view.arm_details(arm).routing) for arm in view.arms)
    return [arm for arm, routing in routings if routing is not None and routing.curve is not None]


def routing_chart(view: RunView, arm: str, style: ArmStyle, place: int) -> Chart | None:
    """Return the metric by the share of rows sent, the rule in use marked; None if no curve is on record.

    Where a call's price is known, the axis says what a thousand predictions cost instead.
    """
    routing = view.arm_details(arm).routing
    if routing is None or routing.curve is None:
        return None
    curve = routing.curve
    costs = curve.usd_per_1000
    is_priced = costs is not None and max(costs) > 0
    x = list(costs) if is_priced and costs is not None else [100 * share for share in curve.share]
    top = max(x) or 1.0
    metric = words.metric_name(curve.metric)
    title = "Calls for 1,000 predictions, US dollars" if is_priced else "Rows sent to the language model, %"
    room = 0.1 * (max(curve.value) - min(curve.value)) or 0.05
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter", "mode": "lines", "x": x, "y": curve.value, "hoverinfo": "text",
            "line": {"color": style.color, "width": 2.5}, "hovertext": _told(curve, metric),
        }
    ]  # fmt: skip
    layout_notes, shapes = [], []
    if curve.chosen is not None:
        chosen = curve.chosen["share"] * (_whole_price(curve) if is_priced else 100)
        traces.append(_chosen(chosen, curve.chosen["value"], style))
        layout_notes.append({
            "text": f"in use: {words.share(curve.chosen['share'])} sent, {words.number(curve.chosen['value'])}",
            "x": chosen, "y": curve.chosen["value"], "showarrow": False, "yanchor": "top", "yshift": -10,
            "xanchor": "right" if chosen > 0.6 * top else "left", "font": {"color": INK, "size": 13}, "bgcolor": PAGE,
        })  # fmt: skip
    alone = {"type": "line", "layer": "below", "line": {"color": MUTED, "width": 1.5, "dash": "dot"}}
    shapes.append({**alone, "xref": "paper", "x0": 0, "x1": 1, "y0": curve.value[0], "y1": curve.value[0]})
    layout = layout_of(
        340,
        margin={"l": 8, "r": 12, "t": 12, "b": 48, "pad": 0},
        xaxis=axis_of(title_text=title, range=[-0.02 * top, 1.03 * top], nticks=6),
        yaxis=axis_of(
            title_text=metric, showgrid=True, gridcolor=GRID, nticks=6,
            range=[min(curve.value) - room, max(curve.value) + room],
        ),
        annotations=layout_notes,
        shapes=shapes,
    )  # fmt: skip
    figure = figure_of(traces, layout, narrow={"height": 300})
    return Chart(f"chart-routing-{place}", arm, _alt(arm, curve, routing), figure, table=_table(arm, curve, place))


def _whole_price(curve: RoutingCurve) -> float:
    """Return what a thousand predictions cost if every row is sent."""
    paid = [(usd, share) for usd, share in zip(curve.usd_per_1000 or [], curve.share, strict=False) if share > 0]
    return paid[-1][0] / paid[-1][1] if paid else 0.0


def _told(curve: RoutingCurve, metric: str) -> list[str]:
    usd = curve.usd_per_1000
    prices = [""] * len(curve.share) if usd is None else [f", {words.money(one)} per 1,000" for one in usd]
    return [
        f"{100 * share:.1f} % sent{price}<br>{metric} {value:.3f}"
        for share, value, price in zip(curve.share, curve.value, prices, strict=True)
    ]


def _chosen(x: float, y: float, style: ArmStyle) -> dict[str, Any]:
    marker = {"size": 14, "color": style.color, "symbol": style.symbol, "line": {"width": 0}}
    return {"type": "scatter", "mode": "markers", "x": [x], "y": [y], "marker": marker, "hoverinfo": "skip"}


def _alt(arm: str, curve: RoutingCurve, routing: Routing) -> str:
    metric = words.metric_name(curve.metric)
    text = (
        f"{metric} of {arm} by rows sent to the language model: {words.number(curve.value[0])} with none, "
        f"at most {words.number(max(curve.value))}, {words.number(curve.value[-1])} with all."
    )
    if curve.chosen is not None:
        text += f" In use: {words.share(curve.chosen['share'])} sent, {words.number(curve.chosen['value'])}."
    return f"{text} Of the test rows {words.share(routing.share)} were sent."


def _table(arm: str, curve: RoutingCurve, place: int) -> Grid:
    last = len(curve.share) - 1
    kept = dict.fromkeys(round(k * last / (TABLE_ROWS - 1)) for k in range(TABLE_ROWS))
    rows = []
    for k in kept:
        usd = None if curve.usd_per_1000 is None else curve.usd_per_1000[k]
        cells = [number_cell(curve.share[k], words.share(curve.share[k]))]
        cells.append(number_cell(usd, words.MISSING if usd is None else words.money(usd)))
        rows.append([*cells, number_cell(curve.value[k], words.number(curve.value[k]))])
    headings = ("Rows sent", "Per 1,000 predictions", words.metric_name(curve.metric))
    caption = f"{arm}: cost and quality by rows sent."
    return Grid(f"table-routing-{place}", caption, [Column(name, numeric=True) for name in headings], rows, quiet=True)
