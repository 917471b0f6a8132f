"""The paired permutation test: if two models are alike, swapping their predictions of a row changes nothing.

Shapes: ``N`` rows, ``S`` runs of each model, ``K`` classes, ``R`` swappings, ``U`` kinds of rows, ``C`` sums.

Rows with the same truth and the same predictions are of one kind; how many of a kind are swapped is binomial, and the
metrics of all swappings are functions of one product ``(R, U) @ (U, S C)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from augtune.evaluation.answers import row_kinds
from augtune.evaluation.metrics import CountMetric, Metric
from augtune.evaluation.ranking import RankMetric
from augtune.evaluation.resample import CHUNK_CELLS

__all__ = ["EXACT_STATES", "Permuted", "permute"]

EXACT_STATES = 65_536
"""With no more than so many different swappings, all of them are gone through: 16 rows that differ, or more alike."""

TOLERANCE = 1e-12
"""Differences this close to the one observed count as equal: they are, but for the order of adding."""

Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Permuted:
    """What a permutation test found.

    Args:
        p: Two-sided p: the share of swappings whose difference is at least as large as the one observed.
        is_exact: Whether all swappings were gone through; else ``R`` were drawn and p = (b + 1) / (R + 1).
    """

    p: float
    is_exact: bool


def permute(
    models: tuple[np.ndarray, np.ndarray],
    truth: np.ndarray,
    metrics: Sequence[Metric],
    *,
    resamples: int,
    random: np.random.Generator,
) -> dict[str, Permuted]:
    """Return the test of each metric's difference, the mean over runs (Fisher 1935; Phipson and Smyth 2010 for + 1).

    In a swapped row every run of one model changes places with the same run of the other.

    Args:
        models: ``(S, N, K)`` of each model.
        truth: ``(N,)`` column of each row's label.
        metrics: What to compare by.
        resamples: ``R``, swappings to draw where there are too many to go through.
        random: Where chance comes from.
    """
    by_row = np.arange(len(truth))
    found = {}
    for metric in metrics:
        kinds = row_kinds(np.concatenate(models), truth) if isinstance(metric, CountMetric) else by_row
        counts, statistic = (_of_ranks if isinstance(metric, RankMetric) else _of_sums)(metric, models, truth, kinds)
        found[metric.key] = _tested(counts, statistic, resamples, random)
    return found


def _tested(counts: np.ndarray, statistic: Statistic, resamples: int, random: np.random.Generator) -> Permuted:
    """Return the test of a statistic of how many rows of each kind are swapped, ``(R, U)`` to ``(R,)``."""
    observed = float(abs(statistic(np.zeros((1, len(counts))))[0]))
    reached = observed - TOLERANCE * max(1.0, observed)
    states = np.prod(counts.astype(np.float64) + 1)
    if states <= EXACT_STATES:
        swaps, chances = _every(counts, int(states))
        return Permuted(min(1.0, float(chances[np.abs(statistic(swaps)) >= reached].sum())), True)
    beyond = sum(int((np.abs(statistic(swaps)) >= reached).sum()) for swaps in _drawn(counts, resamples, random))
    return Permuted((beyond + 1) / (resamples + 1), False)


def _every(counts: np.ndarray, states: int) -> tuple[np.ndarray, np.ndarray]:
    """Return all ways to swap, ``(R, U)``, and their probabilities, ``(R,)``."""
    from scipy.special import gammaln

    swaps = np.indices(tuple(counts + 1)).reshape(len(counts), states).T.astype(np.float64)
    ways = gammaln(counts + 1) - gammaln(swaps + 1) - gammaln(counts - swaps + 1) - counts * np.log(2)
    return swaps, np.exp(ways.sum(axis=1))


def _drawn(counts: np.ndarray, resamples: int, random: np.random.Generator) -> Iterator[np.ndarray]:
    step = max(1, CHUNK_CELLS // max(1, len(counts)))
    for start in range(0, resamples, step):
        size = (min(step, resamples - start), len(counts))
        coins = (
            random.integers(2, size=size, dtype=np.int8) if counts.max() == 1 else random.binomial(counts, 0.5, size)
        )
        yield coins.astype(np.float64)


def _of_sums(
    metric: Metric, models: tuple[np.ndarray, np.ndarray], truth: np.ndarray, kinds: np.ndarray
) -> tuple[np.ndarray, Statistic]:
    """Return the counts of the kinds of rows that a swap changes, ``(U,)``, and the difference given the swaps."""
    _, first, counts = np.unique(kinds, return_index=True, return_counts=True)
    here, there = (np.stack([metric.row_sums(run[first], truth[first]) for run in one], axis=1) for one in models)
    change = there - here  # (U, S, C)
    moves = np.flatnonzero(np.any(change != 0, axis=(1, 2)))
    runs, width = change.shape[1:]
    totals = [np.tensordot(counts, one, axes=1) for one in (here, there)]
    moved = change[moves].reshape(len(moves), runs * width)

    def statistic(swaps: np.ndarray) -> np.ndarray:
        shift = (swaps @ moved).reshape(len(swaps), runs, width)
        first, second = totals[0] + shift, totals[1] - shift
        return np.asarray((metric.of_part(first, first) - metric.of_part(second, second)).mean(axis=1))

    return counts[moves], statistic


def _of_ranks(
    metric: Metric, models: tuple[np.ndarray, np.ndarray], truth: np.ndarray, kinds: np.ndarray
) -> tuple[np.ndarray, Statistic]:
    """Return the same of a metric that is no function of sums: both models' rows are ranked together, once."""
    moves = np.flatnonzero(np.any(models[0] != models[1], axis=(0, 2)))
    both = np.concatenate([truth, truth])
    scorers = [metric.scorer(np.concatenate(pair), both) for pair in zip(*models, strict=True)]

    def statistic(swaps: np.ndarray) -> np.ndarray:
        other = np.zeros((len(swaps), len(truth)))
        other[:, moves] = swaps
        first, second = (np.concatenate(sides, axis=1) for sides in ((1 - other, other), (other, 1 - other)))
        return np.asarray(np.mean([score(first) - score(second) for score in scorers], axis=0))

    return np.ones(len(moves), dtype=np.int64), statistic
