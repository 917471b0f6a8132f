"""Comparisons: whether one method is better than another, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from augtune.core.dataset import HumanDataset
from augtune.core.errors import DataError
from augtune.core.seeds import generator
from augtune.core.tables import Predictions
from augtune.evaluation.answers import aligned, truth_of
from augtune.evaluation.difference_tests.base import DifferenceTest, Pair
from augtune.evaluation.difference_tests.bootstrap import PairedBootstrap
from augtune.evaluation.effects import cliffs_delta
from augtune.evaluation.intervals import Interval, percentile_interval
from augtune.evaluation.metrics import Accuracy, ClassF1, Metric
from augtune.evaluation.resample import pooled, resample, run_weights
from augtune.evaluation.settings import Correction, EvaluateSettings
from augtune.evaluation.significance import corrected, smallest_seen

__all__ = ["Comparison", "Runs", "adjusted", "compare", "compare_all", "compare_classes", "compare_subsets"]

FEWEST_OUTSIDE = 4
"""Resamples that have to lie beyond each end of a corrected interval."""


@dataclass(frozen=True, slots=True)
class Runs:
    """A method's predictions of the test rows.

    Args:
        name: The arm's name.
        predictions: One per seed, one at least.
        train_rows: Human rows each run was trained on, if known; the test ``corrected_t`` asks for them.
        groups: The draw of the data each run belongs to; None: every run by itself.
    """

    name: str
    predictions: tuple[Predictions, ...]
    train_rows: int | None = None
    groups: tuple[int, ...] | None = None

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
        test: Where p comes from, a name of the catalog ``TESTS``.
        p_adjusted: p corrected for the family of comparisons; None before ``adjusted``.
        higher_is_better: Whether a positive difference is a gain.
        detectable: The smallest difference these rows and seeds would show four times in five.
        smallest_p: The smallest p this test could give on these rows and seeds.
        effects: Effect sizes by name; ``evaluation/effects.py`` has them.
        interval_adjusted: Wide enough that all of the family's intervals hold their differences at once, at the same
            level (Bonferroni); None for a family of one, without correction, or where the resamples are too few to
            tell.
        resampled: The difference in each resample, ``(R,)``, until the family is known.
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
    detectable: float | None = None
    smallest_p: float = 0.0
    effects: Mapping[str, Any] = field(default_factory=dict)
    interval_adjusted: Interval | None = None
    resampled: np.ndarray | None = field(default=None, repr=False, compare=False)

    def verdict(self, level: float = 0.05) -> str:
        """Return ``better``, ``worse`` or ``no difference shown`` at a level of (corrected) p."""
        p = self.p if self.p_adjusted is None else self.p_adjusted
        if p > level or self.difference == 0:
            return "no difference shown"
        return "better" if (self.difference > 0) == self.higher_is_better else "worse"

    def to_json(self) -> dict[str, Any]:
        """Return the fields but ``higher_is_better`` and ``resampled``, as a JSON object."""
        return {
            "arm": self.arm,
            "baseline": self.baseline,
            "metric": self.metric,
            "difference": self.difference,
            "interval": self.interval.to_json(),
            "interval_adjusted": None if self.interval_adjusted is None else self.interval_adjusted.to_json(),
            "p": self.p,
            "p_adjusted": self.p_adjusted,
            "test": self.test,
            "detectable": self.detectable,
            "smallest_p": self.smallest_p,
            "effects": dict(self.effects),
        }

    def __repr__(self) -> str:
        p = f"p {self.p:.2g}" if self.p_adjusted is None else f"p {self.p:.2g}, corrected {self.p_adjusted:.2g}"
        return f"{self.arm} vs {self.baseline} · {self.metric} {self.difference:+.3f} {self.interval} · {p}"


def compare(
    truth: HumanDataset, arm: Runs, baseline: Runs, settings: EvaluateSettings | None = None, *, seed: int = 0
) -> tuple[Comparison, ...]:
    """Return the differences between two methods, one per metric, with intervals by a paired bootstrap.

    Rows are resampled for both methods alike. With several seeds the seeds are resampled too: together if both methods
    have equally many (the first run of one belongs to the first of the other), each by itself if not. So an interval
    says how the difference could come out on other rows and with other seeds.

    p is that of ``settings.test``; a metric that this test is not about keeps the bootstrap's.

    Args:
        truth: The test rows.
        arm: The method in question.
        baseline: What it is compared with.
        settings: Metrics, test, resamples and level; the defaults if None.
        seed: Of the bootstrap and of tests that draw.

    Raises:
        DataError: If there are no rows, a row has no prediction, labels differ, or there are too few seeds for the
            test.
    """
    asked = settings or EvaluateSettings()
    pair = _pair(truth, arm, baseline, asked, seed)
    bootstrap, tester = PairedBootstrap(), asked.tester
    found = bootstrap.p_values(pair)
    tests: dict[str, DifferenceTest] = dict.fromkeys(found, bootstrap)
    if tester.kind != bootstrap.kind:
        own = tester.p_values(pair)
        found, tests = {**found, **own}, {**tests, **dict.fromkeys(own, tester)}
    return tuple(
        Comparison(
            arm=arm.name,
            baseline=baseline.name,
            metric=metric.key,
            difference=_difference(pair, metric),
            interval=percentile_interval(pair.resampled[metric.key], asked.level),
            p=found[metric.key],
            test=tests[metric.key].kind,
            higher_is_better=metric.higher_is_better,
            detectable=smallest_seen(pair.resampled[metric.key]),
            smallest_p=tests[metric.key].smallest_p(pair, metric),
            effects=_effects(pair, metric),
            resampled=pair.resampled[metric.key],
        )
        for metric in pair.metrics
    )


def _pair(truth: HumanDataset, arm: Runs, baseline: Runs, asked: EvaluateSettings, seed: int) -> Pair:
    """Return what tests look at; the resampled differences among it."""
    random = generator(seed, "paired bootstrap")
    runs, others = len(arm.predictions), len(baseline.predictions)
    weights = run_weights(runs, asked.resamples, random, arm.groups)
    is_paired = runs == others and arm.groups == baseline.groups
    other_weights = weights if is_paired else run_weights(others, asked.resamples, random, baseline.groups)
    table, true = aligned([*arm.predictions, *baseline.predictions], truth), truth_of(truth)
    metrics = tuple(metric.bound(truth.labels) for metric in asked.measured)
    values = resample(table, true, metrics, resamples=asked.resamples, random=random)
    known = [rows for rows in (arm.train_rows, baseline.train_rows) if rows is not None]
    return Pair(
        names=(arm.name, baseline.name),
        probabilities=(table[:runs], table[runs:]),
        truth=true,
        metrics=metrics,
        resampled={
            key: pooled(found[:, :runs], weights) - pooled(found[:, runs:], other_weights)
            for key, found in values.items()
        },
        seed=seed,
        train_rows=min(known, default=None),
        groups=arm.groups if is_paired else None,
    )


def _difference(pair: Pair, metric: Metric) -> float:
    arm, baseline = pair.scores(metric)
    return float(sum(arm.tolist()) / len(arm) - sum(baseline.tolist()) / len(baseline))


def _effects(pair: Pair, metric: Metric) -> dict[str, Any]:
    """Return effect sizes by name: over seeds if there are several, and of accuracy those of McNemar's table."""
    arm, baseline = pair.scores(metric)
    effects: dict[str, Any] = {}
    if len(arm) > 1 and len(baseline) > 1:
        effects["cliffs_delta"] = cliffs_delta(arm, baseline)
    if metric.kind == Accuracy.kind:
        effects |= pair.effect().to_json()
    return effects


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
    return adjusted(found, asked.correction, level=asked.level)


def compare_classes(
    truth: HumanDataset, arms: Sequence[Runs], settings: EvaluateSettings | None = None, *, seed: int = 0
) -> tuple[Comparison, ...]:
    """Return every arm against the baseline on each label's F1; p corrected over all of these as one family.

    Args:
        truth: The test rows.
        arms: The baseline and the others, in any order.
        settings: Which arm is the baseline, test, correction; the metrics play no part.
        seed: Of the bootstraps.

    Raises:
        DataError: As ``compare_all``.
    """
    each = tuple(ClassF1(column=column, label=name) for column, name in enumerate(truth.labels))
    asked = (settings or EvaluateSettings()).model_copy(update={"metrics": each})
    return compare_all(truth, arms, asked, seed=seed)


def compare_subsets(
    truth: HumanDataset,
    arms: Sequence[Runs],
    subset_of_row: Sequence[str],
    settings: EvaluateSettings | None = None,
    *,
    seed: int = 0,
) -> dict[str, tuple[Comparison, ...]]:
    """Return ``compare_all`` within each subset of the rows; p corrected over all subsets as one family.

    Args:
        truth: The test rows.
        arms: The baseline and the others, in any order.
        subset_of_row: Name of each row's subset, ``N`` of them.
        settings: Which arm is the baseline, metrics, test, correction.
        seed: Of the bootstraps.

    Raises:
        DataError: As ``compare_all``.
    """
    asked = settings or EvaluateSettings()
    names = np.asarray(subset_of_row, dtype=object)
    found = {}
    for name in dict.fromkeys(subset_of_row):
        rows = truth.take(np.flatnonzero(names == name))
        found[name] = compare_all(rows, arms, asked.model_copy(update={"correction": "none"}), seed=seed)
    family = iter(adjusted([one for part in found.values() for one in part], asked.correction, level=asked.level))
    return {name: tuple(next(family) for _ in part) for name, part in found.items()}


def adjusted(
    comparisons: Sequence[Comparison], correction: Correction = "holm", *, level: float = 0.95
) -> tuple[Comparison, ...]:
    """Return the comparisons with p and intervals corrected for there being so many, in the same order.

    Intervals are Bonferroni's whatever the correction of p: Holm's and Benjamini and Hochberg's steps have none for
    every member of a family.

    Args:
        comparisons: One family: all that are looked at together, arms and metrics alike.
        correction: ``holm``, ``benjamini_hochberg`` (``bh``) or ``none``.
        level: Of the intervals.
    """
    p_values = corrected([one.p for one in comparisons], correction)
    if correction == "none":
        return tuple(replace(one, p_adjusted=float(p)) for one, p in zip(comparisons, p_values, strict=True))
    outside = (1 - level) / max(len(comparisons), 1)
    return tuple(
        replace(one, p_adjusted=float(p), interval_adjusted=_wider(one, outside, len(comparisons)), resampled=None)
        for one, p in zip(comparisons, p_values, strict=True)
    )


def _wider(one: Comparison, outside: float, family: int) -> Interval | None:
    """Return the interval that leaves out a share of the resamples; None where that is too few of them to tell."""
    if one.resampled is None or family < 2 or outside / 2 * len(one.resampled) < FEWEST_OUTSIDE:
        return None
    return percentile_interval(one.resampled, 1 - outside)
