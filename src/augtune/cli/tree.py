"""The plan of an experiment as plain text: a tree, the prompts, the estimate."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from augtune.core.settings import Settings
from augtune.data.grammar import parse
from augtune.experiment.rows import drawn_before
from augtune.experiment.sweep import BASE

if TYPE_CHECKING:
    from augtune.experiment.check import Checked, GeneratorCheck
    from augtune.experiment.data_settings import DataSettings
    from augtune.experiment.kinds import Kind
    from augtune.experiment.plan import ArmPlan
    from augtune.experiment.rows import HumanRows
    from augtune.training.settings import TrainSettings
    from augtune.training.stages import Stage

__all__ = ["Branch", "aligned", "changed_fields", "duration", "estimate_text", "plan_text", "prompts_text"]

MOST_LABELS = 10

Branch = tuple[str, Sequence["Branch"]]
"""A line of a tree and the branches under it."""


def aligned(rows: Iterable[Sequence[str]], *, gap: str = "  ") -> list[str]:
    """Return rows of cells as lines whose columns stand below each other."""
    table = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def draw(root: str, branches: Sequence[Branch]) -> str:
    """Return a tree as text."""
    lines = [root]

    def add(branches: Sequence[Branch], before: str) -> None:
        for number, (text, inner) in enumerate(branches):
            is_last = number == len(branches) - 1
            lines.append(f"{before}{'└── ' if is_last else '├── '}{text}")
            add(inner, before + ("    " if is_last else "│   "))

    add(branches, "")
    return "\n".join(lines)


def plan_text(checked: Checked) -> str:
    """Return the plan: data, language model, arms with what each changes, and what is measured."""
    experiment = checked.plan.experiment
    seeds = experiment.seeds
    root = f"{experiment.name} · {_count(len(checked.plan.arms), 'arm')} × {_count(len(seeds), 'seed')}"
    evaluate = experiment.evaluate
    baseline = evaluate.baseline or checked.plan.baseline
    measured = f"evaluate: {', '.join(evaluate.metrics)} · {evaluate.tester.kind} against {baseline!r}"
    swept = checked.plan.swept
    return draw(
        root,
        [
            _data(checked),
            (f"llm: {_llm(checked)}", ()),
            *([(f"sweep: {swept}", ())] if swept else []),
            *_draws(checked),
            *_search(checked),
            ("arms", _arms(checked)),
            (f"{measured} · correction {evaluate.correction}", ()),
        ],
    )


def _draws(checked: Checked) -> list[Branch]:
    """Return how the human rows are drawn anew, where they are."""
    experiment = checked.plan.experiment
    if not experiment.data_seeds:
        return []
    trials = ", ".join(f"{trial.data_seed}/{trial.seed}" for trial in experiment.all_trials)
    return [(f"seeds of data/training: {trials}", ())]


def _search(checked: Checked) -> list[Branch]:
    """Return what is searched for, and on which rows."""
    search = checked.plan.experiment.search
    if search is None:
        return []
    keys = ", ".join(f"{key} in {value}" for key, value in search.over.items())
    judged = "validation rows" if search.folds is None else f"{search.folds} parts of the human training rows"
    whose = "each arm" if search.arm is None else search.arm
    metric = checked.plan.experiment.search_metric.kind
    return [(f"search: {_count(search.trials, 'trial')} for {whose} by {metric} on {judged}: {keys}", ())]


def _data(checked: Checked) -> Branch:
    data, human = checked.plan.experiment.data, checked.human
    rows = [("train", data.train, human.train), ("validation", data.validation, human.validation)]
    parts = [*rows, ("test", data.test, human.test)]
    cells = [
        (part, wanted if rows is not None else "none", _rows(rows) + _share_of(data, part, wanted))
        for part, wanted, rows in parts
    ]
    labels = human.train.labels
    named = " · ".join([*labels.names[:MOST_LABELS], *(["…"] if len(labels) > MOST_LABELS else [])])
    view = [("view", *_view(human))] if labels.was else []
    several = "" if labels.task == "single_label" else f" ({labels.task})"
    return f"data: {data.source} · {len(labels)} labels{several}: {named}", [
        (line, ()) for line in aligned([*view, *cells])
    ]


def _share_of(data: DataSettings, part: str, wanted: str) -> str:
    """Return what a share is a share of, where other parts were drawn from the same split before."""
    before = drawn_before(data, part)
    if wanted == "none" or not before or parse(wanted).amount not in ("percent", "fraction"):
        return ""
    return f" · of what {' and '.join(before)} left"


def _view(human: HumanRows) -> tuple[str, str]:
    """Return which labels each class is made of, and how many rows are left out."""
    labels = human.train.labels
    made = [f"{name} = {' + '.join(old for old, new in labels.was.items() if new == name)}" for name in labels]
    gone = ", ".join(old for old, new in labels.was.items() if new is None)
    return " · ".join(made), f"left out: {len(human.left_out)} rows of {gone}" if gone else ""


def _rows(rows: Any) -> str:
    if rows is None:
        return ""
    counts = rows.counts()
    if len(counts) > MOST_LABELS:
        return f"{_count(len(rows), 'row')} · {min(counts.values())} to {max(counts.values())} of each label"
    return f"{_count(len(rows), 'row')} · {' · '.join(f'{label} {n}' for label, n in counts.items())}"


def _llm(checked: Checked) -> str:
    llm = checked.plan.experiment.llm
    if llm is None:
        return "none"
    told = [] if llm.model is None else [llm.model]
    told += [f"recorded replies {llm.replay}"] if llm.replay is not None else []
    told += [f"budget {budget}"] if (budget := getattr(llm, "budget", None)) else []
    return " · ".join(told)


def _arms(checked: Checked) -> list[Branch]:
    """Return the arms; of those that a sweep made of one, the first in full and what the others change."""
    shown: set[object] = set()
    branches = []
    for arm in checked.plan.arms:
        text, inner = _arm(checked, arm)
        base = arm.axes.get(BASE, "") if arm.axes else arm.name
        branches.append((text, () if base in shown else inner))
        shown.add(base)
    return branches


def _arm(checked: Checked, arm: ArmPlan) -> Branch:
    baseline = " (baseline)" if checked.plan.baseline_of(arm.name) == arm.name else ""
    changes = "; ".join(checked.changes[arm.name]) or "changes nothing"
    if arm.kind is not None:
        return f"{arm.name}{baseline}", _kind(arm.kind)
    settings = arm.settings
    rows = len(checked.human.train)
    steps = settings.steps_for(rows)
    beside = "" if settings.lora is None else f", by updates of rank {settings.lora.rank}"
    stages: list[Branch] = [
        (f"{stage.name}: {_count(stage.steps, 'step')} on {_stage_rows(stage)}, {_trained(stage)}{beside}", ())
        for stage in settings.recipe.plan(settings, steps)
    ]
    recipe = settings.recipe.kind if arm.choose is None else "auto"
    if arm.choose is not None:
        stages = [(f"chosen among {', '.join(way.name for way in arm.choose.ways)}", ())]
        distilled = ", the last of which distils the average into one model" if arm.choose.distill else ""
        stages.append((f"at most {arm.choose.trainings:g} trainings of {_count(steps, 'step')}{distilled}", ()))
    elif settings.recipe.needs:
        checkers = "; ".join(_checker(name, settings, steps) for name in settings.recipe.needs)
        stages.insert(0, (f"checkers: {checkers}", ()))
    return f"{arm.name}{baseline}: {changes}", [
        (f"generate: {_list(arm.generators)}", ()),
        (f"curate: {_list(arm.steps)}", ()),
        (f"train: {settings.encoder}, recipe {recipe}, batches of {settings.batch_size}", stages),
    ]


def _kind(kind: Kind) -> list[Branch]:
    """Return what an arm says that asks, routes or fine-tunes: a line each, settings of a part below it."""
    return [(kind.kind, _fields(kind))]


def _fields(settings: Settings) -> list[Branch]:
    lines: list[Branch] = []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name not in settings.model_fields_set:
            continue
        if isinstance(value, Settings):
            lines.append((name, _fields(value)))
        else:
            lines.append((f"{name}: {value}", ()))
    return lines or [("as by default", ())]


def _list(parts: Sequence[Settings]) -> str:
    return ", ".join(f"{part.kind}{_in_brackets(changed_fields(part))}" for part in parts) or "nothing"


def _in_brackets(told: str) -> str:
    return f" ({told})" if told else ""


def changed_fields(settings: Settings) -> str:
    """Return the fields that differ from their defaults, as ``key value, key value``."""
    told = []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name in settings.model_fields_set and value != type(settings).model_fields[name].default:
            told.append(f"{name} {value}")
    return ", ".join(told)


def _checker(name: str, settings: TrainSettings, steps: int) -> str:
    checkers = settings.checkers
    saved = checkers.quality if name == "quality" else checkers.diversity
    if saved is not None:
        return f"{name}, saved in {saved}"
    how = "a probe" if checkers.model == "probe" else f"{_count(checkers.steps or steps, 'step')} each"
    return f"{name}, {_count(checkers.folds, 'fold')}, {how}"


def _stage_rows(stage: Stage) -> str:
    told = {"all": "all rows", "human": "the human rows", "synthetic": "the synthetic rows"}[stage.rows]
    if stage.weighting is not None:
        told += f" weighed by {stage.weighting.kind}"
    if stage.human_share is not None:
        first, last = stage.human_share
        share = f"{first:.0%}" if first == last else f"{first:.0%} to {last:.0%}"
        told += f", {share} of each batch human"
    return f"{told}, the easiest first" if stage.order == "easiest_first" else told


def _trained(stage: Stage) -> str:
    trainable = stage.trainable
    if isinstance(trainable, int):
        top = "the top layer" if trainable == 1 else f"the top {trainable} layers"
        return f"training head, pooler and {top}"
    return "training the head" if trainable == "head" else "training everything"


def prompts_text(found: GeneratorCheck) -> str:
    """Return a generator's first prompts, each in a frame of its own."""
    parts = []
    for number, prompt in enumerate(found.prompts, start=1):
        frame = textwrap.indent(prompt, "  │ ", lambda line: True)
        parts.append(f"{found.generator.kind}, prompt {number} of about {found.estimate.calls}\n{frame}")
    return "\n\n".join(parts)


def estimate_text(checked: Checked) -> str:
    """Return the estimate: requests, tokens, money and time."""
    rows = []
    for found in checked.generators:
        if not found.generator.needs_llm:
            continue
        e = found.estimate
        most = f", {e.calls_at_most:,} at most" if e.calls_at_most > e.calls else ""
        tokens = f"about {e.tokens_in:,} tokens in, {e.tokens_out:,} out"
        rows.append((found.generator.kind, f"about {e.calls:,} requests{most} · {tokens}"))
    for arm, e in checked.asking.items():
        most = f", {e.calls_at_most:,} at most" if e.calls_at_most > e.calls else ""
        tokens = f"about {e.tokens_in:,} tokens in, {e.tokens_out:,} out"
        rows.append((arm, f"about {e.calls:,} requests{most} · {tokens}"))
    for arm, price in checked.tuning.items():
        times = _count(len(checked.plan.experiment.seeds), "fine-tuning")
        rows.append((arm, f"{times} of {price.tokens:,} tokens × {_count(price.epochs, 'epoch')}"))
    rows.append(("money", _money(checked)))
    trainings = f"{_count(checked.trainings, 'training')}"
    known = "time not known" if checked.seconds is None else f"roughly {duration(checked.seconds)} on this processor"
    rows.append(("training", f"{trainings} · {known}"))
    return "\n".join(["estimate", *(f"  {line}" for line in aligned(rows))])


def _money(checked: Checked) -> str:
    llm = checked.plan.experiment.llm
    budget = getattr(llm, "budget", None)
    cap = f", never more than the budget of {budget}" if budget else ""
    if checked.usd is None:
        return f"not known: this model's price is not in llm.price{cap}"
    if checked.usd == 0:
        return "nothing: no paid call is made"
    return f"about ${checked.usd:.2f} if every reply can be used{cap}"


def duration(seconds: float) -> str:
    """Return a time as a reader takes it in: ``40 s``, ``5 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
