"""AUROC against scikit-learn, resampled and weighted."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from augtune.core.seeds import generator
from augtune.evaluation.ranking import Auroc
from augtune.evaluation.resample import resample


def rows(classes: int, count: int = 300, *, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    random = generator(0, "auroc", classes)
    truth = random.integers(classes, size=count)
    table = random.dirichlet(np.ones(classes), size=count) + 0.3 * np.eye(classes)[truth]
    table = np.round(table, 1) + 1e-9 if ties else table
    return table / table.sum(axis=1, keepdims=True), truth


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_auroc_is_that_of_scikit_learn(classes, ties):
    table, truth = rows(classes, ties=ties)
    expected = (
        roc_auc_score(truth, table[:, 1])
        if classes == 2
        else roc_auc_score(truth, table, multi_class="ovr", average="macro")
    )
    assert Auroc().value(table, truth) == pytest.approx(expected, abs=1e-12)


def test_auroc_given_how_often_each_row_counts_is_that_of_the_repeated_rows():
    table, truth = rows(3, 80, ties=True)
    weights = generator(1, "weights").integers(0, 4, size=(5, 80)).astype(float)
    found = Auroc().scorer(table, truth)(weights)
    for one, value in zip(weights, found, strict=True):
        again = np.repeat(np.arange(80), one.astype(int))
        assert value == pytest.approx(Auroc().value(table[again], truth[again]), abs=1e-12)


def test_auroc_leaves_out_a_label_without_rows_and_is_one_half_of_nothing():
    table, truth = rows(3)
    some = truth != 2
    first, second = (roc_auc_score(truth[some] == k, table[some, k]) for k in (0, 1))
    assert Auroc().value(table[some], truth[some]) == pytest.approx((first + second) / 2)
    assert Auroc().value(table[:4], np.zeros(4, dtype=int)) == 0.5


def test_resampled_auroc_has_the_spread_of_one_resampled_row_by_row():
    table, truth = rows(3, 200)
    found = resample(table[None], truth, [Auroc()], resamples=2000, random=generator(0, "a"))["auroc"][:, 0]
    random = generator(1, "b")
    slow = []
    for _ in range(600):
        drawn = random.integers(200, size=200)
        slow.append(Auroc().value(table[drawn], truth[drawn]))
    assert found.mean() == pytest.approx(np.mean(slow), abs=4 * np.std(slow) / np.sqrt(600))
    assert found.std() == pytest.approx(np.std(slow), rel=0.15)
