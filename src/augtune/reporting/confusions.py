"""Confusion matrices as charts, for files: the page has them as tables, which can be read out."""

from __future__ import annotations

from augtune.reporting.figure import Chart, axis_of, figure_of, layout_of, plot_label
from augtune.reporting.palette import ROLES
from augtune.reporting.read import RunView
from augtune.reporting.views import MATRIX_LIMIT

__all__ = ["confusion_charts"]

DARK_FROM = 0.6
"""Share from which a cell is so dark that its number is written light."""


def confusion_charts(view: RunView) -> list[Chart]:
    """Return each arm's confusion matrix, shaded by the share of the true class; none of many or of several labels."""
    if len(view.labels) > MATRIX_LIMIT or view.details.task == "multi_label":
        return []
    return [_chart(view, arm, place) for place, arm in enumerate(view.arms)]


def _chart(view: RunView, arm: str, place: int) -> Chart:
    table = view.arm_details(arm).confusion
    shares = [[n / max(sum(row), 1) for n in row] for row in table]
    names, places = [plot_label(label, 18) for label in view.labels], list(range(len(view.labels)))
    numbers = [
        {
            "text": f"{table[i][j]:,}", "x": j, "y": i, "showarrow": False,
            "font": {"size": 12, "color": ROLES["page" if shares[i][j] >= DARK_FROM else "ink"][0]},
        }
        for i in places for j in places
    ]  # fmt: skip
    trace = {
        "type": "heatmap", "x": places, "y": places, "z": shares, "zmin": 0, "zmax": 1, "showscale": False,
        "colorscale": [[0, ROLES["page"][0]], [1, ROLES["accent"][0]]], "hoverinfo": "skip",
    }  # fmt: skip
    side = max(46 * len(places), 160)
    ends = [-0.5, len(places) - 0.5]
    layout = layout_of(
        side + 110,
        width=side + 190,
        xaxis=axis_of(title_text="Predicted", tickvals=places, ticktext=names, tickangle=-40, range=ends),
        yaxis=axis_of(title_text="True class", tickvals=places, ticktext=names, range=ends[::-1]),
        annotations=numbers,
    )
    right = sum(table[k][k] for k in places) / max(sum(map(sum, table)), 1)
    alt = f"Confusion matrix of {arm}, predictions of all seeds together; {100 * right:.1f} % on the diagonal."
    return Chart(f"chart-confusion-{place}", arm, alt, figure_of([trace], layout))
