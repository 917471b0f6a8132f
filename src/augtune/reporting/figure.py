"""What all charts have in common: the value handed to the page, plain axes, quiet layouts, escaped labels."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augtune.core.extras import need
from augtune.reporting import words
from augtune.reporting.grid import Grid
from augtune.reporting.palette import ROLES, ArmStyle

__all__ = [
    "GRID",
    "INK",
    "MUTED",
    "NAME_LENGTH",
    "PAGE",
    "RIGHT_PX",
    "Chart",
    "Figure",
    "Styles",
    "axis_of",
    "figure_of",
    "layout_of",
    "note_at",
    "plot_label",
]

INK, MUTED, RULE, GRID, PAGE = (ROLES[role][0] for role in ("ink", "muted", "rule", "grid", "page"))
NAME_LENGTH = 26
RIGHT_PX = 168
"""Room right of a wide plot for the numbers of its rows or the names of its lines."""

Styles = Mapping[str, ArmStyle]
Figure = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of the page.

    Args:
        id: Its id in the page.
        title: What it shows.
        alt: What a reader who cannot see it should know.
        figure: ``data`` and ``layout`` as plotly's JavaScript takes them, and ``narrow``: what a narrow page changes
            in the layout.
        arms: Arms its legend names, in order; empty for a chart without a legend.
        table: Its numbers; None where a table of the page has them already.
    """

    id: str
    title: str
    alt: str
    figure: Figure
    arms: Sequence[str] = ()
    table: Grid | None = None

    @property
    def height(self) -> int:
        """Its height on a wide page, in pixels."""
        return int(self.figure["layout"]["height"])


def plot_label(text: str, length: int = NAME_LENGTH) -> str:
    """Return a text as plotly shows it: its labels are a little HTML, so a name with a tag in it is escaped."""
    return html.escape(words.clip(text, length), quote=False)


def axis_of(**more: Any) -> dict[str, Any]:
    """Return an axis without decoration, which cannot be dragged; ``more`` are plotly's own keys."""
    base = {
        "fixedrange": True,
        "showgrid": False,
        "zeroline": False,
        "ticks": "",
        "tickfont": {"color": MUTED, "size": 12},
        "title": {"font": {"color": MUTED, "size": 13}, "standoff": 12},
        "automargin": True,
    }
    title = more.pop("title_text", None)
    if title:
        base["title"] = {**base["title"], "text": title}  # type: ignore[dict-item]
    return {**base, **more}


def layout_of(height: int, **more: Any) -> dict[str, Any]:
    """Return a layout without legend, background or template; ``more`` are plotly's own keys."""
    base = {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 44, "pad": 0},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": False,
        "dragmode": False,
        "font": {"color": INK, "size": 13},
        "hoverlabel": {"bgcolor": ROLES["panel"][0], "bordercolor": RULE, "font": {"color": INK, "size": 13}},
        "template": None,
    }
    return {**base, **more}


def figure_of(traces: list[Any], layout: Mapping[str, Any], *, narrow: Mapping[str, Any] | None = None) -> Figure:
    """Return the figure as plotly checked it; unknown keys and wrong values are errors there."""
    graph = need("plotly.graph_objects", extra="report", to="draw the report")
    checked = json.loads(graph.Figure(data=traces, layout=layout).to_json(validate=False))
    changes = narrow or {}
    small = json.loads(graph.Figure(layout=changes).to_json(validate=False))["layout"]
    checked["layout"].pop("template", None)  # 8 kB of defaults that no chart of ours relies on
    small.pop("template", None)
    # plotly leaves out an empty list, which is how a narrow page takes notes away
    small = {key: small.get(key, value) for key, value in changes.items()}
    return {"data": checked["data"], "layout": checked["layout"], "narrow": small}


def note_at(text: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    """Return a piece of text at ``x`` in shares of the plot's width and ``y`` on the axis."""
    return {"text": text, "x": x, "y": y, "xref": "paper", "yref": "y", "showarrow": False, "yanchor": "middle", **more}
