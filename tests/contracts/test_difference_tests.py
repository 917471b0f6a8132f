"""Every row of the catalog of tests: p is a probability, alike for mirrored methods, uniform where nothing differs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from augtune.core.dataset import Example, HumanDataset
from augtune.core.labels import Labels
from augtune.core.seeds import generator
from augtune.core.tables import Predictions
from augtune.core.task import TaskName
from augtune.evaluation import METRICS, TESTS
from augtune.evaluation.comparisons import Runs, compare
from augtune.evaluation.settings import EvaluateSettings

LABELS = Labels(("a", "b", "c"))
SEEDS = 8


def task(shares: tuple[float, float], seed: int = 0, rows: int = 90) -> tuple[HumanDataset, Runs, Runs]:
    random = generator(seed, "difference tests")
    columns = random.integers(3, size=rows)
    truth = HumanDataset.from_examples(
        [Example(f"t{i}", "text", LABELS[int(k)]) for i, k in enumerate(columns)], LABELS
    )
    runs = []
    for name, share in zip(("arm", "base"), shares, strict=True):
        made = []
        for _ in range(SEEDS):
            guess = np.where(
                random.uniform(size=rows) < share, columns, (columns + random.integers(1, 3, size=rows)) % 3
            )
            made.append(
                Predictions(truth.ids, (random.dirichlet(np.ones(3), size=rows) + 2 * np.eye(3)[guess]) / 3, LABELS)
            )
        runs.append(Runs(name, tuple(made), 60))
    return truth, runs[0], runs[1]


def p_of(test: str, truth: HumanDataset, arm: Runs, base: Runs, metric: str = "accuracy") -> float:
    (found,) = compare(truth, arm, base, EvaluateSettings(metrics=(metric,), test=test, resamples=400))
    assert 0 <= found.p <= 1
    return found.p


@pytest.mark.parametrize("test", TESTS)
def test_a_large_difference_is_found_and_none_is_not(test):
    truth, arm, base = task((0.9, 0.5))
    assert p_of(test, truth, arm, base) < 0.05
    assert p_of(test, truth, base, base) == 1
    assert TESTS.load(test).kind == test
    assert TESTS.load(test).title


@pytest.mark.parametrize("test", TESTS)
def test_it_makes_no_difference_which_method_is_the_baseline(test):
    truth, arm, base = task((0.7, 0.62), seed=3)
    near = 4 * np.sqrt(0.25 / 400) if test in ("permutation", "paired_bootstrap") else 1e-9
    assert p_of(test, truth, arm, base) == pytest.approx(p_of(test, truth, base, arm), abs=near)


@pytest.mark.parametrize("test", TESTS)
def test_false_claims_are_no_more_than_the_level_allows(test):
    tasks = [task((0.65, 0.65), seed=seed, rows=40) for seed in range(60)]
    claims = sum(p_of(test, *one) <= 0.05 for one in tasks)
    assert claims <= 8  # 60 at 0.05: more than 8 has a chance of 0.4 %


def under(name: TaskName, truth: HumanDataset, runs: Runs) -> tuple[HumanDataset, Runs]:
    """The same rows and predictions where labels have an order, or where a row may have several."""
    labels, many = Labels(LABELS.names, task=name), name == "multi_label"
    rows = [replace(row, labels=(row.label,) if many else None) for row in truth]
    made = tuple(Predictions(one.ids, one.probabilities, labels) for one in runs.predictions)
    return HumanDataset.from_examples(rows, labels), replace(runs, predictions=made)


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize(("metric", "name"), [(one, name) for one in METRICS for name in METRICS.load(one).tasks])
def test_every_metric_gets_a_p_and_says_where_it_comes_from(test, metric, name):
    rows, arm, base = task((0.8, 0.6))
    truth, arm = under(name, rows, arm)
    base = under(name, rows, base)[1]
    (found,) = compare(truth, arm, base, EvaluateSettings(metrics=(metric,), test=test, resamples=100))
    about_accuracy = test.startswith("mcnemar")
    assert found.test == (test if metric == "accuracy" or not about_accuracy else "paired_bootstrap")
    assert 0 <= found.p <= 1
