"""Saturation: what each further step in synthetic rows adds, arm against arm on the same test rows and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from augtune.core.errors import SettingsError
from augtune.core.labels import Labels
from augtune.core.seeds import generator
from augtune.core.task import TaskName
from augtune.evaluation.metrics import Metric, metrics_of
from augtune.evaluation.resample import pooled, resample, run_weights
from augtune.reporting import words
from augtune.reporting.figure import MUTED, Chart, axis_of, plot_label
from augtune.reporting.points import Mark, marks_figure, padded, vertical
from augtune.reporting.read import RunView
from augtune.reporting.sizes import SizeLine, size_lines

__all__ = ["Step", "saturation_chart", "saturation_words", "steps_of"]

RESAMPLES = 2_000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Step:
    """A step from fewer synthetic rows to more.

    Args:
        line: The sizes it is one of.
        rows: Synthetic rows before and after.
        gain: Difference in the metric that decides, more rows less fewer.
        interval: Its 95 % interval, by a bootstrap of test rows and seeds, paired.
        is_gain: Whether the interval lies on the better side of zero.
    """

    line: SizeLine
    rows: tuple[int, int]
    gain: float
    interval: tuple[float, float]
    is_gain: bool


def steps_of(view: RunView) -> list[Step]:
    """Return every step of every line of sizes; empty where sizes were not swept or predictions were not kept."""
    metric = _metric(view)
    if metric is None:
        return []
    steps = []
    for line in size_lines(view):
        tables = {arm: _table(view, arm) for _, arm in line.arms}
        for (fewer, before), (more, after) in pairwise(line.arms):
            one, other = tables[after], tables[before]
            if one is not None and other is not None and one.ids == other.ids:
                gain, bounds = _gain(metric, one, other)
                better = bounds[1] < 0 if view.metric in words.LOWER_IS_BETTER else bounds[0] > 0
                steps.append(Step(line, (fewer, more), gain, bounds, better))
    return steps


def _metric(view: RunView) -> Metric | None:
    """Return the metric that decides; None where rows may have several labels or it is no catalogued one."""
    if view.details.task == "multi_label":
        return None
    task: TaskName = "ordinal" if view.details.task == "ordinal" else "single_label"
    try:
        return metrics_of([view.metric])[0].bound(Labels(tuple(view.labels), task=task))
    except SettingsError:
        return None


@dataclass(frozen=True, eq=False, slots=True)
class _Table:
    """An arm's predictions: ids, ``(S, N, K)`` probabilities, ``(N,)`` true columns, the draw of each run if known."""

    ids: tuple[str, ...]
    probabilities: np.ndarray
    truth: np.ndarray
    groups: tuple[int, ...] | None


def _table(view: RunView, arm: str) -> _Table | None:
    column = {label: k for k, label in enumerate(view.labels)}
    runs: list[list[list[float]]] = []
    ids: tuple[str, ...] = ()
    truth = np.zeros(0)
    for seed in view.seeds:
        rows = [row for row in view.predictions(arm, seed) if row.probabilities]
        told = tuple(row.id for row in rows)
        if not rows or (runs and told != ids) or any(row.label not in column for row in rows):
            return None
        ids, truth = told, np.array([column[str(row.label)] for row in rows])
        runs.append([[row.probabilities.get(label, 0.0) for label in view.labels] for row in rows])
    draws = [(one.model_extra or {}).get("data_seed") for one in view.arm(arm).per_seed]
    groups = None if None in draws else tuple(int(draw) for draw in draws if draw is not None)
    return _Table(ids, np.array(runs), truth, groups)


def _gain(metric: Metric, one: _Table, other: _Table) -> tuple[float, tuple[float, float]]:
    """Return the difference of the means over seeds and its interval."""
    random, runs = generator(0, "saturation"), len(one.probabilities)
    weights = run_weights(runs, RESAMPLES, random, one.groups)
    both = np.concatenate([one.probabilities, other.probabilities])
    found = resample(both, one.truth, [metric], resamples=RESAMPLES, random=random)[metric.key]
    differences = pooled(found[:, :runs], weights) - pooled(found[:, runs:], weights)
    scores = [metric.value(table, one.truth) for table in both]
    low, high = np.quantile(differences, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(np.mean(scores[:runs]) - np.mean(scores[runs:])), (float(low), float(high))


def saturation_chart(view: RunView, steps: Sequence[Step]) -> Chart | None:
    """Return what each step adds, with intervals; None without steps."""
    if not steps:
        return None
    many = len({step.line.name for step in steps}) > 1
    marks = [_mark(step, many) for step in steps]
    name = words.metric_name(view.metric)
    values = [0.0, *(value for mark in marks for value in mark.reach())]
    axis = axis_of(title_text=f"Gain in {name} over the size before", range=padded(values), nticks=6)
    spoken = "; ".join(f"{mark.name} {mark.written}" for mark in marks)
    alt = f"Gain in {name} of each step to more synthetic rows, with 95 % intervals: {spoken}."
    figure: Any = marks_figure(marks, axis, [vertical(0, MUTED)])
    return Chart("chart-saturation", "What further rows add", alt, figure)


def _mark(step: Step, many: bool) -> Mark:
    sizes = f"{step.rows[0]:,} → {step.rows[1]:,}"
    name = f"{words.clip(step.line.name, 14)} {sizes}" if many else f"{sizes} rows"
    written = f"{words.difference(step.gain)} {words.interval(step.interval, signed=True)}"
    hover = f"{plot_label(step.line.name, 60)}<br>{sizes} rows<br>{written}"
    return Mark(name, written, step.gain, step.interval, step.line.style, hover)


def saturation_words(steps: Sequence[Step]) -> list[str]:
    """Return a sentence per line: the last step whose gain shows."""
    by_line: dict[str, list[Step]] = {}
    for step in steps:
        by_line.setdefault(step.line.name, []).append(step)
    sentences = []
    for name, own in by_line.items():
        gains = [step for step in own if step.is_gain]
        last = own[-1].rows[1]
        if not gains:
            sentences.append(f"{name}: no step up to {last:,} rows shows a gain.")
        elif gains[-1] is own[-1]:
            sentences.append(f"{name}: the last step, to {last:,} rows, still shows a gain.")
        else:
            sentences.append(f"{name}: no step beyond {gains[-1].rows[1]:,} rows shows a gain.")
    return sentences
