"""Learning curves: the loss of every optimizer step, smoothed and thinned to what a chart can show, and evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from augtune.reporting.read import RunView
from augtune.reporting.schema import HistoryPoint

__all__ = ["MOST_ARMS", "Curve", "Line", "learning_curves", "measured_curves"]

POINTS = 160
MOST_ARMS = 8
"""More lines than this cover each other."""
WINDOW_SHARE = 0.06


@dataclass(frozen=True, slots=True)
class Line:
    """A line: steps and losses (or what else was measured), equally many."""

    steps: list[int]
    losses: list[float]

    def points(self) -> Iterator[tuple[int, float]]:
        """Yield ``(step, loss)``."""
        return zip(self.steps, self.losses, strict=True)


@dataclass(frozen=True, slots=True)
class Curve:
    """An arm's learning curve.

    Args:
        arm: The arm.
        seeds: One line per seed.
        mean: Their mean, over the steps all of them reached.
        stages: Step, loss and name of every stage after the first, on the mean line.
    """

    arm: str
    seeds: list[Line]
    mean: Line
    stages: list[tuple[int, float, str]]


def learning_curves(view: RunView, most: int = MOST_ARMS) -> list[Curve]:
    """Return a curve for every arm whose losses are on record; of many arms, of the baseline and the best."""
    return [curve for arm in view.leading(most) if (curve := _curve(view, arm)) is not None]


def measured_curves(view: RunView, measure: str, most: int = MOST_ARMS) -> list[Curve]:
    """Return a curve of a measure of the validation rows for every arm that was evaluated while training.

    Args:
        view: The run.
        measure: ``macro_f1``, ``accuracy`` or ``validation_loss``.
        most: Arms at most; of more, the baseline and the best.
    """
    return [curve for arm in view.leading(most) if (curve := _measured(view, arm, measure)) is not None]


def _measured(view: RunView, arm: str, measure: str) -> Curve | None:
    histories = [view.history(arm, seed) for seed in view.seeds]
    found = [
        {
            step: value
            for step, point in zip(_counted(one), one, strict=True)
            if _is_known(value := getattr(point, measure))
        }
        for one in histories
    ]
    found = [one for one in found if one]
    shared = sorted(set.intersection(*map(set, found))) if found else []
    if not shared:
        return None
    mean = [round(sum(one[step] for one in found) / len(found), 4) for step in shared]
    return Curve(arm, [Line(list(one), [round(y, 4) for y in one.values()]) for one in found], Line(shared, mean), [])


def _is_known(value: float | None) -> bool:
    return value is not None and bool(np.isfinite(value))


def _curve(view: RunView, arm: str) -> Curve | None:
    histories = [_with_loss(view.history(arm, seed)) for seed in view.seeds]
    histories = [history for history in histories if history]
    if not histories:
        return None
    length = min(map(len, histories))
    smooth = [_smoothed(history) for history in histories]
    steps = _counted(histories[0])
    mean = np.mean([losses[:length] for losses in smooth], axis=0)
    lines = [_thinned(_counted(history), losses) for history, losses in zip(histories, smooth, strict=True)]
    stages = [(steps[i], round(float(mean[i]), 4), str(histories[0][i].stage)) for i in _starts(histories[0][:length])]
    return Curve(arm, lines, _thinned(steps[:length], mean), stages)


def _with_loss(history: Sequence[HistoryPoint]) -> list[HistoryPoint]:
    return [point for point in history if point.loss is not None and np.isfinite(point.loss)]


def _starts(history: Sequence[HistoryPoint]) -> list[int]:
    """Return where a stage begins that is not the first."""
    return [i for i in range(1, len(history)) if history[i].stage != history[i - 1].stage]


def _counted(history: Sequence[HistoryPoint]) -> list[int]:
    """Return the steps counted through all stages, also where each stage counts its own from the start."""
    steps: list[int] = []
    offset, last = 0, 0
    for point in history:
        if steps and point.step < last:
            offset = steps[-1]
        last = point.step
        steps.append(offset + point.step)
    return steps


def _smoothed(history: Sequence[HistoryPoint]) -> np.ndarray:
    """Return the running mean of the losses, ``(N,)``, never across the border of two stages.

    The window is narrower at both ends, so that the first and the last step keep their place.
    """
    losses = np.array([point.loss for point in history], dtype=np.float64)
    half = max(int(len(losses) * WINDOW_SHARE / 2), 1)
    borders = [0, *_starts(history), len(losses)]
    parts = [_running_mean(losses[a:b], half) for a, b in pairwise(borders)]
    return np.concatenate(parts)


def _running_mean(values: np.ndarray, half: int) -> np.ndarray:
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    reach = np.minimum(half, np.minimum(places, len(values) - 1 - places) + half // 2)
    low, high = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(values))
    return np.asarray((sums[high] - sums[low]) / (high - low))


def _thinned(steps: Sequence[int], losses: np.ndarray) -> Line:
    keep = np.unique(np.linspace(0, len(steps) - 1, min(POINTS, len(steps))).round().astype(int))
    return Line([steps[i] for i in keep], [round(float(losses[i]), 4) for i in keep])
