"""The charts of a run as files for papers and slides: SVG, PDF or PNG, without browser or network."""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from augtune.core.errors import StorageError
from augtune.core.extras import need
from augtune.core.files import atomic_write
from augtune.reporting.charts import charts_of
from augtune.reporting.confusions import confusion_charts
from augtune.reporting.drawing import drawn
from augtune.reporting.figure import Chart
from augtune.reporting.palette import arm_styles
from augtune.reporting.read import HasFolder, RunView, read_run

__all__ = ["FORMATS", "ChartFiles", "Format", "export_charts"]

Format = Literal["svg", "pdf", "png"]
FORMATS: tuple[Format, ...] = get_args(Format)
PNG_DPI = 200
FONTS = (
    "DejaVu Sans", "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans Arabic",
    "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai", "Noto Emoji", "WenQuanYi Zen Hei", "PingFang SC",
    "Microsoft YaHei", "Arial Unicode MS",
)  # fmt: skip
"""Looked through, in this order, for each character of a label; those that are not installed are left out."""
MISSING = re.compile(r"^Glyph (\d+)")
OF_ONE_ARM = re.compile(r"^(reliability|weights|routing|confusion)-\d+$")


@dataclass(frozen=True, slots=True)
class ChartFiles:
    """What was written.

    Args:
        paths: The files, in the order of the page.
        unreadable: Characters that no font here has; boxes stand for them.
    """

    paths: tuple[Path, ...]
    unreadable: str = ""


def export_charts(run: Path | str | HasFolder, folder: Path | str, *, format: Format = "svg") -> ChartFiles:
    """Write every chart of a run's report, and each arm's confusion matrix, as a file of its own.

    The files are named by what they show, in light colours, and the same bytes each time for the same run. SVG and PDF
    carry the shapes of their letters, so that they look the same everywhere. What a chart says in words is in the
    description that each file carries.

    Args:
        run: The run folder, or the results of a run.
        folder: Where to; it is made if it is not there.
        format: ``svg``, ``pdf`` or ``png`` (200 dots per inch).

    Raises:
        DataError: If the run folder is missing, is none, or is damaged.
        ExtraError: If matplotlib or plotly is not installed.
        StorageError: If a file cannot be written.
    """
    view, place = read_run(run), Path(folder)
    matplotlib: Any = need("matplotlib", extra="charts", to="draw charts into files")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{place}: cannot make this folder: {error.strerror}.") from error
    styles = arm_styles(view.arms, view.baseline)
    written: list[Path] = []
    missing: dict[str, None] = {}
    with matplotlib.rc_context(_settings()):
        for name, chart in _named([*charts_of(view, styles), *confusion_charts(view)]):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                content = _content(chart, view, format)
            missing |= dict.fromkeys(chr(int(found[1])) for one in caught if (found := MISSING.match(str(one.message))))
            path = place / f"{name}.{format}"
            with atomic_write(path, binary=True) as stream:
                stream.write(content)
            written.append(path)
    return ChartFiles(tuple(written), "".join(missing))


def _settings() -> dict[str, Any]:
    manager = need("matplotlib.font_manager", extra="charts", to="draw charts into files")
    known = set(manager.fontManager.get_font_names())
    return {
        "font.family": [name for name in FONTS if name in known],
        "svg.hashsalt": "augtune",
        "svg.fonttype": "path",
        "pdf.fonttype": 42,
    }


def _named(charts: list[Chart]) -> list[tuple[str, Chart]]:
    """Return each chart with the name of its file: its id, with the arm for its number where it is one arm's."""
    named: dict[str, Chart] = {}
    for chart in charts:
        name = chart.id.removeprefix("chart-")
        if found := OF_ONE_ARM.match(name):
            arm = re.sub(r"[^\w.+-]+", "-", chart.title).strip("-")[:60]
            name = f"{found[1]}-{arm}" if arm and f"{found[1]}-{arm}" not in named else name
        named[name] = chart
    return list(named.items())


def _content(chart: Chart, view: RunView, format: Format) -> bytes:
    about = {"Title": f"{view.name}: {chart.title}"}
    if format == "pdf":
        about |= {"Subject": chart.alt, "Creator": "augtune", "CreationDate": None}  # type: ignore[dict-item]
    else:
        about |= {"Description": chart.alt}
        about |= {"Creator": "augtune", "Date": None} if format == "svg" else {"Software": "augtune"}  # type: ignore[dict-item]
    stream = io.BytesIO()
    drawn(chart.figure).savefig(
        stream, format=format, dpi=PNG_DPI, metadata=about, bbox_inches="tight", pad_inches=0.06
    )  # fmt: skip
    return stream.getvalue()
