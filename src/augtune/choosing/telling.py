"""The decision as it is kept and shown: what was taken and why, what was tried, what it cost."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from augtune.choosing.decide import Posterior, Verdict
from augtune.choosing.search import BASE, Search
from augtune.choosing.settings import ChooseSettings
from augtune.core.decision import Decision, Tried

__all__ = ["decision_of"]


def decision_of(search: Search, verdict: Verdict, names: Sequence[str]) -> Decision:
    """Return what was decided, with all that led there.

    Args:
        search: What was found out.
        verdict: What the rule says of it.
        names: The ways whose models were made, each as often as it was trained.
    """
    rows = search.workshop.rows
    best = verdict.best
    distinct = list(dict.fromkeys(names))
    chosen = distinct[0] if len(distinct) == 1 else f"average of {' and '.join(distinct)}"
    take = "human only" if distinct == [BASE] else verdict.take
    taken = best if take != "human only" else None
    hedged = verdict.take == "averaged" and taken is not None and chosen != taken.name
    share = sum(name != BASE for name in names) / len(names) if hedged else 1.0
    gain = 0.0 if taken is None else share * taken.mean
    interval = (0.0, 0.0) if taken is None else (share * taken.interval[0], share * taken.interval[1])
    first = search.folds
    return Decision(
        chosen=chosen,
        take=take,
        members=tuple(names),
        because=_because(verdict, names, search.settings),
        metric=search.metric.title,
        gain=gain,
        interval=interval,
        probability=0.0 if taken is None else taken.probability,
        human=len(rows.human),
        synthetic=0 if rows.synthetic is None else len(rows.synthetic),
        held_back=float(np.mean([len(fold.left_out) for fold in first])),
        folds=len({fold.number for fold in first}),
        repeats=len({fold.repeat for fold in first}),
        tried=tuple(_tried(search, one) for one in verdict.posteriors),
        left_out=tuple(search.left_out),
        base_score=search.scores[BASE],
        steps=search.steps,
        trainings=search.steps / search.budget.full,
        seconds=time.monotonic() - search.started,
        seed=search.workshop.seed,
        notes=(*_hopes(search, min(verdict.prior, search.rule.prior)), *search.notes),
        distilled="distilled, final" in search.spent,
    )


def _tried(search: Search, one: Posterior) -> Tried:
    group = search.made_of.get(one.name)
    about = "Mean of the probabilities of these models" if group else search.ways[one.name].about
    steps, seconds = search.spent.get(one.name, (0, 0.0))
    return Tried(
        one.name, about, one.rung, search.scores[one.name], one.measured, one.mean, one.interval, one.probability,
        steps, seconds,
    )  # fmt: skip


def _because(verdict: Verdict, names: Sequence[str], settings: ChooseSettings) -> str:
    best = verdict.best
    if best is None:
        return "nothing was compared with human rows alone"
    sure, likely = settings.decide.sure, settings.decide.likely
    if verdict.take == "alone":
        return f"{best.name} gains with a probability of {best.probability:.2f}, at least {sure:g}"
    if verdict.take == "averaged" and set(names) == {BASE}:
        return (
            f"{best.name} gains with a probability of {best.probability:.2f}, less than {sure:g}, and no average of it "
            "with human rows alone is allowed or paid for"
        )
    if verdict.take == "averaged":
        told = f"{best.name} gains with a probability of {best.probability:.2f}: likely ({likely:g}), but not sure"
        is_whole = best.name == f"average of {' and '.join(names)}" and BASE in names
        return f"{told} ({sure:g}), " + (
            "and has human rows alone among its models already"
            if is_whole
            else "so it is averaged with human rows alone"
        )
    return f"the best way, {best.name}, gains with a probability of {best.probability:.2f}, less than {likely:g}"


def _hopes(search: Search, prior: float) -> list[str]:
    """Return a note on the ways of which a gain was expected before anything was measured, if there are any."""
    told = [
        f"{name} {100 * prior * gain:+.1f}" for name, gain in search.expected.items() if gain and name in search.ways
    ]
    return [f"Expected before anything was measured, in points: {', '.join(told)}."] if told else []
