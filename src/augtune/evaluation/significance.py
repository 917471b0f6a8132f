"""Is a difference more than chance? McNemar's test, the bootstrap's p, corrections, and what a test set can see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augtune.core.dataset import HumanDataset
from augtune.core.errors import DataError
from augtune.core.tables import Predictions
from augtune.evaluation.answers import aligned, right, truth_of

__all__ = [
    "Detectable",
    "McNemar",
    "benjamini_hochberg",
    "bootstrap_p",
    "corrected",
    "detectable",
    "discordance",
    "holm",
    "mcnemar",
    "mcnemar_p",
    "mean_predictions",
    "minimum_detectable",
    "smallest_seen",
]


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's test of two models' accuracy on the same rows.

    Args:
        only_first: Rows only the first model predicts right.
        only_second: Rows only the second does.
        p: Exact two-sided p: under no difference, either count is binomial with share 1/2.
        mid_p: The same with half the probability of what was observed: less conservative on few rows.
    """

    only_first: int
    only_second: int
    p: float
    mid_p: float

    def __repr__(self) -> str:
        return f"only first right {self.only_first}, only second right {self.only_second} · p {self.p:.2g}"


def mcnemar(truth: HumanDataset, first: Predictions, second: Predictions) -> McNemar:
    """Return the exact McNemar test (McNemar 1947; mid-p: Fagerland et al. 2013).

    Args:
        truth: The test rows.
        first: Predictions of one model.
        second: Predictions of the other.

    Raises:
        DataError: If there are no rows, a row has no prediction, or labels differ.
    """
    one, other = right(aligned([first, second], truth), truth_of(truth))
    only_first, only_second = int((one & ~other).sum()), int((other & ~one).sum())
    return McNemar(only_first, only_second, *mcnemar_p(only_first, only_second))


def mcnemar_p(only_first: int, only_second: int) -> tuple[float, float]:
    """Return the exact two-sided p and the mid-p of two counts of discordant rows."""
    from scipy.stats import binom

    fewer, both = min(only_first, only_second), only_first + only_second
    tail = 2 * float(binom.cdf(fewer, both, 0.5))
    return min(1.0, tail), min(1.0, tail - float(binom.pmf(fewer, both, 0.5)))


def mean_predictions(runs: Sequence[Predictions]) -> Predictions:
    """Return the mean of several runs' probabilities: their ensemble.

    Raises:
        DataError: If there are no runs, or their rows or labels differ.
    """
    if not runs:
        raise DataError("predictions: none were given.")
    first = runs[0]
    for run in runs:
        if run.labels.names != first.labels.names:
            raise DataError(
                f"predictions of {run.made_by}: expected the labels {first.labels} in this order, got {run.labels}."
            )
    placed = [run.aligned(first.ids) for run in runs]
    mean = np.mean([run.probabilities for run in placed], axis=0)
    decided = np.mean([run.marks for run in placed], axis=0) >= 0.5 if first.labels.has_many else None
    return Predictions(first.ids, mean, first.labels, first.made_by, decided=decided)


def bootstrap_p(differences: np.ndarray) -> float:
    """Return the two-sided p of resampled differences.

    p = min(1, 2 min(1 + #(d <= 0), 1 + #(d >= 0)) / (R + 1)): the level at which the percentile interval just reaches
    0. The + 1 (Davison and Hinkley 1997) keeps p from claiming more than ``R`` resamples can show: never under
    2 / (R + 1).

    Args:
        differences: ``(R,)``.
    """
    below, above = int((differences <= 0).sum()), int((differences >= 0).sum())
    return min(1.0, 2 * (1 + min(below, above)) / (len(differences) + 1))


def corrected(p_values: Sequence[float] | np.ndarray, correction: str) -> np.ndarray:
    """Return p corrected by ``holm``, ``benjamini_hochberg`` (or ``bh``) or not at all (``none``)."""
    if correction == "none":
        return np.asarray(p_values, dtype=np.float64)
    return holm(p_values) if correction == "holm" else benjamini_hochberg(p_values)


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return p corrected so that any false claim in the family has at most the nominal probability (Holm 1979)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def benjamini_hochberg(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return p corrected so that the expected share of false claims among the claims is bounded (1995)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.minimum.accumulate((p[order] * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


@dataclass(frozen=True, slots=True)
class Detectable:
    """The smallest difference in accuracy a test set can be trusted to show.

    Args:
        difference: That difference, in [0, 1].
        rows: Rows of the test set.
        discordance_share: Share of rows of which exactly one model is right.
        power: Chance of finding a difference of this size.
    """

    difference: float
    rows: int
    discordance_share: float
    power: float

    def __repr__(self) -> str:
        return (
            f"{self.rows} test rows cannot reliably show differences in accuracy under {100 * self.difference:.1f} "
            f"points (power {self.power:.0%}, {self.discordance_share:.0%} of rows discordant)"
        )


def minimum_detectable(rows: int, discordance_share: float, *, power: float = 0.8, level: float = 0.05) -> float:
    """Return the smallest difference in accuracy that McNemar's test finds with the given power.

    Of ``n`` rows a share ``d`` is discordant. Miettinen (1968) and Connor (1987): a difference ``D`` needs
    D sqrt(n) = z_a sqrt(d) + z_b sqrt(d - D^2), with z_a and z_b the normal quantiles of 1 - level/2 and of power.
    Solved: D = c sqrt(d), c = (z_a sqrt(n) + z_b sqrt(n + z_b^2 - z_a^2)) / (n + z_b^2). As a difference of ``D`` makes
    ``D`` of the rows discordant at least, D is never under c^2.

    Args:
        rows: ``n``, test rows, 1 or more.
        discordance_share: ``d``, in [0, 1].
        power: Wanted chance of finding it, in (0.5, 1).
        level: Level of the two-sided test.

    Raises:
        DataError: If there are no rows.
    """
    from scipy.stats import norm

    if rows < 1:
        raise DataError(f"minimum detectable difference: expected one row or more, got {rows}.")
    z_level, z_power = float(norm.ppf(1 - level / 2)), float(norm.ppf(power))
    under_root = max(0.0, rows + z_power**2 - z_level**2)
    c = (z_level * math.sqrt(rows) + z_power * math.sqrt(under_root)) / (rows + z_power**2)
    return min(1.0, c * max(math.sqrt(discordance_share), c))


def smallest_seen(differences: np.ndarray, *, power: float = 0.8, level: float = 0.05) -> float:
    """Return the smallest difference in a metric that a test with this much chance in it finds with the given power.

    (z_a + z_b) times the standard error, which is the spread of the resampled differences; z_a and z_b are the normal
    quantiles of 1 - level/2 and of power. It holds for any metric and for several seeds.

    Args:
        differences: ``(R,)`` differences in resamples of rows and seeds.
        power: Wanted chance of finding it, in (0.5, 1).
        level: Level of the two-sided test.
    """
    from scipy.stats import norm

    return float((norm.ppf(1 - level / 2) + norm.ppf(power)) * np.std(differences))


def discordance(truth: HumanDataset, arm: Sequence[Predictions], baseline: Sequence[Predictions]) -> float:
    """Return the share of rows of which exactly one of two models is right, the mean over all pairs of runs.

    Raises:
        DataError: If there are no runs or rows, a row has no prediction, or labels differ.
    """
    shares = [right(aligned(runs, truth), truth_of(truth)).mean(axis=0) for runs in (arm, baseline)]
    return float((shares[0] * (1 - shares[1]) + shares[1] * (1 - shares[0])).mean())


def detectable(
    truth: HumanDataset, arm: Sequence[Predictions], baseline: Sequence[Predictions], *, power: float = 0.8
) -> Detectable:
    """Return what this test set can show of two models, given how often they disagree on it.

    Args:
        truth: The test rows.
        arm: Runs of one model.
        baseline: Runs of the other.
        power: Wanted chance of finding a difference.

    Raises:
        DataError: If there are no runs or rows, a row has no prediction, or labels differ.
    """
    share = discordance(truth, arm, baseline)
    return Detectable(minimum_detectable(len(truth), share, power=power), len(truth), share, power)
