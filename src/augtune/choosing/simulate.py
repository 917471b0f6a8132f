"""What the rules of ``decide`` and ``boost`` do where the truth is known: seeded simulations, for tables in the docs.

A simulated way has a true gain over human rows alone. Its measured gains scatter around that: by what the held-out rows
of a fold say, by what all folds share because they train on mostly the same rows (a correlation of 1 / F between two
folds, as Nadeau and Bengio's correction takes it), and by what a stand-in differs from the real training.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from augtune.choosing.boost import BoostSettings, gain_of, is_over
from augtune.choosing.decide import DecideSettings, Rung, Verdict, decide
from augtune.core.seeds import generator

__all__ = [
    "SCENES",
    "STOP_SCENES",
    "Rates",
    "Scene",
    "StopRates",
    "StopScene",
    "error_rates",
    "error_table",
    "stop_rates",
    "stop_table",
    "table_line",
]

HARM = 0.005


@dataclass(frozen=True, slots=True)
class Scene:
    """One situation to be simulated.

    Args:
        name: What it is, in words.
        gains: Draws the true gains of all ways.
        deviation: Standard deviation of one fold's gain.
        folds: Folds of a repeat.
        repeats: How often rows are parted anew.
        noise: Standard deviation between stand-in and real training.
        expected: Gain expected of every way before anything is measured, in units of the prior's deviation.
        spread: How many times ``prior`` that deviation is with so few rows.
    """

    name: str
    gains: Callable[[np.random.Generator], np.ndarray]
    deviation: float
    folds: int = 5
    repeats: int = 2
    noise: float = 0.015
    expected: float = 0.0
    spread: float = 1.0


@dataclass(frozen=True, slots=True)
class Rates:
    """What came of many simulations of a scene.

    Args:
        scene: The scene's name.
        harmful: Share in which what was taken loses more than half a point against human rows alone.
        taken: Share in which human rows alone were not taken.
        gain: Mean gain of what was taken.
        best: Mean gain of the best way there was, human rows alone included.
        naive: Share of harm where simply the best measured way is taken.
    """

    scene: str
    harmful: float
    taken: float
    gain: float
    best: float
    naive: float

    @property
    def regret(self) -> float:
        """Mean of what the best way there was would have gained more."""
        return self.best - self.gain


def _none(chance: np.random.Generator) -> np.ndarray:
    return np.zeros(8)


def _all_harm(chance: np.random.Generator) -> np.ndarray:
    return np.full(8, -0.03)


def _one_helps(chance: np.random.Generator) -> np.ndarray:
    return np.array([0.04, *np.full(7, -0.01)])


def _as_expected(chance: np.random.Generator) -> np.ndarray:
    return chance.normal(0, 0.02, 8)


def _all_gain(chance: np.random.Generator) -> np.ndarray:
    return np.full(8, 0.02)


def _all_gain_much(chance: np.random.Generator) -> np.ndarray:
    return np.full(8, 0.05)


def _wide(chance: np.random.Generator) -> np.ndarray:
    return chance.normal(-0.01, 0.04, 8)


SCENES: tuple[Scene, ...] = tuple(
    Scene(f"{words}, {rows}", gains, deviation, expected=expected)
    for words, gains, expected in (
        ("nothing helps or hurts", _none, 0.0),
        ("all 8 lose 3 points", _all_harm, 0.0),
        ("one gains 4 points, 7 lose 1", _one_helps, 0.0),
        ("gains of 0 ± 2 points", _as_expected, 0.0),
        ("gains of -1 ± 4 points", _wide, 0.0),
        ("all 8 gain 2 points, as expected", _all_gain, 1.0),
        ("all 8 lose 3 points, 2 were expected", _all_harm, 1.0),
    )
    for rows, deviation in (("about 200 human rows", 0.06), ("about 1,000 human rows", 0.03))
) + tuple(
    Scene(f"{words}, about 50 human rows", gains, 0.12, expected=1.25, spread=2.0)
    for words, gains in (
        ("all 8 gain 5 points, as expected", _all_gain_much),
        ("nothing helps or hurts, 5 points were expected", _none),
        ("all 8 lose 3 points, 5 were expected", _all_harm),
    )
)


def error_rates(scene: Scene, *, times: int = 1000, seed: int = 0, settings: DecideSettings | None = None) -> Rates:
    """Return how often the rule errs in a scene, and what it costs.

    An average is taken to gain two thirds of what its way does, as two of its three models are of that way: averaging
    has no bonus.

    Args:
        scene: The situation.
        times: Simulations.
        seed: Of what is drawn.
        settings: The rule's numbers.
    """
    chance = generator(seed, "choose", "simulate", scene.name)
    given = settings or DecideSettings()
    rule = given.model_copy(update={"prior": scene.spread * given.prior})
    real, best, naive, taken = [], [], [], 0
    for _ in range(times):
        gains = scene.gains(chance)
        rung = _measured(scene, gains, chance)
        verdict = decide([rung], rule, dict.fromkeys(rung.names, scene.expected))
        real.append(_gain(verdict, gains))
        taken += verdict.take != "human only"
        best.append(max(0.0, float(gains.max())))
        naive.append(float(gains[int(rung.means.argmax())]))
    harmful, unwise = np.mean(np.array(real) < -HARM), np.mean(np.array(naive) < -HARM)
    return Rates(scene.name, float(harmful), taken / times, float(np.mean(real)), float(np.mean(best)), float(unwise))


def _measured(scene: Scene, gains: np.ndarray, chance: np.random.Generator) -> Rung:
    """Return measured gains; half of the variance of everything is that of human rows alone, which all ways share."""
    count, between = scene.folds * scene.repeats, 1 / scene.folds

    def scatter(*shape: int) -> np.ndarray:
        return np.asarray(np.sqrt(0.5) * (chance.normal(size=shape) + chance.normal(size=(1, *shape[1:]))))

    ways = len(gains)
    off = np.sqrt(between) * scatter(ways, 1) + np.sqrt(1 - between) * scatter(ways, count)
    measured = gains[:, None] + scene.noise * scatter(ways, 1) + scene.deviation * off
    return Rung(tuple(f"way {i}" for i in range(ways)), measured, scene.folds, scene.noise)


def _gain(verdict: Verdict, gains: np.ndarray) -> float:
    if verdict.take == "human only" or verdict.name is None:
        return 0.0
    real = float(gains[int(verdict.name.removeprefix("way "))])
    return real if verdict.take == "alone" else real * 2 / 3


def error_table(*, times: int = 1000, seed: int = 0) -> str:
    """Return the error rates of all scenes as a Markdown table."""
    lines = [
        "| situation | loses > 0.5 points | if the best score is taken | not human only | mean gain | regret |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    lines += [table_line(error_rates(scene, times=times, seed=seed)) for scene in SCENES]
    return "\n".join(lines)


def table_line(found: Rates) -> str:
    """Return the error rates of a scene as a line of a Markdown table."""
    return (
        f"| {found.scene} | {found.harmful:.1%} | {found.naive:.1%} | {found.taken:.1%} | "
        f"{100 * found.gain:+.2f} | {100 * found.regret:.2f} |"
    )


@dataclass(frozen=True, slots=True)
class StopScene:
    """Rows written in rounds.

    Args:
        name: What it is, in words.
        gains: True gain of each round.
        deviation: Standard deviation of one fold's gain from a round to the next.
        folds: Folds of a repeat.
        repeats: How often rows are parted anew.
    """

    name: str
    gains: tuple[float, ...]
    deviation: float
    folds: int = 5
    repeats: int = 2


# A fold's gain from round to round scatters by 5 points with 200 human rows, measured on hypo_l and crowdflower.
STOP_SCENES: tuple[StopScene, ...] = tuple(
    StopScene(f"{words}, {rows}", gains, deviation)
    for words, gains in (
        ("no round gains", (0.0, 0.0, 0.0, 0.0)),
        ("each round loses 1 point", (-0.01, -0.01, -0.01, -0.01)),
        ("each round loses 3 points", (-0.03, -0.03, -0.03, -0.03)),
        ("gains of 3, 1.5, 0.7, 0.3 points", (0.03, 0.015, 0.007, 0.003)),
        ("each round gains 1 point", (0.01, 0.01, 0.01, 0.01)),
        ("gains of 2, 2, -1, -1 points", (0.02, 0.02, -0.01, -0.01)),
    )
    for rows, deviation in (("about 200 human rows", 0.05), ("about 1,000 human rows", 0.025))
)


@dataclass(frozen=True, slots=True)
class StopRates:
    """What came of many simulations of rounds.

    Args:
        scene: The scene's name.
        early: Share in which not all rounds were written.
        written: Mean share of the rows that were written.
        gain: Mean gain of those.
        whole: Gain of all rounds.
    """

    scene: str
    early: float
    written: float
    gain: float
    whole: float


def stop_rates(
    scene: StopScene, *, times: int = 1000, seed: int = 0, settings: BoostSettings | None = None
) -> StopRates:
    """Return how often the rule that ends rounds does so, and what that costs.

    Measured scores scatter around the true ones independently from round to round, so that measured gains of successive
    rounds go against each other (a correlation of -1/2), as they do on real rows.

    Args:
        scene: The situation.
        times: Simulations.
        seed: Of what is drawn.
        settings: The rule's numbers.
    """
    rule = settings or BoostSettings()
    chance = generator(seed, "choose", "simulate", "rounds", scene.name)
    count, between = scene.folds * scene.repeats, 1 / scene.folds
    whole = np.concatenate([[0.0], np.cumsum(scene.gains)])
    written, gains = [], []
    for _ in range(times):
        shared, own = chance.normal(size=(len(whole), 1)), chance.normal(size=(len(whole), count))
        off = np.sqrt(between) * shared + np.sqrt(1 - between) * own
        scores = whole[:, None] + scene.deviation / np.sqrt(2) * off
        found: list[float] = []
        for before, after in itertools.pairwise(scores):
            found.append(gain_of(before, after, scene.folds).probability)
            if is_over(found, rule):
                break
        written.append(len(found) / len(scene.gains))
        gains.append(whole[len(found)])
    early = float(np.mean(np.array(written) < 1))
    return StopRates(scene.name, early, float(np.mean(written)), float(np.mean(gains)), float(whole[-1]))


def stop_table(*, times: int = 1000, seed: int = 0) -> str:
    """Return what the rule that ends rounds does in all scenes, as a Markdown table."""
    lines = ["| situation | ends early | rows written | gain of these | gain of all |", "|---|--:|--:|--:|--:|"]
    for scene in STOP_SCENES:
        one = stop_rates(scene, times=times, seed=seed)
        lines.append(
            f"| {one.scene} | {one.early:.1%} | {one.written:.0%} | {100 * one.gain:+.2f} | {100 * one.whole:+.2f} |"
        )
    return "\n".join(lines)
