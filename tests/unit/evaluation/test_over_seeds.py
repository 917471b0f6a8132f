"""Tests over seeds against scipy and the published formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student_t
from scipy.stats import ttest_1samp, wilcoxon

from augtune.core.errors import DataError, SettingsError
from augtune.evaluation.comparisons import Runs, compare
from augtune.evaluation.difference_tests.over_seeds import corrected_t_p, wilcoxon_p
from augtune.evaluation.settings import EvaluateSettings


def test_corrected_t_is_the_plain_one_with_a_variance_that_grows_by_the_test_share():
    found = np.array([0.02, 0.035, -0.004, 0.017, 0.028])
    plain = ttest_1samp(found, 0)
    assert corrected_t_p(found, 0.0) == pytest.approx(plain.pvalue)
    shrunk = plain.statistic * np.sqrt(0.2 / (0.2 + 0.25))
    assert corrected_t_p(found, 0.25) == pytest.approx(2 * student_t.sf(shrunk, 4))
    assert corrected_t_p(found, 0.25) > plain.pvalue


def test_differences_that_do_not_vary_measure_no_chance():
    assert corrected_t_p(np.full(5, 0.1), 0.3) == 1.0
    assert corrected_t_p(np.zeros(3), 0.3) == 1.0


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-400, 400).filter(bool), min_size=1, max_size=14, unique_by=abs))
def test_wilcoxon_is_the_exact_one_of_scipy(values):
    found = np.array(values, dtype=float)
    assert wilcoxon_p(found) == pytest.approx(wilcoxon(found, method="exact").pvalue)


def test_wilcoxon_with_ties_counts_every_sign():
    found = np.array([1.0, 1.0, -1.0, 2.0, 2.0, 3.0, 0.0])
    ranks = np.array([2, 2, 2, 4.5, 4.5, 6])
    signs = (np.arange(2**6)[:, None] >> np.arange(6)) & 1
    sums = signs @ ranks
    observed = 19.0  # all but one rank of 2
    expected = min(1.0, 2 * np.mean(sums >= observed))
    assert wilcoxon_p(found) == pytest.approx(expected)
    assert wilcoxon_p(np.zeros(4)) == 1.0


def test_five_seeds_cannot_reach_005():
    assert wilcoxon_p(np.arange(1.0, 6)) == 0.0625
    assert wilcoxon_p(np.arange(1.0, 7)) == 0.03125


def test_tests_over_seeds_are_about_every_metric(make_truth, make_runs):
    truth = make_truth([0, 1, 2] * 40, 3)
    arm, base = (
        Runs(n, tuple(make_runs(truth, s, 6, seed=i))) for i, (n, s) in enumerate((("arm", 0.9), ("base", 0.6)))
    )
    asked = EvaluateSettings(metrics=("macro_f1", "nll"), test="wilcoxon", resamples=200)
    assert [(one.metric, one.test, one.p) for one in compare(truth, arm, base, asked)] == [
        ("macro_f1", "wilcoxon", 0.03125), ("nll", "wilcoxon", 0.03125),
    ]  # fmt: skip
    with_rows = EvaluateSettings(metrics=("macro_f1",), test={"kind": "corrected_t", "train_rows": 60}, resamples=200)
    known = [Runs(runs.name, runs.predictions, 60) for runs in (arm, base)]
    plain = EvaluateSettings(metrics=("macro_f1",), test="corrected_t", resamples=200)
    assert compare(truth, arm, base, with_rows)[0].p == compare(truth, *known, plain)[0].p < 0.05


def test_tests_over_seeds_say_what_is_missing(make_truth, make_runs):
    truth = make_truth([0, 1] * 30, 2)
    arm, base = (Runs(name, tuple(make_runs(truth, 0.7, runs))) for name, runs in (("arm", 3), ("base", 2)))
    with pytest.raises(DataError) as caught:
        compare(truth, arm, base, EvaluateSettings(test="wilcoxon", resamples=100))
    assert str(caught.value) == (
        "test wilcoxon: expected 2 seeds or more, the same for both, got 3 of 'arm' and 2 of 'base'.\n"
        "  Give more seeds, or use a test of rows such as paired_bootstrap or permutation."
    )
    with pytest.raises(
        DataError, match=r"^test corrected_t: needs to know how many human rows each run was trained on\."
    ):
        compare(truth, base, base, EvaluateSettings(test="corrected_t", resamples=100))
    with pytest.raises(SettingsError) as wrong:
        EvaluateSettings.parse({"test": "wilcoxen"}, where="evaluate")
    assert str(wrong.value) == "evaluate.test.kind: no test is called 'wilcoxen'; did you mean 'wilcoxon'?"
