"""The bootstrap: metrics of many resamples of the test rows, for several models at once.

Shapes: ``N`` rows, ``M`` models or runs, ``K`` classes, ``R`` resamples, ``U`` distinct kinds of rows, ``C`` sums.

A row matters to a metric only through its sums (see ``metrics``), so rows with the same truth and the same predictions
of every model are one kind. A resample is then a count of each kind, and all resamples' sums are one product
``(R, U) @ (U, M C)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from augtune.evaluation.answers import row_kinds
from augtune.evaluation.metrics import CountMetric, Metric
from augtune.evaluation.ranking import RankMetric

__all__ = ["CHUNK_CELLS", "pooled", "resample", "run_weights"]

CHUNK_CELLS = 2_000_000
"""Cells of the largest array held at once, 16 MB each."""


def resample(
    probabilities: np.ndarray,
    truth: np.ndarray,
    metrics: Sequence[Metric],
    *,
    resamples: int,
    random: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Return each metric of each run in each resample of the rows.

    All runs see the same resamples, so differences between them are paired. Metrics of hard predictions share theirs.

    Args:
        probabilities: ``(M, N, K)``, runs aligned to the rows; or what ``answers`` has where rows have several labels.
        truth: ``(N,)`` column of each row's label, or ``(N, K)``.
        metrics: What to compute.
        resamples: ``R``, how often to draw ``N`` of the ``N`` rows with replacement.
        random: Where chance comes from.

    Returns:
        ``(R, M)`` per metric, by its ``key``.
    """
    hard = [metric for metric in metrics if isinstance(metric, CountMetric)]
    ranks = [metric for metric in metrics if isinstance(metric, RankMetric)]
    soft = [[metric] for metric in metrics if not isinstance(metric, (CountMetric, RankMetric))]
    values: dict[str, np.ndarray] = {}
    if hard:
        kinds = row_kinds(probabilities, truth)
        values |= _resample(probabilities, truth, kinds, [hard], _Chance(resamples, random))
    if soft:
        values |= _resample(probabilities, truth, np.arange(len(truth)), soft, _Chance(resamples, random))
    if ranks:
        values |= _resample_ranks(probabilities, truth, ranks, _Chance(resamples, random))
    return {metric.key: values[metric.key] for metric in metrics}


def run_weights(
    runs: int, resamples: int, random: np.random.Generator, groups: Sequence[int] | None = None
) -> np.ndarray:
    """Return how much each run counts in each resample, ``(R, runs)`` rows that sum to 1.

    ``runs - 1`` of the runs are drawn with replacement, which makes the variance of their mean unbiased (Rao and Wu
    1988); drawing all ``runs`` would understate it by 1/runs, a fifth for five seeds. A single run always counts 1.

    Runs on the same draw of the data are alike, so where there are groups, groups are drawn in this way, each with all
    of its runs: the spread within a group is part of that between the groups' means (Davison and Hinkley 1997, 3.8).

    Args:
        runs: How many.
        resamples: ``R``.
        random: Where chance comes from.
        groups: The group of each run; None, or one group alone, for runs each drawn by itself.
    """
    if runs == 1:
        return np.ones((resamples, 1))
    named, group_of_run = (np.arange(runs),) * 2 if groups is None else np.unique(groups, return_inverse=True)
    if len(named) in (1, runs):
        return random.multinomial(runs - 1, np.full(runs, 1 / runs), size=resamples) / (runs - 1)
    drawn = random.multinomial(len(named) - 1, np.full(len(named), 1 / len(named)), size=resamples)
    weights = drawn[:, group_of_run].astype(np.float64)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def pooled(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean over runs in each resample: ``(R, M)`` values and weights to ``(R,)``."""
    return np.asarray((values * weights).sum(axis=1))


class _Chance(NamedTuple):
    resamples: int
    random: np.random.Generator


def _resample(
    probabilities: np.ndarray,
    truth: np.ndarray,
    kinds: np.ndarray,
    families: Sequence[Sequence[Metric]],
    chance: _Chance,
) -> dict[str, np.ndarray]:
    """Return ``(R, M)`` per metric; the metrics of a family sum the same over rows."""
    _, first, kind_of_row = np.unique(kinds, return_index=True, return_inverse=True)
    sums = [_table(family[0], probabilities[:, first], truth[first]) for family in families]
    counts = np.bincount(kind_of_row, minlength=len(first)).astype(np.float64)
    wholes = [(counts @ by_kind).reshape(len(probabilities), -1) for by_kind in sums]
    values = {metric.key: np.empty((chance.resamples, len(probabilities))) for fam in families for metric in fam}
    for part, drawn in _draws(kind_of_row, len(first), chance):
        for family, by_kind, whole in zip(families, sums, wholes, strict=True):
            totals = (drawn @ by_kind).reshape(len(drawn), len(probabilities), -1)
            for metric in family:
                values[metric.key][part] = metric.of_part(totals, whole)
    return values


def _resample_ranks(
    probabilities: np.ndarray, truth: np.ndarray, metrics: Sequence[Metric], chance: _Chance
) -> dict[str, np.ndarray]:
    """Return ``(R, M)`` per metric; what is no function of sums is computed from how often each row is drawn."""
    scorers = {metric.key: [metric.scorer(run, truth) for run in probabilities] for metric in metrics}
    values = {key: np.empty((chance.resamples, len(probabilities))) for key in scorers}
    for part, drawn in _draws(np.arange(len(truth)), len(truth), chance):
        for key, by_run in scorers.items():
            values[key][part] = np.stack([score(drawn) for score in by_run], axis=1)
    return values


def _table(metric: Metric, probabilities: np.ndarray, truth: np.ndarray) -> Any:
    """Return what each kind of row adds to the sums of each run, ``(U, M C)``; sparse where it is mostly zeros."""
    table = np.stack([metric.row_sums(run, truth) for run in probabilities], axis=1).reshape(len(truth), -1)
    if np.count_nonzero(table) * 10 > table.size:
        return table
    from scipy import sparse

    return sparse.csr_array(table)  # with 77 classes five times faster than the dense product


def _draws(kind_of_row: np.ndarray, kinds: int, chance: _Chance) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield slices of the resamples with how often each kind of row is drawn, ``(R', U)`` float64."""
    rows, random = len(kind_of_row), chance.random
    step = max(1, CHUNK_CELLS // rows)
    shares = np.bincount(kind_of_row, minlength=kinds) / rows
    for start in range(0, chance.resamples, step):
        count = min(step, chance.resamples - start)
        if rows > 20 * kinds:  # below this, drawing rows one by one is the faster way to the same distribution
            drawn = random.multinomial(rows, shares, size=count)
        else:
            picked = kind_of_row[random.integers(rows, size=(count, rows), dtype=np.int32)]
            picked += np.arange(count)[:, None] * kinds
            drawn = np.bincount(picked.ravel(), minlength=count * kinds).reshape(count, kinds)
        yield slice(start, start + count), drawn.astype(np.float64)
