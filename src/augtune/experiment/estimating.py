"""How many calls the arms take that ask a language model or route to it; nothing is sent and no weights are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from augtune.collaboration.ask import prompts
from augtune.collaboration.forms import find_form
from augtune.collaboration.routed import ExampleSettings
from augtune.collaboration.settings import AskSettings
from augtune.collaboration.tune.check import TunePrice, price_of
from augtune.collaboration.tune.count import count_tokens
from augtune.collaboration.tune.data import records
from augtune.core.dataset import HumanDataset
from augtune.core.tables import Predictions
from augtune.experiment.kinds import AskArm, RouteArm, TuneArm
from augtune.experiment.plan import Plan
from augtune.experiment.rows import HumanRows
from augtune.generation.base import Estimate

__all__ = ["asking_of", "tuning_of"]

LOOKED_AT = 8
CHARACTERS_PER_TOKEN = 4
TOKENS_OUT = 8


def asking_of(plan: Plan, human: HumanRows) -> Mapping[str, Estimate]:
    """Return per arm that asks or routes the calls and tokens it is expected to take, without reminders."""
    seeds = len(plan.experiment.seeds)
    found = {}
    for arm in plan.arms:
        if isinstance(arm.kind, AskArm):
            times = seeds if arm.kind.evidence.classifier is not None else 1
            rows = times * len(human.test)
            found[arm.name] = _estimate(human, arm.kind.asking(), arm.kind.evidence.examples, rows, rows)
        elif isinstance(arm.kind, RouteArm):
            found[arm.name] = _routed(arm.kind, human, seeds)
    return found


def tuning_of(plan: Plan, human: HumanRows) -> Mapping[str, TunePrice]:
    """Return per arm that fine-tunes what one fine-tuning is expected to take; a local model's tokenizer is read."""
    found = {}
    for arm in plan.arms:
        if isinstance(arm.kind, TuneArm):
            settings, drawn = arm.kind.tuning(0), arm.kind.evidence.examples.model_copy(update={"choose": "random"})
            given = replace(drawn.evidence(_undecided(human.train), human.train), leave_one_out=True)
            rows = records(human.train, find_form(str(settings.form)), given, text_type=settings.text_type)
            found[arm.name] = price_of(count_tokens(rows, settings), settings)
    return found


def _routed(kind: RouteArm, human: HumanRows, seeds: int) -> Estimate:
    """Return the calls of a route: every row it is chosen on, and at most all test rows of each seed."""
    times = seeds if kind.ask.tells_classifier else 1
    choosing = 0 if kind.is_given else times * len(human.train if human.validation is None else human.validation)
    share = 1.0 if kind.most_share is None else kind.most_share
    expected = choosing + round(times * share * len(human.test))
    most = choosing + times * len(human.test)
    return _estimate(human, kind.ask.asking(), kind.ask.evidence, expected, most)


def _estimate(human: HumanRows, asking: AskSettings, examples: ExampleSettings, calls: int, most: int) -> Estimate:
    rows = human.test.take(range(min(LOOKED_AT, len(human.test))))
    # any examples are about as long as the nearest ones, which would take an encoder to find
    drawn = examples.model_copy(update={"choose": "random"})
    pool = human.train if examples.similar else None
    shown = prompts(rows, evidence=drawn.evidence(_undecided(rows), pool), settings=asking, count=len(rows))
    length = float(np.mean([sum(len(turn.content) for turn in turns) for turns in shown]))
    return Estimate(calls, round(calls * length / CHARACTERS_PER_TOKEN), calls * TOKENS_OUT, most)


def _undecided(rows: HumanDataset) -> Predictions:
    """Return predictions that say nothing, as long in a prompt as any."""
    size = len(rows.labels)
    return Predictions(rows.ids, np.full((len(rows), size), 1 / size), rows.labels, "estimate")
