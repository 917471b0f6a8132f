"""Comparisons: whether one method is better than another, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from augtune.core.dataset import HumanDataset
from augtune.core.errors import DataError
from augtune.core.seeds import generator
from augtune.core.tables import Predictions
from augtune.evaluation.intervals import Interval, percentile_interval
from augtune.evaluation.resample import aligned, pooled, resample, run_weights
from augtune.evaluation.settings import Correction, EvaluateSettings
from augtune.evaluation.significance import bootstrap_p, corrected, mcnemar, mean_predictions

__all__ = ["Comparison", "Runs", "adjusted", "compare", "compare_all"]


@dataclass(frozen=True, slots=True)
class Runs:
    """A method's predictions of the test rows.

    Args:
        name: The arm's name.
        predictions: One per seed, one at least.
    """

    name: str
    predictions: tuple[Predictions, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "predictions", tuple(self.predictions))
        if not self.predictions:
            raise DataError(f"'{self.name}' has no predictions to compare.")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of one arm against that of the baseline.

    Args:
        arm: Name of the arm.
        baseline: Name of the baseline.
        metric: Name of the metric.
        difference: The arm's mean over seeds less the baseline's.
        interval: Its interval, over rows and seeds.
        p: Two-sided p of no difference.
        test: Where p comes from: ``paired_bootstrap`` or ``mcnemar``.
        p_adjusted: p corrected for the family of comparisons; None before ``adjusted``.
        higher_is_better: Whether a positive difference is a gain.
    """

    arm: str
    baseline: str
    metric: str
    difference: float
    interval: Interval
    p: float
    test: str
    p_adjusted: float | None = None
    higher_is_better: bool = True

    def verdict(self, level: float = 0.05) -> str:
        """Return ``better``, ``worse`` or ``no difference shown`` at a level of (corrected) p."""
        p = self.p if self.p_adjusted is None else self.p_adjusted
        if p > level or self.difference == 0:
            return "no difference shown"
        return "better" if (self.difference > 0) == self.higher_is_better else "worse"

    def to_json(self) -> dict[str, Any]:
        """Return the contract's object: arm, baseline, metric, difference, interval, p, p_adjusted, test."""
        return {
            "arm": self.arm,
            "baseline": self.baseline,
            "metric": self.metric,
            "difference": self.difference,
            "interval": self.interval.to_json(),
            "p": self.p,
            "p_adjusted": self.p_adjusted,
            "test": self.test,
        }

    def __repr__(self) -> str:
        p = f"p {self.p:.2g}" if self.p_adjusted is None else f"p {self.p:.2g}, corrected {self.p_adjusted:.2g}"
        return f"{self.arm} vs {self.baseline} · {self.metric} {self.difference:+.3f} {self.interval} · {p}"


def compare(
    truth: HumanDataset, arm: Runs, baseline: Runs, settings: EvaluateSettings | None = None, *, seed: int = 0
) -> tuple[Comparison, ...]:
    """Return the differences between two methods, one per metric, by a paired bootstrap.

    Rows are resampled for both methods alike. With several seeds the seeds are resampled too: together if both methods
    have equally many (the first run of one belongs to the first of the other), each by itself if not. So an interval
    says how the difference could come out on other rows and with other seeds.

    With ``test: mcnemar`` the p of accuracy is that of the exact McNemar test, which knows rows only: of several seeds
    it compares the ensembles, that is the means of the runs' probabilities. Other metrics keep the bootstrap's p.

    Args:
        truth: The test rows.
        arm: The method in question.
        baseline: What it is compared with.
        settings: Metrics, test, resamples and level; the defaults if None.
        seed: Of the bootstrap.

    Raises:
        DataError: If there are no rows, a row has no prediction, or labels differ.
    """
    asked = settings or EvaluateSettings()
    random = generator(seed, "paired bootstrap")
    runs, others = len(arm.predictions), len(baseline.predictions)
    weights = run_weights(runs, asked.resamples, random)
    other_weights = weights if runs == others else run_weights(others, asked.resamples, random)
    table, true = aligned([*arm.predictions, *baseline.predictions], truth), truth.label_indices
    found = resample(table, true, asked.measured, resamples=asked.resamples, random=random)
    comparisons = []
    for metric in asked.measured:
        values = found[metric.kind]
        differences = pooled(values[:, :runs], weights) - pooled(values[:, runs:], other_weights)
        scores = [metric.value(one, true) for one in table]
        comparisons.append(
            Comparison(
                arm=arm.name,
                baseline=baseline.name,
                metric=metric.kind,
                difference=sum(scores[:runs]) / runs - sum(scores[runs:]) / others,
                interval=percentile_interval(differences, asked.level),
                p=bootstrap_p(differences),
                test="paired_bootstrap",
                higher_is_better=metric.higher_is_better,
            )
        )
    if asked.test == "mcnemar":
        exact = mcnemar(truth, mean_predictions(arm.predictions), mean_predictions(baseline.predictions))
        comparisons = [replace(c, p=exact.p, test="mcnemar") if c.metric == "accuracy" else c for c in comparisons]
    return tuple(comparisons)


def compare_all(
    truth: HumanDataset, arms: Sequence[Runs], settings: EvaluateSettings | None = None, *, seed: int = 0
) -> tuple[Comparison, ...]:
    """Return every arm against the baseline on every metric, p corrected over all of these.

    Args:
        truth: The test rows.
        arms: The baseline and the others, in any order.
        settings: Which arm is the baseline (the first if unsaid), metrics, test, correction.
        seed: Of the bootstraps.

    Raises:
        DataError: If no arm is called as the baseline, two arms share a name, or predictions do not fit.
    """
    asked = settings or EvaluateSettings()
    by_name = {arm.name: arm for arm in arms}
    if len(by_name) != len(arms) or not arms:
        raise DataError(f"compare: expected arms of different names, got {[arm.name for arm in arms]}.")
    name = arms[0].name if asked.baseline is None else asked.baseline
    if name not in by_name:
        raise DataError(f"compare: the baseline {name!r} is none of the arms: {', '.join(map(repr, by_name))}.")
    others = [arm for arm in arms if arm.name != name]
    found = [one for arm in others for one in compare(truth, arm, by_name[name], asked, seed=seed)]
    return adjusted(found, asked.correction)


def adjusted(comparisons: Sequence[Comparison], correction: Correction = "holm") -> tuple[Comparison, ...]:
    """Return the comparisons with p corrected for there being so many, in the same order.

    Args:
        comparisons: One family: all that are looked at together, arms and metrics alike.
        correction: ``holm``, ``benjamini_hochberg`` or ``none``.
    """
    p_values = corrected([one.p for one in comparisons], correction)
    return tuple(replace(one, p_adjusted=float(p)) for one, p in zip(comparisons, p_values, strict=True))
