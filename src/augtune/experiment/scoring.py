"""From the predictions of every arm and seed to ``results.json`` and ``details.json``, as values."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np

from augtune.core.outcomes import Dropped
from augtune.evaluation.comparisons import Comparison, adjusted, compare_all
from augtune.evaluation.scores import MeanScores, evaluate, evaluate_runs, majority
from augtune.evaluation.significance import detectable
from augtune.experiment.outcomes import ArmOutcome, SeedRun
from augtune.experiment.plan import Plan
from augtune.experiment.rows import HumanRows
from augtune.experiment.synthetic import ArmRows
from augtune.experiment.verdict import verdict

__all__ = ["details_of", "out_of_reach", "results_of"]


def results_of(plan: Plan, human: HumanRows, outcomes: Sequence[ArmOutcome]) -> dict[str, Any]:
    """Return the value of ``results.json``, as the contract has it."""
    settings = plan.experiment.evaluate
    metrics = settings.measured
    reference = evaluate(majority(human.test, human.train), human.test, metrics, resamples=0)
    arms = {}
    for outcome in outcomes:
        scores = evaluate_runs(
            outcome.runs.predictions, human.test, metrics,
            resamples=settings.resamples, level=settings.level, groups=outcome.groups,
        )  # fmt: skip
        arms[outcome.plan.name] = _arm(plan, outcome, scores)
    return {
        "schema": 1,
        "name": plan.experiment.name,
        "seeds": list(plan.experiment.seeds),
        **_data_seeds(plan),
        "level": settings.level,
        "references": {"majority": dict(reference.values)},
        "arms": arms,
        "comparisons": _comparisons(plan, human, outcomes),
    }


def _arm(plan: Plan, outcome: ArmOutcome, scores: MeanScores) -> dict[str, Any]:
    seeds: list[dict[str, int]] = [{"seed": seed} for seed in plan.experiment.seeds]
    if plan.experiment.data_seeds:
        seeds = [{"seed": trial.seed, "data_seed": trial.data_seed} for trial in plan.experiment.all_trials]
    return {
        **({"axes": dict(outcome.plan.axes)} if outcome.plan.axes else {}),
        "per_seed": [{**seed, **one.to_json()} for seed, one in zip(seeds, scores.per_seed, strict=True)],
        "mean": dict(scores.mean),
        "std": dict(scores.std),
        "interval": {kind: interval.to_json() for kind, interval in scores.intervals.items()},
        "rows": {"human": outcome.human, "synthetic": _synthetic(outcome.rows), **_by_draw(outcome)},
        "cost": outcome.cost.to_json(),
        **({} if outcome.search is None else {"search": outcome.search.to_json()}),
        "train_seconds": float(np.mean([one.seconds for one in outcome.by_seed])),
    }


def _synthetic(rows: ArmRows) -> int:
    return 0 if rows.kept is None else len(rows.kept)


def _by_draw(outcome: ArmOutcome) -> dict[str, Any]:
    """Return the rows of each draw, where there are several; the arm's own numbers are those of the first."""
    if len(outcome.draws) < 2:
        return {}
    draws = {str(one.data_seed): {"human": one.human, "synthetic": _synthetic(one.rows)} for one in outcome.draws}
    return {"by_data_seed": draws}


def _data_seeds(plan: Plan) -> dict[str, Any]:
    """Return the seeds of the data and what they were derived from, where the file asks for any."""
    experiment = plan.experiment
    found: dict[str, Any] = {}
    if experiment.data_seeds:
        found["data_seeds"] = [trial.data_seed for trial in experiment.all_trials]
    if experiment.master_seed is not None:
        found["master_seed"] = experiment.master_seed
    return found


def _comparisons(plan: Plan, human: HumanRows, outcomes: Sequence[ArmOutcome]) -> list[dict[str, Any]]:
    """Return every arm against its baseline: the test asked for on every metric, and exact McNemar on accuracy.

    The two tests are corrected as two families, since they answer the same question twice.
    """
    runs = {outcome.plan.name: outcome.runs for outcome in outcomes}
    settings = plan.experiment.evaluate
    asked = [settings]
    if settings.tester.kind != "mcnemar" and any(metric.kind == "accuracy" for metric in settings.measured):
        asked.append(settings.model_copy(update={"metrics": ("accuracy",), "test": "mcnemar"}))
    families: dict[str, list[str]] = {}
    for name in runs:
        if (baseline := plan.baseline_of(name)) != name:
            families.setdefault(baseline, []).append(name)
    found: list[Comparison] = []
    for one in asked:
        compared: list[Comparison] = []
        for baseline, names in families.items():
            alone = one.model_copy(update={"baseline": baseline, "correction": "none"})
            compared += compare_all(human.test, [runs[name] for name in (baseline, *names)], alone)
        found += adjusted(compared, one.correction, level=one.level)
    return [one.to_json() for one in found]


def out_of_reach(comparisons: Sequence[Mapping[str, Any]], level: float = 0.05) -> list[str]:
    """Return a warning for each test that could not have found anything, e.g. signed ranks of five seeds."""
    found: dict[str, float] = {}
    for one in comparisons:
        found[one["test"]] = min(one["smallest_p"], found.get(one["test"], 1.0))
    return [
        f"The test {test} cannot give a p under {smallest:.2g} here, however large a difference is; use more seeds or "
        "another evaluate.test."
        for test, smallest in found.items()
        if level < smallest < 1
    ]


def details_of(
    plan: Plan, human: HumanRows, outcomes: Sequence[ArmOutcome], results: Mapping[str, Any], warnings: Sequence[str]
) -> dict[str, Any]:
    """Return the value of ``details.json``: what the report shows besides the results."""
    metrics = [metric.bound(human.test.labels) for metric in plan.experiment.evaluate.measured]
    sentences = verdict(results, metrics[0], plan.baseline)
    others = [outcome for outcome in outcomes if plan.baseline_of(outcome.plan.name) != outcome.plan.name]
    if others:
        by_name = {outcome.plan.name: outcome.runs.predictions for outcome in outcomes}
        sign = 1 if metrics[0].higher_is_better else -1
        best = max(others, key=lambda outcome: sign * results["arms"][outcome.plan.name]["mean"][metrics[0].kind])
        limit = detectable(human.test, by_name[best.plan.name], by_name[plan.baseline_of(best.plan.name)])
        sentences.append(f"{repr(limit)[:1].upper()}{repr(limit)[1:]}.")
    sentences += [sentence for outcome in outcomes for sentence in _chosen(outcome)]
    sentences += dict.fromkeys(str(outcome.search) for outcome in outcomes if outcome.search is not None)
    return {
        "schema": 1,
        "name": plan.experiment.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "labels": list(human.train.labels),
        "task": human.train.labels.task,
        "counts": {
            "train": human.train.counts(),
            "validation": None if human.validation is None else human.validation.counts(),
            "test": human.test.counts(),
        },
        "rows": {"train": len(human.train), "test": len(human.test)},
        "arms": {outcome.plan.name: _arm_details(human, outcome, plan.experiment.seeds) for outcome in outcomes},
        "verdict": sentences,
        "warnings": list(warnings),
        "environment": _environment(outcomes),
        "baseline": plan.baseline,
        "metrics": [metric.kind for metric in metrics],
    }


def _arm_details(human: HumanRows, outcome: ArmOutcome, seeds: Sequence[int]) -> dict[str, Any]:
    rows, labels = outcome.rows, human.test.labels
    confusion = sum(evaluate(one.predictions, human.test, resamples=0).confusion for one in outcome.by_seed)
    return {
        "settings": outcome.plan.to_json(),
        "synthetic": rows.kept.counts() if rows.kept is not None else dict.fromkeys(labels, 0),
        "generated": rows.generated,
        "dropped": _by_reason(rows.dropped),
        "shortfall": dict(rows.shortfall),
        "confusion": np.asarray(confusion).tolist(),
        "weights": _weights(outcome.by_seed),
        "model": outcome.by_seed[0].about,
        **_decisions(outcome, seeds),
        **outcome.details,
    }


def _decisions(outcome: ArmOutcome, seeds: Sequence[int]) -> dict[str, Any]:
    """Return how each seed of an arm chose its way of training; nothing for an arm that says its way."""
    made = [(seed, one.decision()) for seed, one in zip(seeds, outcome.by_seed, strict=True)]
    found = [{"seed": seed, "decision": decision} for seed, decision in made if decision is not None]
    return {"decisions": found} if found else {}


def _chosen(outcome: ArmOutcome) -> list[str]:
    """Return what an arm chose, in a sentence, if it did."""
    made = Counter(one["chosen"] for run in outcome.by_seed if (one := run.decision()) is not None)
    if not made:
        return []
    total = sum(made.values())
    took = [name if total == 1 else f"{name} ({count} of {total} seeds)" for name, count in made.most_common()]
    return [f"{outcome.plan.name} chose {', '.join(took)}."]


def _by_reason(dropped: Sequence[Dropped]) -> dict[str, dict[str, int]]:
    table: dict[str, Counter[str]] = {}
    for row in dropped:
        table.setdefault(row.by, Counter())[row.reason] += 1
    return {by: dict(reasons.most_common()) for by, reasons in table.items()}


def _weights(runs: Sequence[SeedRun]) -> dict[str, float] | None:
    shares = [share for one in runs if (share := one.effective_share) is not None]
    values = [one.weights() for one in runs]
    if len(shares) < len(runs) or not any(len(value) for value in values):
        return None
    joined = np.concatenate(values)
    return {
        "effective_share": float(np.mean(shares)),
        "minimum": float(joined.min()),
        "median": float(np.median(joined)),
        "maximum": float(joined.max()),
    }


def _environment(outcomes: Sequence[ArmOutcome]) -> dict[str, Any]:
    import torch

    precisions = (one.precision for outcome in outcomes for one in outcome.by_seed)
    versions = {name: metadata.version(name) for name in ("augtune", "torch", "transformers")}
    return {
        **versions,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "precision": next((one for one in precisions if one is not None), "none"),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            names = [line.partition(":")[2].strip() for line in stream if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
