"""Reliability: how often an arm is right where it says it is sure, in bins of confidence (Guo et al. 2017)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from augtune.evaluation.metrics import confidence_bins
from augtune.reporting import words
from augtune.reporting.figure import GRID, MUTED, Chart, Styles, axis_of, figure_of, layout_of
from augtune.reporting.grid import Cell, Column, Grid, count_cell, number_cell, text_cell
from augtune.reporting.palette import ArmStyle
from augtune.reporting.read import RunView

__all__ = ["Reliability", "calibration_grid", "reliability_chart", "reliability_of"]

BINS = 15
"""As many as the metric ``ece`` has by default."""
EVEN = 0.02
"""Gap between confidence and accuracy up to which an arm is called neither over- nor underconfident."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of about the same confidence: how many, all seeds together, their mean confidence, the share right."""

    answers: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """How an arm's confidence fits how often it is right.

    Args:
        bins: Those with answers in them, the least sure first.
        seeds: How many seeds are counted together.
        ece: Expected calibration error, mean over seeds.
    """

    bins: tuple[Bin, ...]
    seeds: int
    ece: float

    @property
    def confidence(self) -> float:
        """Mean confidence over all answers."""
        return sum(one.answers * one.confidence for one in self.bins) / sum(one.answers for one in self.bins)

    @property
    def accuracy(self) -> float:
        """Share of all answers that are right."""
        return sum(one.answers * one.accuracy for one in self.bins) / sum(one.answers for one in self.bins)

    def interval(self, one: Bin) -> tuple[float, float]:
        """Return the 95 % interval of a bin's accuracy (Wilson 1927); a test row counts once, not once per seed."""
        n, z = max(one.answers / self.seeds, 1.0), 1.959964
        middle = (one.accuracy + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(one.accuracy * (1 - one.accuracy) / n + z * z / (4 * n * n))
        return max(middle - half, 0.0), min(middle + half, 1.0)


def reliability_of(view: RunView, arm: str) -> Reliability | None:
    """Return an arm's reliability; None where predictions were not kept, or where a row may have several labels."""
    if view.details.task == "multi_label":
        return None
    seeds = [found for seed in view.seeds if (found := _answers(view, arm, seed)) is not None]
    if not seeds:
        return None
    confidence, right = (np.concatenate([one[k] for one in seeds]) for k in (0, 1))
    bins = [
        Bin(n, sure, correct) for n, sure, correct in zip(*_binned(confidence, right), strict=True) if n
    ]  # fmt: skip
    return Reliability(tuple(bins), len(seeds), float(np.mean([_ece(*one) for one in seeds])))


def _answers(view: RunView, arm: str, seed: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the confidence of each answer and whether it is right, both ``(N,)``."""
    rows = [row for row in view.predictions(arm, seed) if row.probabilities]
    if not rows:
        return None
    confidence = np.array([max(row.probabilities.values()) for row in rows], dtype=np.float64)
    return confidence, np.array([row.predicted == row.label for row in rows], dtype=np.float64)


def _binned(confidence: np.ndarray, right: np.ndarray) -> tuple[list[int], list[float], list[float]]:
    place = confidence_bins(confidence, BINS)
    counts = np.bincount(place, minlength=BINS)
    sums = [np.bincount(place, values, minlength=BINS) / np.maximum(counts, 1) for values in (confidence, right)]
    return counts.tolist(), sums[0].tolist(), sums[1].tolist()


def _ece(confidence: np.ndarray, right: np.ndarray) -> float:
    counts, sure, correct = _binned(confidence, right)
    gaps = sum(n * abs(a - b) for n, a, b in zip(counts, sure, correct, strict=True))
    return gaps / len(confidence)


def reliability_chart(arm: str, found: Reliability, style: ArmStyle, place: int) -> Chart:
    """Return an arm's reliability diagram: share right by confidence, with intervals; larger marks are more answers."""
    most = max(one.answers for one in found.bins)
    bounds = [found.interval(one) for one in found.bins]
    points = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [one.confidence for one in found.bins],
        "y": [one.accuracy for one in found.bins],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [high - one.accuracy for one, (_, high) in zip(found.bins, bounds, strict=True)],
            "arrayminus": [one.accuracy - low for one, (low, _) in zip(found.bins, bounds, strict=True)],
            "color": style.color,
            "thickness": 1,
            "width": 0,
        },
        "line": {"color": style.color, "width": 1.5},
        "marker": {"color": style.color, "size": [5 + 11 * math.sqrt(one.answers / most) for one in found.bins]},
        "hovertext": [_told(one) for one in found.bins],
        "hoverinfo": "text",
        "cliponaxis": False,
    }
    even = {"type": "line", "layer": "below", "line": {"color": MUTED, "width": 1.5, "dash": "dot"}}
    layout = layout_of(
        320,
        width=400,
        margin={"l": 8, "r": 12, "t": 8, "b": 44, "pad": 0},
        xaxis=axis_of(title_text="Confidence", range=[0, 1.01], nticks=6),
        yaxis=axis_of(title_text="Share right", range=[-0.01, 1.02], nticks=6, showgrid=True, gridcolor=GRID),
        shapes=[{**even, "x0": 0, "x1": 1, "y0": 0, "y1": 1}],
    )
    spoken = "; ".join(f"{one.confidence:.2f} sure, {one.accuracy:.2f} right ({one.answers})" for one in found.bins)
    alt = f"Reliability of {arm}: share of answers that are right by confidence: {spoken}. ECE {found.ece:.3f}."
    return Chart(f"chart-reliability-{place}", arm, alt, figure_of([points], layout), table=_bins(arm, found, place))


def _told(one: Bin) -> str:
    return f"confidence {one.confidence:.3f}<br>right {one.accuracy:.3f}<br>{one.answers:,} answers"


def _bins(arm: str, found: Reliability, place: int) -> Grid:
    columns = [Column(name, numeric=True) for name in ("Confidence", "Right", "95 % interval", "Answers")]
    rows = []
    for one in found.bins:
        bounds = found.interval(one)
        cells = [number_cell(value, words.number(value)) for value in (one.confidence, one.accuracy)]
        rows.append([*cells, number_cell(bounds[0], words.interval(bounds)), count_cell(one.answers)])
    return Grid(f"table-reliability-{place}", f"{arm}: share right by confidence.", columns, rows, quiet=True)


def calibration_grid(found: Sequence[tuple[str, Reliability]], styles: Styles) -> Grid:
    """Return calibration error, mean confidence and accuracy of each arm, and what they say together."""
    columns = [Column("Arm"), *(Column(name, numeric=True) for name in ("ECE", "Confidence", "Accuracy", "Gap"))]
    rows: list[list[Any]] = []
    for arm, one in found:
        gap = one.confidence - one.accuracy
        numbers = [number_cell(value, words.number(value)) for value in (one.ece, one.confidence, one.accuracy)]
        cells = [Cell(arm, value=arm, arm=styles[arm]), *numbers, number_cell(gap, words.difference(gap))]
        rows.append([*cells, text_cell(_says(gap))])
    caption = "Confidence against accuracy; the gap is what confidence is too high (+) or too low (−) by."
    return Grid("table-calibration", caption, [*columns, Column("So it is")], rows, quiet=True)


def _says(gap: float) -> str:
    if abs(gap) <= EVEN:
        return "about right overall"
    return "too sure" if gap > 0 else "not sure enough"
