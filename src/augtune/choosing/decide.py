"""Deciding under noise: which of several ways of training to take, given what they scored beside human rows alone.

The rule, in full. What is known of a way is its gains: its score less that of training on human rows alone, on the
same held-out rows, over folds and repeats.

1. The folds share training rows, so the covariance of mean gains is not S / J but S (1/J + 1/(F - 1)) with J gains of F
   folds (Nadeau and Bengio, Machine Learning 52, 2003). S has one variance and one correlation, the means over ways:
   ten gains of ten ways do not tell more, and a matrix that pretends to would turn signs round.
2. What was measured is not what will be trained: a probe stands in for an encoder, a short training for a long one.
   That adds the variance of the rung it was measured on, half of it shared by all ways, and takes off what that rung is
   known to flatter a way by.
3. Before looking, gains are taken to be normal with a standard deviation of ``prior`` and a correlation of one half,
   since most ways use the same synthetic rows; around 0, or around what is expected of a way where rows are like this
   (``Candidate.expected``: of losses against imbalance where classes are unbalanced, of written rows where human ones
   are few). With fewer than 100 human rows the deviation is larger, up to twice (``Situation.spread``). Where the
   first rung has ``learned_from`` ways or more the deviation is the one under which what was measured is likeliest,
   within a factor of 2 (empirical Bayes).
4. Rung after rung, what is expected and what is measured are weighed by their precision. So a noisy gain shrinks
   towards what was expected, and the luckiest of many poor ways towards the others.
5. The way with the highest mean gain after that is taken alone if the probability that it gains at all is at least
   ``sure``; averaged with human rows alone if it is at least ``likely``; else human rows alone are taken.

Shapes: ``W`` ways, ``J`` gains of each, ``F`` folds.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from augtune.core.errors import SettingsError
from augtune.core.settings import Settings

__all__ = ["DecideSettings", "Posterior", "Rung", "Take", "Verdict", "decide", "posteriors"]

Take = Literal["alone", "averaged", "human only"]

# How far the learned prior may be from the one that is written down.
PRIOR_FACTOR = 2.0
# Correlation of gains before anything was measured, and of what a rung's measure is off by.
ALIKE = 0.5


class DecideSettings(Settings):
    """The rule that decides which way of training is taken."""

    prior: float = Field(default=0.02, gt=0, allow_inf_nan=False)
    """Standard deviation of gains over human rows alone before anything was measured; 0.01 is a point. With fewer than
    100 human rows gains scatter more, up to twice that."""
    sure: float = Field(default=0.9, gt=0.5, lt=1)
    """Probability of a gain from which a way is taken alone."""
    likely: float = Field(default=0.75, ge=0.5, lt=1)
    """Probability of a gain from which a way is averaged with human rows alone."""
    learned_from: int = Field(default=5, ge=2)
    """Ways of the first rung from which on the prior's deviation is learned from all of them."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.likely > self.sure:
            raise SettingsError(f"likely: expected at most sure, {self.sure:g}, got {self.likely:g}")
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Rung:
    """What one rung found out.

    Args:
        names: The ways that were measured, ``W``; human rows alone are not among them.
        gains: ``(W, J)`` score of each way less that of human rows alone, on the same held-out rows.
        folds: ``F``, of which the gains are.
        noise: Standard deviation between the gain that this rung measures and that of the real training: one number, or
            ``(W,)``.
        level: Which rung it is, from 0.
        bias: What the gain that this rung measures is above that of the real training on average: one number, or
            ``(W,)``.
    """

    names: tuple[str, ...]
    gains: np.ndarray
    folds: int
    noise: float | np.ndarray = 0.0
    level: int = 0
    bias: float | np.ndarray = 0.0

    def __post_init__(self) -> None:
        if self.gains.ndim != 2 or self.gains.shape[0] != len(self.names) or self.gains.shape[1] < 2 or self.folds < 2:
            raise ValueError(f"a rung needs two gains of two folds at least for each way, got {self.gains.shape}")

    def without(self, names: Collection[str]) -> Rung | None:
        """Return the rung as it would be if these ways had not been measured; None if no other was."""
        kept = [i for i, name in enumerate(self.names) if name not in names]
        if len(kept) == len(self.names) or not kept:
            return self if kept else None
        noise, bias = (np.broadcast_to(each, len(self.names))[kept] for each in (self.noise, self.bias))
        left = tuple(self.names[i] for i in kept)
        return replace(self, names=left, gains=self.gains[kept], noise=noise, bias=bias)

    @property
    def means(self) -> np.ndarray:
        """Mean gain of each way, ``(W,)``."""
        return np.asarray(self.gains.mean(axis=1))

    def covariance(self) -> np.ndarray:
        """Return the covariance of what the mean gains are off by, ``(W, W)``."""
        count = self.gains.shape[1]
        shared = _plain(np.atleast_2d(np.cov(self.gains, ddof=1)))
        noise = np.broadcast_to(self.noise, len(self.names))
        return np.asarray(shared * (1 / count + 1 / (self.folds - 1)) + np.outer(noise, noise) * _alike(len(noise)))


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is known of a way's gain in the end.

    Args:
        name: The way.
        measured: Mean gain on the highest rung it was measured on.
        error: Standard error of that, transfer to the real training included.
        mean: Mean of the gain after shrinkage.
        deviation: Standard deviation of the gain after shrinkage.
        rung: Highest rung it was measured on, from 0.
    """

    name: str
    measured: float
    error: float
    mean: float
    deviation: float
    rung: int

    @property
    def probability(self) -> float:
        """Probability that it gains anything over human rows alone."""
        return 0.5 * math.erfc(-self.mean / (self.deviation * math.sqrt(2)))

    @property
    def interval(self) -> tuple[float, float]:
        """The gain's 95 % interval after shrinkage."""
        return self.mean - 1.959964 * self.deviation, self.mean + 1.959964 * self.deviation


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is taken.

    Args:
        take: A way alone, a way averaged with human rows alone, or these alone.
        name: The way with the highest mean gain; None if there was none to compare.
        posteriors: All ways, the highest mean gain first.
        prior: Standard deviation of gains that was expected.
    """

    take: Take
    name: str | None
    posteriors: tuple[Posterior, ...]
    prior: float

    @property
    def best(self) -> Posterior | None:
        """What is known of the way named."""
        return next((one for one in self.posteriors if one.name == self.name), None)


def decide(
    rungs: Sequence[Rung], settings: DecideSettings | None = None, expected: Mapping[str, float] | None = None
) -> Verdict:
    """Return which way to take, by the rule at the top of this file.

    Args:
        rungs: What was found out, the first rung first; it has all ways, the others some of them.
        settings: The rule's numbers.
        expected: Mean of a way's gain before anything was measured, in units of its deviation, or of ``prior`` if that
            is less; 0 for those not named.
    """
    rule = settings or DecideSettings()
    prior, found = posteriors(rungs, rule, expected)
    best = found[0] if found else None
    if best is None or best.mean <= 0 or best.probability < rule.likely:
        return Verdict("human only", None if best is None else best.name, found, prior)
    return Verdict("alone" if best.probability >= rule.sure else "averaged", best.name, found, prior)


def posteriors(
    rungs: Sequence[Rung], settings: DecideSettings, expected: Mapping[str, float] | None = None
) -> tuple[float, tuple[Posterior, ...]]:
    """Return the prior's standard deviation, and what is known of each way, the highest mean gain first."""
    names = list(dict.fromkeys(name for rung in rungs for name in rung.names))
    if not names:
        return settings.prior, ()
    scales = [settings.prior]
    if len(rungs[0].names) >= settings.learned_from:
        scales = [settings.prior * factor for factor in np.geomspace(1 / PRIOR_FACTOR, PRIOR_FACTOR, 21)]
    errors = [rung.covariance() for rung in rungs]
    means = np.array([(expected or {}).get(name, 0.0) for name in names])
    found = [_Belief(names, scale, min(scale, settings.prior) * means).after(rungs, errors) for scale in scales]
    # What is written down counts as much as one way, so that it decides where the ways say nothing.
    worth = [one.fit - 0.5 * math.log(scale / settings.prior) ** 2 for one, scale in zip(found, scales, strict=True)]
    best = int(np.argmax(worth))
    belief = found[best]
    rows = []
    for i, name in enumerate(names):
        at = max(number for number, rung in enumerate(rungs) if name in rung.names)
        place = rungs[at].names.index(name)
        error = math.sqrt(errors[at][place, place])
        deviation = math.sqrt(max(float(belief.covariance[i, i]), 1e-12))
        measured = float(rungs[at].means[place])
        rows.append(Posterior(name, measured, error, float(belief.mean[i]), deviation, rungs[at].level))
    return scales[best], tuple(sorted(rows, key=lambda one: -one.mean))


class _Belief:
    """A normal belief about all gains.

    Args:
        names: The ways.
        scale: Standard deviation of a gain before anything was measured.
        means: Mean of each gain before that.
    """

    def __init__(self, names: Sequence[str], scale: float, means: np.ndarray) -> None:
        self.place = {name: i for i, name in enumerate(names)}
        self.mean = means
        self.covariance = scale**2 * _alike(len(names))
        self.fit = 0.0

    def after(self, rungs: Sequence[Rung], errors: Sequence[np.ndarray]) -> _Belief:
        """Return the belief once what the rungs measured is known; ``fit`` is how likely that was, in logs."""
        for rung, error in zip(rungs, errors, strict=True):
            at = [self.place[name] for name in rung.names]
            off = rung.means - rung.bias - self.mean[at]
            total = self.covariance[np.ix_(at, at)] + error + 1e-12 * np.eye(len(at))
            keep = np.linalg.solve(total, self.covariance[at]).T  # (all ways, W)
            self.fit -= 0.5 * float(np.linalg.slogdet(total)[1] + off @ np.linalg.solve(total, off))
            self.mean = self.mean + keep @ off
            self.covariance = self.covariance - keep @ self.covariance[at]
        return self


def _alike(ways: int) -> np.ndarray:
    return np.asarray((1 - ALIKE) * np.eye(ways) + ALIKE)


def _plain(covariance: np.ndarray) -> np.ndarray:
    """Return the covariance with all variances their mean and all correlations theirs."""
    ways = len(covariance)
    variance = float(np.trace(covariance)) / ways
    if ways == 1 or variance == 0:
        return variance * np.eye(ways)
    between = float(covariance.sum() - np.trace(covariance)) / (ways * (ways - 1))
    between = min(max(between, 0.0), 0.99 * variance)
    return np.asarray((variance - between) * np.eye(ways) + between)
