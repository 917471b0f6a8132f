"""Draw a chart of the report on paper: the same figure, with matplotlib in place of a browser.

The charts use few of plotly's marks; this draws just those, so every chart of the page can be had as a file and a new
one needs nothing here. Lengths are in CSS pixels, 96 to the inch, as in the page.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from augtune.core.extras import need
from augtune.reporting.figure import Figure

__all__ = ["drawn"]

WIDTH_PX = 720
INCH_PX, POINT = 96, 0.75
MARKERS = {
    "circle": "o", "diamond": "D", "square": "s", "triangle-up": "^", "cross": "P", "star": "*", "hexagon": "h",
    "triangle-down": "v", "line-ns-open": "|",
}  # fmt: skip
DASHES = {"solid": "-", "dot": ":", "dash": "--"}


def drawn(figure: Figure) -> Any:
    """Return the figure as one of matplotlib's, of its own height and a page's width.

    Raises:
        ExtraError: If matplotlib is not installed.
    """
    canvas = need("matplotlib.figure", extra="charts", to="draw charts into files")
    layout = figure["layout"]
    width, height = layout.get("width", WIDTH_PX), layout["height"]
    page = canvas.Figure(figsize=(width / INCH_PX, height / INCH_PX))
    margin = layout["margin"]
    across = 1 - (margin["l"] + margin["r"]) / width
    axes = page.add_axes((margin["l"] / width, margin["b"] / height, across, 1 - (margin["t"] + margin["b"]) / height))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_axisbelow(True)
    axes.margins(x=0)
    left: dict[float, float] = {}
    for trace in figure["data"]:
        TRACES[trace["type"]](axes, trace, left)
    for name, axis in (("x", layout["xaxis"]), ("y", layout["yaxis"])):
        _axis(axes, name, axis)
    for shape in layout.get("shapes", ()):
        _shape(axes, shape)
    for note in layout.get("annotations", ()):
        _note(page, axes, note)
    _legend(axes, figure["data"])
    return page


def _scatter(axes: Any, trace: Mapping[str, Any], _: dict[float, float]) -> None:
    x, y, alpha = trace["x"], trace["y"], trace.get("opacity", 1)
    line, marker = trace.get("line") or {}, trace.get("marker") or {}
    if "lines" in trace["mode"]:
        steps = {"drawstyle": "steps-post"} if line.get("shape") == "hv" else {}
        style = DASHES[line.get("dash", "solid")]
        axes.plot(x, y, color=line["color"], linewidth=POINT * line["width"], linestyle=style, alpha=alpha, **steps)
    for name in ("x", "y"):
        if (bars := trace.get(f"error_{name}")) is not None:
            _whiskers(axes, trace, name, bars)
    if "markers" in trace["mode"]:
        sizes = marker.get("size", 6)
        areas = [(POINT * size) ** 2 for size in (sizes if isinstance(sizes, list) else [sizes] * len(x))]
        shape = MARKERS[marker.get("symbol", "circle")]
        edge = POINT * (marker.get("line") or {}).get("width", 0)
        axes.scatter(
            x, y, s=areas, color=marker["color"], marker=shape, alpha=alpha * marker.get("opacity", 1), zorder=3,
            linewidths=edge, clip_on=trace.get("cliponaxis", True), label=_text(trace.get("name", "")) or None,
        )  # fmt: skip


def _whiskers(axes: Any, trace: Mapping[str, Any], name: str, bars: Mapping[str, Any]) -> None:
    sides = {f"{name}err": [bars["arrayminus"], bars["array"]]}
    style = {"fmt": "none", "ecolor": bars["color"], "zorder": 2.5}
    width, cap = POINT * bars["thickness"], POINT * bars["width"]
    axes.errorbar(trace["x"], trace["y"], **sides, **style, elinewidth=width, capsize=cap)


def _bar(axes: Any, trace: Mapping[str, Any], left: dict[float, float]) -> None:
    """Draw bars; horizontal ones stand where those before them on the same row end."""
    color, name = trace["marker"]["color"], _text(trace.get("name", "")) or None
    if trace.get("orientation") != "h":
        axes.bar(trace["x"], trace["y"], width=trace.get("width", 0.8), color=color, label=name)
        return
    rows, values = trace["y"], trace["x"]
    axes.barh(rows, values, height=0.68, left=[left.get(row, 0.0) for row in rows], color=color, label=name)
    for row, value in zip(rows, values, strict=True):
        left[row] = left.get(row, 0.0) + value


def _heatmap(axes: Any, trace: Mapping[str, Any], _: dict[float, float]) -> None:
    colors = need("matplotlib.colors", extra="charts", to="draw charts into files")
    shades = colors.LinearSegmentedColormap.from_list("shares", [color for _, color in trace["colorscale"]])
    axes.pcolormesh(
        trace["x"], trace["y"], trace["z"], cmap=shades, vmin=trace["zmin"], vmax=trace["zmax"], shading="nearest"
    )  # fmt: skip


TRACES = {"scatter": _scatter, "bar": _bar, "heatmap": _heatmap}


def _axis(axes: Any, name: str, axis: Mapping[str, Any]) -> None:
    ticker = need("matplotlib.ticker", extra="charts", to="draw charts into files")
    own, font = getattr(axes, f"{name}axis"), axis["tickfont"]
    if axis.get("range"):
        getattr(axes, f"set_{name}lim")(axis["range"])
    if not axis.get("showticklabels", True):
        own.set_ticks([])
    elif "tickvals" in axis:
        labels = axis.get("ticktext") or [f"{value:,}" for value in axis["tickvals"]]
        own.set_ticks(axis["tickvals"], [_text(label) for label in labels])
    else:
        own.set_major_locator(ticker.MaxNLocator(max(axis.get("nticks", 6) - 1, 2), steps=[1, 2, 5, 10]))
        own.set_major_formatter(ticker.FuncFormatter(_tick))
    turned = {"rotation": -axis["tickangle"], "ha": "right", "rotation_mode": "anchor"} if axis.get("tickangle") else {}
    for label in own.get_ticklabels():
        label.set(fontsize=POINT * font["size"], color=font["color"], **turned)
    if (title := axis.get("title") or {}).get("text"):
        own.set_label_text(_text(title["text"]), fontsize=POINT * title["font"]["size"], color=title["font"]["color"])
    if axis.get("showgrid"):
        axes.grid(axis=name, color=axis["gridcolor"], linewidth=POINT)


def _tick(value: float, _: int) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}".replace("-", "−")


def _shape(axes: Any, shape: Mapping[str, Any]) -> None:
    line = shape["line"]
    style = {"color": line["color"], "linewidth": POINT * line["width"], "linestyle": DASHES[line.get("dash", "solid")]}
    axes.plot(
        [shape["x0"], shape["x1"]], [shape["y0"], shape["y1"]], transform=_place(axes, shape), zorder=1,
        scalex=False, scaley=False, **style,
    )  # fmt: skip


def _place(axes: Any, one: Mapping[str, Any]) -> Any:
    """Return what turns a place into one on the page: each direction is in data or in shares of the plot."""
    transforms = need("matplotlib.transforms", extra="charts", to="draw charts into files")
    sides = [axes.transAxes if one.get(f"{name}ref", name) == "paper" else axes.transData for name in ("x", "y")]
    return transforms.blended_transform_factory(*sides)


def _note(page: Any, axes: Any, note: Mapping[str, Any]) -> None:
    transforms = need("matplotlib.transforms", extra="charts", to="draw charts into files")
    shift = transforms.ScaledTranslation(
        note.get("xshift", 0) / INCH_PX, note.get("yshift", 0) / INCH_PX, page.dpi_scale_trans
    )
    ground = {"facecolor": axes.get_facecolor(), "edgecolor": "none", "pad": 1} if note.get("bgcolor") else None
    upright = {"middle": "center", "top": "top", "bottom": "bottom"}
    axes.text(
        note["x"], note["y"], _text(note["text"]), transform=_place(axes, note) + shift, bbox=ground, zorder=4,
        ha=note.get("xanchor", "center"), va=upright[note.get("yanchor", "middle")],
        fontsize=POINT * note["font"]["size"], color=note["font"]["color"],
    )  # fmt: skip


def _legend(axes: Any, traces: Sequence[Mapping[str, Any]]) -> None:
    """Name what is drawn above the plot, where the page does so beside it: only traces with a name are."""
    if any(trace.get("name") for trace in traces):
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, frameon=False, fontsize=POINT * 13, borderaxespad=0.2
        )


def _text(text: str) -> str:
    """Return a label's text as it is: without plotly's escapes, and with nothing in it that starts a formula."""
    return html.unescape(text).replace("$", r"\$")
