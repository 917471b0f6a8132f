"""The permutation test against full enumeration, scipy and McNemar's test."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats import permutation_test as scipy_test

from augtune.core.seeds import generator
from augtune.evaluation.metrics import Accuracy, Brier, Ece, MacroF1, Nll
from augtune.evaluation.permute import permute
from augtune.evaluation.ranking import Auroc


def models(rows: int, runs: int = 1, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = generator(seed, "permute")
    truth = random.integers(classes, size=rows)
    table = random.dirichlet(np.ones(classes), size=(2, runs, rows))
    table[0] += 0.5 * np.eye(classes)[truth]
    table /= table.sum(axis=-1, keepdims=True)
    return table[0], table[1], truth


def brute(metric, arm, baseline, truth) -> float:
    def difference(swap) -> float:
        first = np.where(np.array(swap)[None, :, None], baseline, arm)
        second = np.where(np.array(swap)[None, :, None], arm, baseline)
        return float(
            np.mean([metric.value(a, truth) - metric.value(b, truth) for a, b in zip(first, second, strict=True)])
        )

    observed = abs(difference([False] * len(truth)))
    every = [abs(difference(swap)) for swap in itertools.product([False, True], repeat=len(truth))]
    return float(np.mean([one >= observed - 1e-12 for one in every]))


@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("metric", [MacroF1(), Accuracy(), Nll(), Ece(bins=4), Auroc()], ids=lambda metric: metric.kind)
def test_few_rows_are_gone_through_whole(metric, runs):
    arm, baseline, truth = models(8, runs)
    found = permute((arm, baseline), truth, [metric], resamples=100, random=generator(0, "x"))[metric.key]
    assert found.is_exact
    assert found.p == pytest.approx(brute(metric, arm, baseline, truth), abs=1e-12)


def test_of_accuracy_it_is_the_exact_mcnemar_test():
    truth = np.zeros(60, dtype=int)
    arm, baseline = np.eye(2)[np.r_[[0] * 17, [1] * 6, [0] * 37]], np.eye(2)[np.r_[[1] * 17, [0] * 6, [0] * 37]]
    found = permute((arm[None], baseline[None]), truth, [Accuracy()], resamples=100, random=generator(0, "x"))[
        "accuracy"
    ]
    assert found.is_exact  # 18 * 7 swappings, as rows of a kind are alike
    assert found.p == pytest.approx(binomtest(6, 23).pvalue, rel=1e-10)


@pytest.mark.parametrize("metric", [MacroF1(), Brier(), Auroc()], ids=lambda metric: metric.kind)
def test_many_rows_are_drawn_and_agree_with_scipy(metric):
    arm, baseline, truth = models(160, seed=3)
    baseline = 0.4 * arm + 0.6 * baseline
    found = permute((arm, baseline), truth, [metric], resamples=4000, random=generator(0, "x"))[metric.key]
    assert not found.is_exact

    def statistic(first, second, axis=-1):
        return metric.value(first.T, truth) - metric.value(second.T, truth)

    def by_row(index, other, axis=-1):  # scipy permutes numbers; each stands for a row of both tables
        tables = np.concatenate([arm[0], baseline[0]])
        return statistic(tables[index.astype(int)].T, tables[other.astype(int)].T)

    expected = scipy_test(
        (np.arange(160.0), np.arange(160.0) + 160), by_row, permutation_type="samples", vectorized=False, n_resamples=1500,
        rng=np.random.default_rng(0),
    ).pvalue  # fmt: skip
    assert found.p == pytest.approx(expected, abs=4 * np.sqrt(0.25 / 1500))


def test_drawn_p_counts_what_was_observed_too():
    arm, baseline, truth = models(300)
    arm = arm + 3 * np.eye(3)[truth]
    found = permute((arm / 4, baseline), truth, [Nll()], resamples=199, random=generator(0, "x"))["nll"]
    assert (found.p, found.is_exact) == (1 / 200, False)


def test_equal_models_differ_with_p_one():
    arm, _, truth = models(40)
    found = permute((arm, arm), truth, [MacroF1(), Nll(), Auroc()], resamples=50, random=generator(0, "x"))
    assert {one.p for one in found.values()} == {1.0}
