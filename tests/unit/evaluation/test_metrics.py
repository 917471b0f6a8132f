"""Metrics against scikit-learn, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from augtune.core.errors import SettingsError
from augtune.core.seeds import generator
from augtune.evaluation import METRICS
from augtune.evaluation.metrics import Ece, metrics_of

CASES = st.integers(2, 6).flatmap(
    lambda k: st.tuples(
        st.just(k), st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1, max_size=40)
    )
)


def of(kind: str, truth: np.ndarray, probabilities: np.ndarray) -> float:
    return metrics_of([kind])[0].value(probabilities, truth)


@settings(deadline=None)
@given(case=CASES)
def test_metrics_of_hard_predictions_are_those_of_sklearn(case):
    classes, pairs = case
    truth, predicted = np.array(pairs).T
    table = np.eye(classes)[predicted]
    assert of("accuracy", truth, table) == pytest.approx(sk.accuracy_score(truth, predicted), abs=1e-12)
    for kind, average in (("macro_f1", "macro"), ("weighted_f1", "weighted")):
        wanted = sk.f1_score(truth, predicted, average=average, zero_division=0)
        assert of(kind, truth, table) == pytest.approx(wanted, abs=1e-12)
    wanted = sk.recall_score(truth, predicted, labels=sorted(set(truth)), average="macro", zero_division=0)
    assert of("balanced_accuracy", truth, table) == pytest.approx(wanted, abs=1e-12)
    if len(set(truth)) > 1 or len(set(predicted)) > 1:
        assert of("mcc", truth, table) == pytest.approx(sk.matthews_corrcoef(truth, predicted), abs=1e-9)


def test_macro_f1_counts_a_label_that_is_predicted_and_none_that_occurs_nowhere():
    truth = np.array([0, 1, 1])
    assert of("macro_f1", truth, np.eye(4)[[0, 1, 1]]) == 1
    assert of("macro_f1", truth, np.eye(4)[[0, 1, 3]]) == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_metrics_of_probabilities_are_those_of_sklearn():
    random = generator(0, "test")
    truth, table = random.integers(3, size=50), random.dirichlet(np.ones(3), size=50)
    assert of("nll", truth, table) == pytest.approx(sk.log_loss(truth, table, labels=[0, 1, 2]))
    binary = random.dirichlet(np.ones(2), size=50)
    both = sk.brier_score_loss(truth > 0, binary[:, 1], scale_by_half=False)
    assert of("brier", (truth > 0).astype(int), binary) == pytest.approx(both)


def test_nll_of_an_impossible_label_is_finite():
    assert of("nll", np.array([1]), np.array([[1.0, 0.0]])) == pytest.approx(-np.log(np.finfo(float).eps))


def test_ece_is_the_mean_gap_between_confidence_and_accuracy():
    table = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.0, 1.0]])
    truth = np.array([0, 1, 0, 1])
    # bins of a tenth: 0.9 twice, one right (gap 0.8 of two rows); 0.6 right (gap 0.4); 1.0 right (gap 0)
    assert Ece(bins=10).value(table, truth) == pytest.approx((0.8 + 0.4 + 0.0) / 4)


def test_every_metric_of_the_catalog_is_whole_and_best_for_perfect_predictions():
    truth, guess = np.array([0, 1, 1, 2]), np.full((4, 3), 1 / 3)
    for kind in METRICS:
        metric = metrics_of([kind])[0]
        assert metric.kind == kind
        assert metric.title
        perfect = metric.value(np.eye(3)[truth], truth)
        assert perfect == pytest.approx(1.0 if metric.higher_is_better else 0.0, abs=1e-9)
        assert (metric.value(guess, truth) < perfect) == metric.higher_is_better


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ([], r"metrics: expected a list of metrics, e\.g\. \[macro_f1, accuracy\], got \[\]"),
        ("accuracy", r"metrics: expected a list of metrics, e\.g\. \[macro_f1, accuracy\], got 'accuracy'"),
        (["acuracy"], r"metrics\[0\]\.kind: no metric is called 'acuracy'; did you mean 'accuracy'\?"),
        (["ece", {"kind": "ece", "bins": 10}], "metrics: ece is named twice"),
    ],
)
def test_metrics_that_cannot_be_are_refused(wanted, message):
    with pytest.raises(SettingsError, match=f"^{message}$"):
        metrics_of(wanted)
