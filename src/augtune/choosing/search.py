"""What a choice finds out, rung after rung: what was tried, what it scored, what it cost."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from augtune.choosing.candidates.base import Candidate
from augtune.choosing.decide import DecideSettings, Rung, Verdict, decide
from augtune.choosing.folds import Fold
from augtune.choosing.measure import THRESHOLD, Judged, fold_scores
from augtune.choosing.plan import Budget
from augtune.choosing.settings import ChooseSettings
from augtune.choosing.work import Workshop
from augtune.core.decision import LeftOut
from augtune.evaluation.answers import truth_of
from augtune.evaluation.metrics import Metric
from augtune.model.fitted import Fitted

__all__ = ["BASE", "Search"]

BASE = "human_only"


@dataclass
class Search:
    """What is found out, rung after rung.

    Args:
        settings: How to choose.
        workshop: Does the trainings.
        metric: What decides.
        folds: All folds.
        budget: What it may cost.
        ways: The ways that apply, by name, human rows alone first.
        left_out: Those that do not.
        expected: Gain that is expected of each way before anything is measured, in units of ``rule.prior``.
        rule: The numbers that decide, the prior that of so many rows.
    """

    settings: ChooseSettings
    workshop: Workshop
    metric: Metric
    folds: Sequence[Fold]
    budget: Budget
    ways: dict[str, Candidate]
    left_out: list[LeftOut]
    expected: dict[str, float]
    rule: DecideSettings
    started: float = field(default_factory=time.monotonic)
    rungs: list[Rung] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    spent: dict[str, tuple[int, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    made_of: dict[str, tuple[str, ...]] = field(default_factory=dict)
    finals: dict[tuple[str, int], Fitted] = field(default_factory=dict)

    @property
    def truth(self) -> np.ndarray:
        """Column of each human row's label, ``(N,)``, or ``(N, K)`` which labels it has where it may have several."""
        return truth_of(self.workshop.rows.human)

    @property
    def threshold(self) -> float:
        """Probability from which a label is predicted where rows may have several."""
        asked = self.workshop.settings.threshold
        return asked if isinstance(asked, float) else THRESHOLD

    @property
    def steps(self) -> int:
        """Optimizer steps so far."""
        return sum(steps for steps, _ in self.spent.values())

    def is_late(self) -> bool:
        """Return whether the time to try things is over."""
        most = self.settings.max_seconds
        return most is not None and time.monotonic() - self.started > most

    def add(
        self, level: int, judged: Mapping[str, Judged], noise: Mapping[str, float], bias: Mapping[str, float]
    ) -> None:
        """Score ways beside human rows alone, and remember it as a rung."""
        scores = {name: fold_scores(one, self.truth, self.metric, self.threshold) for name, one in judged.items()}
        self.scores |= {name: float(values.mean()) for name, values in scores.items()}
        others = tuple(name for name in scores if name != BASE)
        if others:
            gains = np.stack([scores[name] - scores[BASE] for name in others])
            folds = len({fold.number for fold in judged[BASE].folds})
            off = [np.array([one.get(name, 0.0) for name in others]) for one in (noise, bias)]
            self.rungs.append(Rung(others, gains, folds, off[0], level, off[1]))

    def leave_out(self, name: str, why: str) -> None:
        """Take a way back that turned out not to be trainable, and averages with it, whatever was measured of them."""
        gone = {name, *(average for average, group in self.made_of.items() if name in group)}
        self.left_out.append(LeftOut(name, why))
        self.rungs = [kept for rung in self.rungs if (kept := rung.without(gone)) is not None]
        self.made_of = {average: group for average, group in self.made_of.items() if average not in gone}
        del self.ways[name]

    def verdict(self) -> Verdict:
        """Return what is decided with what is known."""
        return decide(self.rungs, self.rule, self.expected)

    def parts_of(self, verdict: Verdict) -> tuple[str, ...]:
        """Return the ways whose models are taken."""
        if verdict.take == "human only" or verdict.name is None:
            return (BASE,)
        named = self.made_of.get(verdict.name, (verdict.name,))
        if verdict.take == "alone" or BASE in named:
            return named
        both = (BASE, *named)
        return both if self.settings.average and self.trained(both) <= self.budget.finals else (BASE,)

    def trained(self, names: Sequence[str]) -> int:
        """Return how many of these ways take a training."""
        return sum(not self.ways[name].is_cheap for name in names)
