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
from augtune.evaluation.comparisons import compare_all
from augtune.evaluation.scores import MeanScores, evaluate, evaluate_runs, majority
from augtune.evaluation.settings import EvaluateSettings
from augtune.evaluation.significance import detectable
from augtune.experiment.outcomes import ArmOutcome, SeedRun
from augtune.experiment.plan import Plan
from augtune.experiment.rows import HumanRows
from augtune.experiment.verdict import verdict

__all__ = ["details_of", "out_of_reach", "results_of"]


def results_of(plan: Plan, human: HumanRows, outcomes: Sequence[ArmOutcome]) -> dict[str, Any]:
    """Return the value of ``results.json``, as the contract has it."""
    settings = plan.experiment.evaluate.model_copy(update={"baseline": plan.baseline})
    metrics = settings.measured
    reference = evaluate(majority(human.test, human.train), human.test, metrics, resamples=0)
    arms = {}
    for outcome in outcomes:
        scores = evaluate_runs(
            outcome.runs.predictions, human.test, metrics, resamples=settings.resamples, level=settings.level
        )
        arms[outcome.plan.name] = _arm(plan, outcome, scores)
    return {
        "schema": 1,
        "name": plan.experiment.name,
        "seeds": list(plan.experiment.seeds),
        "references": {"majority": dict(reference.values)},
        "arms": arms,
        "comparisons": _comparisons(human, outcomes, settings),
    }


def _arm(plan: Plan, outcome: ArmOutcome, scores: MeanScores) -> dict[str, Any]:
    seeds = zip(plan.experiment.seeds, scores.per_seed, strict=True)
    return {
        "per_seed": [{"seed": seed, **one.to_json()} for seed, one in seeds],
        "mean": dict(scores.mean),
        "std": dict(scores.std),
        "interval": {kind: interval.to_json() for kind, interval in scores.intervals.items()},
        "rows": {"human": outcome.human, "synthetic": len(outcome.rows.kept) if outcome.rows.kept else 0},
        "cost": outcome.cost.to_json(),
        "train_seconds": float(np.mean([one.seconds for one in outcome.by_seed])),
    }


def _comparisons(human: HumanRows, outcomes: Sequence[ArmOutcome], settings: EvaluateSettings) -> list[dict[str, Any]]:
    """Return every arm against the baseline: the test asked for on every metric, and exact McNemar on accuracy.

    The two tests are corrected as two families, since they answer the same question twice.
    """
    runs = [outcome.runs for outcome in outcomes]
    if len(runs) < 2:
        return []
    found = [one.to_json() for one in compare_all(human.test, runs, settings)]
    if settings.tester.kind != "mcnemar" and any(metric.kind == "accuracy" for metric in settings.measured):
        exact = settings.model_copy(update={"metrics": ("accuracy",), "test": "mcnemar"})
        found += [one.to_json() for one in compare_all(human.test, runs, exact)]
    return found


def out_of_reach(comparisons: Sequence[Mapping[str, Any]], level: float = 0.05) -> list[str]:
    """Return a warning for each test that could not have found anything, e.g. signed ranks of five seeds."""
    found = {one["test"]: one["smallest_p"] for one in comparisons if one["smallest_p"] > level}
    return [
        f"The test {test} cannot give a p under {smallest:.2g} here, however large a difference is; use more seeds or "
        "another evaluate.test."
        for test, smallest in found.items()
    ]


def details_of(
    plan: Plan, human: HumanRows, outcomes: Sequence[ArmOutcome], results: Mapping[str, Any], warnings: Sequence[str]
) -> dict[str, Any]:
    """Return the value of ``details.json``: what the report shows besides the results."""
    metrics = [metric.bound(human.test.labels) for metric in plan.experiment.evaluate.measured]
    sentences = verdict(results, metrics[0], plan.baseline)
    others = [outcome for outcome in outcomes if outcome.plan.name != plan.baseline]
    if others:
        by_name = {outcome.plan.name: outcome.runs.predictions for outcome in outcomes}
        sign = 1 if metrics[0].higher_is_better else -1
        best = max(others, key=lambda outcome: sign * results["arms"][outcome.plan.name]["mean"][metrics[0].kind])
        limit = detectable(human.test, by_name[best.plan.name], by_name[plan.baseline])
        sentences.append(f"{repr(limit)[:1].upper()}{repr(limit)[1:]}.")
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
        "arms": {outcome.plan.name: _arm_details(human, outcome) for outcome in outcomes},
        "verdict": sentences,
        "warnings": list(warnings),
        "environment": _environment(outcomes),
        "baseline": plan.baseline,
        "metrics": [metric.kind for metric in metrics],
    }


def _arm_details(human: HumanRows, outcome: ArmOutcome) -> dict[str, Any]:
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
        **outcome.details,
    }


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
