"""The generators of a run side by side: the labels each wrote, how much was kept, what its arms score."""

from __future__ import annotations

import hashlib
import re
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from augtune.reporting import words
from augtune.reporting.figure import GRID, INK, Chart, axis_of, figure_of, layout_of, plot_label
from augtune.reporting.grid import Cell, Column, Grid, count_cell, number_cell, text_cell
from augtune.reporting.palette import ROLES, ArmStyle, arm_styles
from augtune.reporting.read import RunView
from augtune.reporting.schema import RowRecord

__all__ = ["Maker", "maker_styles", "makers", "makers_chart", "makers_grid"]

MOST = 8
NUMBERED = re.compile(r"^(.+)-\d+$")
GENERATE = "generate"


@dataclass(frozen=True, slots=True)
class Maker:
    """What one generator wrote for one set of rows.

    Args:
        name: What it is called.
        arms: The arms trained on all of these rows; smaller samples of them are not named.
        kept: Kept rows per label.
        dropped: How many of its rows were dropped.
        length: Mean length of a kept row, in words separated by blanks.
        is_alone: Whether those arms have synthetic rows of no other generator.
    """

    name: str
    arms: tuple[str, ...]
    kept: Mapping[str, int]
    dropped: int
    length: float
    is_alone: bool

    @property
    def rows(self) -> int:
        """How many rows were kept."""
        return sum(self.kept.values())


def makers(view: RunView) -> list[Maker]:
    """Return the generators whose rows the arms trained on; empty if there are none.

    Rows that are part of a larger sample of the same generator's are not listed again.
    """
    found: dict[tuple[str, bytes], list[_Written]] = {}
    kinds: Counter[str] = Counter()
    dropped = {arm: Counter(map(_kind, view.dropped(arm))) for arm in view.arms}
    for arm in view.arms:
        for one in _written(view, arm):
            found.setdefault((one.kind, one.marks().tobytes()), []).append(one)
            kinds[arm] += 1
    alike = list(found.values())
    largest = [group for group in alike if not any(group[0].is_part_of(other[0]) for other in alike)]
    names = _names(view, [(group[0].kind, [one.arm for one in group]) for group in largest])
    return [
        Maker(
            name,
            tuple(one.arm for one in group),
            group[0].labels,
            dropped[group[0].arm][group[0].kind],
            group[0].words / group[0].count,
            kinds[group[0].arm] == 1,
        )
        for name, group in zip(names, largest, strict=True)
    ]


class _Written:
    """What is counted of the rows of one generator in one arm."""

    def __init__(self, kind: str, arm: str) -> None:
        self.kind, self.arm = kind, arm
        self.labels: Counter[str] = Counter()
        self.words = self.count = 0
        self._marks = array("Q")

    def add(self, row: RowRecord) -> None:
        """Count one more row."""
        self.labels[row.label] += 1
        self.words += len(row.text.split())
        self.count += 1
        told = repr((row.id, row.text)).encode("utf-8", "surrogatepass")
        self._marks.append(int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "little"))

    def marks(self) -> np.ndarray:
        """Return a number for each different row, in order of size."""
        return np.unique(np.frombuffer(self._marks, dtype=np.uint64))

    def is_part_of(self, other: _Written) -> bool:
        """Return whether the rows are some of another's of the same generator, and not all."""
        if self.kind != other.kind or self is other:
            return False
        ours, others = self.marks(), other.marks()
        return len(ours) < len(others) and bool(np.isin(ours, others).all())


def _written(view: RunView, arm: str) -> list[_Written]:
    found: dict[str, _Written] = {}
    for row in view.kept(arm):
        kind = _kind(row)
        if kind not in found:
            found[kind] = _Written(kind, arm)
        found[kind].add(row)
    return list(found.values())


def _kind(row: RowRecord) -> str:
    """Return who wrote a row: rows are numbered by generator, as in ``gpt3mix-0017``."""
    numbered = NUMBERED.match(row.id)
    return numbered[1] if numbered else row.generator or "synthetic rows"


def _names(view: RunView, found: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """Return what each is called: the sweep's word for it, else the generator; with the arm where two are alike."""
    kinds = Counter(arm for _, arms in found for arm in arms)
    names = []
    for kind, arms in found:
        swept = view.arm(arms[0]).axes.get(GENERATE)
        names.append(str(swept) if swept is not None and kinds[arms[0]] == 1 else kind)
    times = Counter(names)
    return [name if times[name] == 1 else f"{name} · {arms[0]}" for name, (_, arms) in zip(names, found, strict=True)]


def maker_styles(found: Sequence[Maker]) -> dict[str, ArmStyle]:
    """Return how each generator is drawn."""
    return arm_styles([one.name for one in found], None)


def makers_chart(view: RunView, found: Sequence[Maker]) -> Chart | None:
    """Return the share of each label in what the generators wrote and among the human rows; None without generators.

    The human rows are left out where arms differ in them.
    Of many generators the first are drawn; the table has all.
    """
    if not found:
        return None
    drawn, styles = found[:MOST], maker_styles(found)
    human = view.shared_human()
    traces = [_trace(view, one.kept, one.name, styles[one.name]) for one in drawn]
    if human is not None:
        traces.insert(0, _trace(view, human, "human rows", ArmStyle(0, ROLES["human"][0], "circle")))
    names = [plot_label(label, 24) for label in view.labels]
    top = max(max(trace["x"], default=0.0) for trace in traces)
    layout = layout_of(
        34 * len(names) + 64,
        margin={"l": 0, "r": 12, "t": 4, "b": 48, "pad": 6},
        xaxis=axis_of(
            title_text="Share of its rows, %", range=[-0.02 * top, 1.06 * top], nticks=6, showgrid=True, gridcolor=GRID
        ),
        yaxis=axis_of(
            tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.5, -0.5],
            tickfont={"color": INK, "size": 12}, showgrid=True, gridcolor=GRID,
        ),
    )  # fmt: skip
    spoken = "; ".join(f"{name}: {_spoken(view, kept)}" for name, kept in [
        *([] if human is None else [("human rows", human)]), *((one.name, one.kept) for one in drawn)
    ])  # fmt: skip
    alt = f"Share of each label by who wrote the rows. {spoken}."
    figure = figure_of(traces, layout)
    return Chart("chart-makers", "Labels by generator", alt, figure, [one.name for one in drawn], _table(view, found))


def _shares(view: RunView, counts: Mapping[str, int]) -> list[float]:
    total = sum(counts.values()) or 1
    return [100 * counts.get(label, 0) / total for label in view.labels]


def _trace(view: RunView, counts: Mapping[str, int], name: str, style: ArmStyle) -> dict[str, Any]:
    shares = _shares(view, counts)
    told = [
        f"{plot_label(name, 60)}<br>{plot_label(label, 40)}: {counts.get(label, 0):,} rows, {share:.0f} %"
        for label, share in zip(view.labels, shares, strict=True)
    ]
    return {
        "type": "scatter", "mode": "markers", "name": plot_label(name, 60), "cliponaxis": False,
        "x": shares, "y": list(range(len(shares))),
        "marker": {"size": 12, "color": style.color, "symbol": style.symbol, "line": {"width": 0}, "opacity": 0.9},
        "hovertext": told, "hoverinfo": "text",
    }  # fmt: skip


def _spoken(view: RunView, counts: Mapping[str, int]) -> str:
    return ", ".join(f"{label} {share:.0f} %" for label, share in zip(view.labels, _shares(view, counts), strict=True))


def _table(view: RunView, found: Sequence[Maker]) -> Grid:
    human = view.shared_human()
    people = [] if human is None else [human]
    columns = [Column("Label"), *(Column("Human rows", numeric=True) for _ in people)]
    columns += [Column(one.name, numeric=True) for one in found]
    sets = [*people, *(one.kept for one in found)]
    rows = []
    for label in view.labels:
        counts = [(one.get(label, 0), sum(one.values())) for one in sets]
        shares = [n / total if total else 0.0 for n, total in counts]
        cells = [
            number_cell(n, words.count(n), words.share(share)) for (n, _), share in zip(counts, shares, strict=True)
        ]
        rows.append([text_cell(label), *cells])
    return Grid("table-makers-labels", "Rows per label by who wrote them.", columns, rows, quiet=True)


def makers_grid(view: RunView, found: Sequence[Maker]) -> Grid:
    """Return the generators with rows kept and dropped, how far their labels are from the human rows', and the score.

    The score is that of the best arm whose synthetic rows are this generator's alone.
    """
    styles = maker_styles(found)
    headings = (
        "Kept",
        "Dropped",
        "Of written",
        "Words a row",
        "Labels off by",
        f"Best {words.metric_name(view.metric)}",
    )
    columns = [Column("Generator"), *(Column(name, numeric=True) for name in headings), Column("Arms")]
    rows: list[list[Cell]] = []
    for one in found:
        human = _shares(view, view.human(one.arms[0]))
        off = sum(abs(a - b) for a, b in zip(_shares(view, one.kept), human, strict=True)) / 200
        kept = one.rows / (one.rows + one.dropped)
        rows.append([
            Cell(one.name, value=one.name, arm=styles[one.name]), count_cell(one.rows), count_cell(one.dropped),
            number_cell(kept, words.share(kept)), number_cell(one.length, words.number(one.length, 1)),
            number_cell(off, words.share(off)), _best(view, one),
            Cell(words.spoken_list(one.arms), value=one.arms[0], prose=True),
        ])  # fmt: skip
    caption = (
        "What each generator wrote; labels are off by the share of its rows that would need another label to have the "
        "human rows' shares."
    )
    return Grid("table-makers", caption, columns, rows)


def _best(view: RunView, one: Maker) -> Cell:
    sign = -1.0 if view.metric in words.LOWER_IS_BETTER else 1.0
    means = {arm: mean for arm in one.arms if (mean := view.arm(arm).mean.get(view.metric)) is not None}
    if not one.is_alone or not means:
        return number_cell(None, words.MISSING)
    best = max(means, key=lambda arm: sign * means[arm])
    return number_cell(means[best], words.number(means[best]), words.interval(view.arm(best).interval.get(view.metric)))
