"""The report: one HTML file made from the run folder alone, which opens offline and sends nothing anywhere.

Every text a model or a file wrote is escaped by the template engine or, in JSON, kept from ending its script tag; on
top of that the page's content security policy runs no script but the two it names by their hash, and loads nothing.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from augtune.core.extras import need
from augtune.core.files import atomic_write
from augtune.reporting import views, words
from augtune.reporting.charts import Charts, charts_of
from augtune.reporting.choices import choices_of
from augtune.reporting.curves import MOST_ARMS
from augtune.reporting.makers import maker_styles, makers_grid
from augtune.reporting.pages import own, render, static
from augtune.reporting.palette import ArmStyle, arm_styles, css_variables, dark_of_light
from augtune.reporting.quality import inspected
from augtune.reporting.read import HasFolder, RunView, read_run
from augtune.reporting.reliability import calibration_grid
from augtune.reporting.rowset import browser_rows, weighed_rows
from augtune.reporting.saturation import saturation_words
from augtune.reporting.sizes import size_lines
from augtune.reporting.summary import facts
from augtune.reporting.views import MATRIX_LIMIT

__all__ = ["embedded_json", "report"]

SCRIPTS = ("charts.js", "sort.js", "filter.js", "rows.js")


def report(run: Path | str | HasFolder, out: Path | str | None = None) -> Path:
    """Write the report of a run and return where it is.

    The file is made from the run folder alone, the same bytes each time for the same folder, and written whole or
    not at all.

    Args:
        run: The run folder, or the results of a run.
        out: The file to write; ``report.html`` in the run folder if None.

    Raises:
        DataError: If the run folder is missing, is none, or is damaged.
        ExtraError: If plotly is not installed.
        StorageError: If the file cannot be written.
    """
    view = read_run(run)
    path = view.folder / "report.html" if out is None else Path(out)
    page = _page(view)
    with atomic_write(path, binary=True) as stream:
        # half a surrogate pair, which JSON can hold and UTF-8 cannot, becomes a question mark
        stream.write(page.encode("utf-8", errors="replace"))
    return path


def embedded_json(value: Any) -> Markup:
    """Return JSON that is safe inside a script element: no character in it can end the element or a line."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # nothing left in it that HTML would read as markup  # nosec B704


def _page(view: RunView) -> str:
    script = "\n".join(static(name) for name in SCRIPTS)
    plotly = need("plotly.offline", extra="report", to="draw the report").get_plotlyjs()
    styles = arm_styles(view.arms, view.baseline)
    charts, sections = _sections(view, styles)
    context = {
        "view": view,
        "words": words,
        "facts": facts(view),
        "styles": styles,
        "charts": charts,
        **sections,
        "choices": choices_of(view),
        "css": own(static("report.css")),
        "light": css_variables(dark=False),
        "dark": css_variables(dark=True),
        "script": own(script),
        "policy": _policy(script, plotly),
        "plotly": own(_packed(plotly)),
        "figures": embedded_json({"figures": {chart.id: chart.figure for chart in charts}, "dark": dark_of_light()}),
        "most_arms": MOST_ARMS,
        "rerun": _rerun_command(view.folder),
    }
    return render("report.html.jinja2", context)


def _sections(view: RunView, styles: Mapping[str, ArmStyle]) -> tuple[Charts, dict[str, Any]]:
    """Return the charts, and what the templates show beside them."""
    charts = charts_of(view, styles)
    is_small = len(view.labels) <= MATRIX_LIMIT
    confusion = views.confusion_grid if is_small else views.confusions_list
    arms = list(enumerate(view.arms))
    rows = browser_rows(view)
    quality = [found for arm in view.arms if (found := view.quality(arm)) is not None]
    return charts, {
        "arms_grid": views.arms_grid(view, styles),
        "differences_grid": views.differences_grid(view, styles),
        "size_lines": size_lines(view),
        "saturation_words": saturation_words(charts.steps),
        "labels_grid": views.labels_grid(view),
        "makers_grid": makers_grid(view, charts.makers),
        "maker_styles": maker_styles(charts.makers),
        "f1_grid": views.f1_grid(view),
        "class_grids": [(arm, views.classes_grid(view, arm, place)) for place, arm in arms],
        "confusion_grids": [(arm, confusion(view, arm, place)) for place, arm in arms],
        "calibration_grid": calibration_grid(charts.reliable, styles),
        "weighted": [
            (arm, chart, view.arm_details(arm).weights, weighed_rows(view, arm))
            for arm, chart in charts.weights.items()
        ],
        "inspected": inspected(view),
        "quality_threshold": quality[0].threshold if quality else 0.9,
        "curation_grid": views.curation_grid(view, styles),
        "rows": embedded_json(rows),
        "row_count": len(rows["rows"]),
        "row_total": rows["total"],
        "cost_grid": views.cost_grid(view, styles),
    }


def _policy(script: str, plotly: str) -> str:
    hashes = " ".join(f"'sha256-{_sha256(code)}'" for code in (script, plotly))
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _packed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _rerun_command(folder: Path) -> str:
    """Return the command that runs the experiment again; a path outside the working folder is left out of the page."""
    place = Path(os.path.relpath(folder)) if folder.is_absolute() else folder
    if ".." in place.parts:
        place = Path(folder.resolve().name)
    return shlex.join(["augtune", "run", str(place / "experiment.yaml"), "--out", str(place.parent)])
