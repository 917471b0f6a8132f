"""``choose``: try the ways of training there are on human rows alone, decide, and train what was decided on.

Rung 0 measures every way on every fold by a regression on frozen vectors that stands in for it. Rung 1 trains human
rows alone and the best one or two shortly on folds, where the steps allowed are enough to learn from; the linear probe,
and averages of models that are there, are judged there too, at no further cost. The rule of ``decide`` then says which
way is taken.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from augtune.choosing.candidates.base import Candidate, Situation
from augtune.choosing.check import check_room
from augtune.choosing.decide import Verdict
from augtune.choosing.folds import Fold, folds_of, ties_of
from augtune.choosing.frozen import Vectors
from augtune.choosing.learning import class_needs, learning_points
from augtune.choosing.measure import Judged, frozen_rung
from augtune.choosing.plan import Budget, Short, short_trainings
from augtune.choosing.plans import row_plans
from augtune.choosing.search import BASE, Search
from augtune.choosing.settings import ChooseSettings
from augtune.choosing.telling import decision_of
from augtune.choosing.work import Workshop
from augtune.core.decision import LearningPoint, LeftOut
from augtune.core.errors import DataError, SettingsError
from augtune.evaluation.metrics import metrics_of
from augtune.model.averaged import average
from augtune.model.fitted import Fitted

__all__ = ["choose"]

# What a short training's gain is off by, a standard deviation.
SHORT_NOISE = 0.02
DISTILLED = (
    "The model is one that learned the probabilities of the average of the final trainings on all rows; it predicts in "
    "the time of one. What is said of gains is said of the average; the one model may lose some of it."
)
# A probe is as good as it gets, beside a training that was cut short.
PROBE_NOISE = 0.02


def choose(workshop: Workshop, settings: ChooseSettings, *, usd: float | None = 0.0) -> Fitted:
    """Return the classifier that the best way of training makes, with the decision that led there.

    Args:
        workshop: The rows, how they are trained on, and who does it.
        settings: What is compared, by what rule, at what cost.
        usd: What the synthetic rows cost; None if that is not known.

    Raises:
        SettingsError: If the metric is not made for the task, or fewer steps are allowed than the final training takes.
        DataError: If there are too few rows to compare anything.
    """
    rows = workshop.rows
    if workshop.settings.epochs is not None:
        steps = workshop.settings.steps_for(len(rows.whole()))
        workshop = replace(workshop, settings=workshop.settings.changed(epochs=None, steps=steps))
    search = _search(workshop, settings)
    vectors = Vectors.of(rows.vectors, rows.human, rows.synthetic)
    judged = _rung_0(search, vectors)
    _rung_1(search)
    learning: tuple[LearningPoint, ...] = ()
    mixes = [name for name in judged if name.startswith("mix")]
    best_mix = max(mixes, key=lambda one: search.scores[one], default="")
    if settings.learning and not search.is_late():
        weight = getattr(search.ways.get(best_mix), "weight", 1.0)
        first = [fold for fold in search.folds if fold.repeat == 0]
        how = (float(weight), workshop.seed)
        learning = learning_points(first, vectors, search.truth, search.metric, how, search.threshold)
    verdict, names, fitted = _settled(search)
    named = [name for name in names if name in judged]
    needs = class_needs(judged[named[-1] if named else BASE], rows.human, rows.synthetic, search.threshold)
    decision = decision_of(search, verdict, names)
    decision = replace(decision, learning=learning, classes=needs, usd=usd)
    if settings.target is not None:
        made = 0 if rows.synthetic is None else len(rows.synthetic)
        written = usd / made if usd and made else None
        priced = settings.synthetic_row_usd
        prices = {"human": settings.human_row_usd, "synthetic": written if priced is None else priced}
        plans = row_plans(
            learning, decision.gain, settings.target, prices, {"human": len(rows.human), "synthetic": made}
        )
        decision = replace(decision, target=settings.target, plans=plans)
    return replace(fitted, decision=decision)


def _search(workshop: Workshop, settings: ChooseSettings) -> Search:
    human, synthetic = workshop.rows.human, workshop.rows.synthetic
    (metric,) = metrics_of([settings.metric])
    counts = tuple(human.counts().values())
    made = 0 if synthetic is None else len(synthetic)
    situation = Situation(counts, made, human.labels.task, human.is_pair, metric.counts_classes)
    ways, left_out = {}, []
    for way in settings.ways:
        why = way.misfit(situation.task) or way.unfit(situation) or _contradiction(way, workshop)
        if why:
            left_out.append(LeftOut(way.name, why))
        else:
            ways[way.name] = way
    unranked = any(not way.ranked and not way.is_cheap for way in ways.values())
    budget = Budget.of(workshop.settings.steps_for(len(workshop.rows.whole())), settings, compares=unranked)
    check_room(budget)
    ties = None
    if synthetic is not None:
        units = workshop.rows.vectors / np.maximum(np.linalg.norm(workshop.rows.vectors, axis=1, keepdims=True), 1e-12)
        ties = ties_of(human, synthetic, (units[: len(human)], units[len(human) :]), near=settings.folds.near)
    folds = folds_of(human, synthetic, ties, settings.folds, seed=workshop.seed)
    expected = {name: way.expected(situation) for name, way in ways.items()}
    rule = settings.decide.model_copy(update={"prior": situation.spread * settings.decide.prior})
    return Search(settings, workshop, metric.bound(human.labels), folds, budget, ways, left_out, expected, rule)


def _contradiction(way: Candidate, workshop: Workshop) -> str:
    """Return what of the settings that all ways share a way cannot have, or nothing."""
    try:
        way.settings(workshop.settings, workshop.rows.whole())
    except SettingsError as error:
        if way.name == BASE:
            raise
        return "; ".join(error.problems)
    return ""


def _rung_0(search: Search, vectors: Vectors) -> Mapping[str, Judged]:
    """Measure the stand-in of every way on every fold."""
    started = time.monotonic()
    listen = search.workshop.within.listen

    def tell(done: int, of: int) -> None:
        listen({"event": "progress", "stage": "choose", "about": "frozen vectors", "step": done, "of": of})

    ways = [way for way in search.ways.values() if way.ranked or way.name == BASE]
    judged = frozen_rung(ways, search.folds, vectors, tell)
    each = (time.monotonic() - started) / len(ways)
    search.spent |= {way.name: (0, each) for way in ways}
    noise = {name: search.ways[name].stand_in_noise for name in judged}
    search.add(0, judged, noise, {name: search.ways[name].stand_in_bias for name in judged})
    return judged


def _rung_1(search: Search) -> None:
    """Train human rows alone and the best ways shortly; judge the probe and averages with them."""
    first = [fold for fold in search.folds if fold.repeat == 0]
    ranked = [one.name for one in search.verdict().posteriors]
    cheap = [name for name, way in search.ways.items() if way.is_cheap]
    unranked = [name for name, way in search.ways.items() if not way.ranked and not way.is_cheap]
    others = [*unranked, *ranked]
    short = short_trainings(search.budget, len(others), len(first)) if others or cheap else None
    if short is None or not (short.ways or cheap):
        told = "the steps allowed leave none for short trainings" if others or cheap else "there was nothing to compare"
        search.notes.append(f"No way was trained on folds: {told}.")
        search.left_out += [LeftOut(name, f"{told}, beside which it is judged") for name in (*cheap, *unranked)]
        return
    judged = _trained(search, [BASE, *others[: short.ways], *cheap], first[: short.folds], short)
    if judged is None:
        over = "the time allowed was over before it could be judged"
        search.left_out += [LeftOut(name, over) for name in (*cheap, *unranked)]
        return
    noise = {name: PROBE_NOISE if search.ways[name].is_cheap else SHORT_NOISE for name in judged}
    if search.settings.average:
        for count in (2, 3):
            for group in combinations(list(judged), count):
                if search.trained(group) <= search.budget.finals:
                    name = f"average of {' and '.join(group)}"
                    search.made_of[name] = group
                    noise[name] = float(np.mean([noise[part] for part in group]))
                    search.expected[name] = float(np.mean([search.expected[part] for part in group]))
        judged |= {
            name: judged[group[0]].mixed(*(judged[part] for part in group[1:]))
            for name, group in search.made_of.items()
        }
    search.add(1, judged, noise, {})


def _trained(search: Search, names: Sequence[str], folds: Sequence[Fold], short: Short) -> dict[str, Judged] | None:
    """Return what ways trained on folds predict; None if the time was over before two folds were done."""
    tables: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for fold in folds:
        if search.is_late():
            search.notes.append(f"The time allowed was over after {len(tables[BASE])} of {len(folds)} folds.")
            break
        for name in list(tables):
            if search.ways[name].uses_synthetic and not len(fold.synthetic):
                tables[name].append(tables[BASE][-1])
                continue
            try:
                done = search.workshop.on_fold(search.ways[name], fold, short.steps)
            except DataError as error:
                if name == BASE:
                    raise
                search.leave_out(name, f"{fold.name}: {error.message}")
                del tables[name]
                continue
            steps, seconds = search.spent.get(name, (0, 0.0))
            search.spent[name] = (steps + done.steps, seconds + done.seconds)
            tables[name].append(done.table)
    done_folds = folds[: len(tables[BASE])]
    if len(done_folds) < 2:
        return None
    return {name: Judged(done_folds, found) for name, found in tables.items()}


def _repeated(search: Search, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ways whose models are made, those of the last that is trained as often as is paid for.

    Ways whose average was judged stay as they were judged, each once.
    """
    trained = [name for name in names if not search.ways[name].is_cheap]
    if not search.settings.average or not trained or names in search.made_of.values():
        return names
    return (*names, *trained[-1:] * (search.budget.finals - len(trained)))


def _settled(search: Search) -> tuple[Verdict, tuple[str, ...], Fitted]:
    """Return the last verdict, the ways whose models are made, and what they make.

    A way that cannot be trained on all rows is left out, and decided anew.
    """
    while True:
        verdict = search.verdict()
        names = _repeated(search, search.parts_of(verdict))
        fitted = _final(search, names)
        if fitted is not None:
            return verdict, names, fitted


def _final(search: Search, names: Sequence[str]) -> Fitted | None:
    """Return the model trained on all rows, the average of several, or one model that learned from that.

    None: one of the ways could not be trained and is left out.
    """
    fitted = []
    for place, name in enumerate(names):
        copy = names[:place].count(name)
        if (name, copy) not in search.finals:
            try:
                search.finals[name, copy], steps, seconds = search.workshop.on_all(search.ways[name], copy)
            except DataError as error:
                if name == BASE:
                    raise
                search.leave_out(name, f"all rows: {error.message}")
                return None
            before = search.spent.get(f"{name}, final", (0, 0.0))
            search.spent[f"{name}, final"] = (before[0] + steps, before[1] + seconds)
        fitted.append(search.finals[name, copy])
    whole = fitted[0] if len(fitted) == 1 else average(fitted, name="+".join(names))
    if not search.settings.distill:
        return whole
    if len(fitted) == 1:
        search.notes.append("There is nothing to distill: the model is that of one training.")
        return whole
    learned, steps, seconds = search.workshop.distilled(whole)
    search.spent["distilled, final"] = (steps, seconds)
    search.notes.append(DISTILLED)
    return learned
