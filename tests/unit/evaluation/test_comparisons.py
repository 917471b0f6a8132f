"""Comparisons: signs, pairing, seeds, corrections, level under no difference, and what is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest

from augtune.core.errors import DataError, SettingsError
from augtune.core.tables import Predictions
from augtune.evaluation.comparisons import Runs, adjusted, compare, compare_all, compare_classes, compare_subsets
from augtune.evaluation.scores import evaluate
from augtune.evaluation.settings import EvaluateSettings
from augtune.evaluation.significance import holm, mcnemar, mean_predictions

FEW = EvaluateSettings(resamples=1000)


def test_a_better_arm_is_better_on_every_metric(make_truth, make_runs):
    truth = make_truth([0, 1, 2] * 200, 3)
    settings = EvaluateSettings(metrics=["macro_f1", "nll"], resamples=1000)
    good, bad = Runs("good", tuple(make_runs(truth, 0.9, 3))), Runs("bad", tuple(make_runs(truth, 0.7, 3, seed=1)))
    f1, nll = compare(truth, good, bad, settings)
    assert f1.difference == pytest.approx(0.2, abs=0.05)
    assert f1.difference in f1.interval
    assert f1.interval.low > 0
    assert nll.difference < 0
    assert (f1.verdict(), nll.verdict()) == ("better", "better")
    turned, _ = compare(truth, bad, good, settings)
    assert turned.difference == pytest.approx(-f1.difference)
    assert turned.verdict() == "worse"


def test_an_arm_equals_itself(make_truth, make_runs):
    truth = make_truth([0, 1] * 30, 2)
    runs = Runs("same", tuple(make_runs(truth, 0.7, 3)))
    for one in compare(truth, runs, runs, FEW):
        assert (one.difference, one.interval.to_json(), one.p) == (0, [0, 0], 1)
        assert one.verdict() == "no difference shown"


def test_arms_may_have_different_numbers_of_seeds(make_truth, make_runs):
    truth = make_truth([0, 1] * 100, 2)
    found = compare(truth, Runs("a", tuple(make_runs(truth, 0.9, 5))), Runs("b", tuple(make_runs(truth, 0.6))), FEW)
    assert found[0].verdict() == "better"


def test_seeds_that_vary_widen_the_interval(make_truth, make_runs):
    truth = make_truth([0, 1] * 500, 2)
    base = Runs("base", tuple(make_runs(truth, 0.75, 1, seed=9)) * 4)
    steady = Runs("steady", tuple(make_runs(truth, 0.8)) * 4)
    shaky = Runs("shaky", tuple(make_runs(truth, share)[0] for share in (0.65, 0.75, 0.85, 0.95)))
    narrow, wide = (compare(truth, arm, base, FEW)[1].interval for arm in (steady, shaky))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


@pytest.mark.parametrize("runs", [1, 4])
def test_equal_arms_are_told_apart_about_as_rarely_as_the_level_says(make_truth, make_runs, runs):
    truth = make_truth([0, 1] * 100, 2)
    settings = EvaluateSettings(metrics=["accuracy"], resamples=400)
    p = [
        compare(
            truth,
            Runs("a", tuple(make_runs(truth, 0.8, runs, seed=2 * i))),
            Runs("b", tuple(make_runs(truth, 0.8, runs, seed=2 * i + 1))),
            settings,
        )[0].p
        for i in range(150)
    ]
    assert np.mean(np.array(p) < 0.05) < 0.11
    assert np.mean(np.array(p) < 0.5) == pytest.approx(0.5, abs=0.2)


def test_mcnemar_is_about_accuracy_and_compares_ensembles(make_truth, make_runs):
    truth = make_truth([0, 1] * 60, 2)
    arm, base = make_runs(truth, 0.8, 3), make_runs(truth, 0.7, 3, seed=1)
    found = compare(
        truth, Runs("arm", tuple(arm)), Runs("base", tuple(base)), EvaluateSettings(test="mcnemar", resamples=200)
    )
    assert [one.test for one in found] == ["paired_bootstrap", "mcnemar"]
    assert found[1].p == mcnemar(truth, mean_predictions(arm), mean_predictions(base)).p


@pytest.mark.parametrize(("apart", "smallest"), [(1, 1), (2, 0.5), (5, 2 / 2**5)])
@pytest.mark.parametrize("runs", [(1, 1), (2, 2), (2, 3)])
def test_few_rows_that_differ_cannot_be_more_than_as_many_tosses_of_a_coin(apart, smallest, runs, make_truth):
    truth = make_truth([0, 1, 2, 0, 1, 2, 0], 3)
    good = np.eye(3)[truth.label_indices]
    poor = good.copy()
    poor[:apart] = np.eye(3)[(truth.label_indices[:apart] + 1) % 3]
    sure = [Predictions(truth.ids, table, truth.labels) for table in (good, poor)]
    arm, base = (Runs(name, (one,) * n) for name, one, n in zip(("arm", "base"), sure, runs, strict=True))
    for test in ("paired_bootstrap", "permutation"):
        found = compare(truth, arm, base, EvaluateSettings(test=test, metrics=["accuracy", "macro_f1", "brier"]))
        assert [one.smallest_p for one in found] == pytest.approx([smallest] * 3)
        assert all(one.p >= smallest - 1e-12 for one in found)
    assert mcnemar(truth, *sure).p == pytest.approx(smallest)
    # what differs between wrong answers is nothing to accuracy, nor are other labels to the F1 of one
    other = poor.copy()
    other[:apart] = np.eye(3)[(truth.label_indices[:apart] + 2) % 3]
    both = Runs("a", (sure[1],)), Runs("b", (Predictions(truth.ids, other, truth.labels),))
    found = compare(truth, *both, EvaluateSettings(metrics=["accuracy", "macro_f1"]))
    assert [one.smallest_p for one in found] == pytest.approx([1, smallest])


def test_all_arms_are_compared_with_the_baseline_and_corrected(make_truth, make_runs):
    truth = make_truth([0, 1] * 60, 2)
    arms = [Runs(f"a{i}", tuple(make_runs(truth, share, 2, seed=i))) for i, share in enumerate((0.6, 0.7, 0.9))]
    found = compare_all(truth, arms, EvaluateSettings(baseline="a1", resamples=500))
    assert [(one.arm, one.baseline, one.metric) for one in found] == [
        ("a0", "a1", "macro_f1"), ("a0", "a1", "accuracy"), ("a2", "a1", "macro_f1"), ("a2", "a1", "accuracy"),
    ]  # fmt: skip
    assert [one.p_adjusted for one in found] == pytest.approx(holm([one.p for one in found]))
    assert list(found[0].to_json()) == [
        "arm", "baseline", "metric", "difference", "interval", "interval_adjusted", "p", "p_adjusted", "test", "detectable",
        "smallest_p", "effects",
    ]  # fmt: skip
    assert [one.p_adjusted for one in adjusted(found, "none")] == [one.p for one in found]
    assert compare_all(truth, arms, FEW)[0].baseline == "a0"


def test_corrected_intervals_leave_out_a_share_of_the_level_each(make_truth, make_runs):
    truth = make_truth([0, 1] * 60, 2)
    base, *others = (Runs(f"a{i}", tuple(make_runs(truth, 0.7, 2, seed=i))) for i in range(3))
    settings = EvaluateSettings(resamples=2000, level=0.9)
    alone = [one for arm in others for one in compare(truth, arm, base, settings)]
    found = compare_all(truth, [base, *others], settings)
    for one, before in zip(found, alone, strict=True):
        ends = np.quantile(before.resampled, [0.1 / 4 / 2, 1 - 0.1 / 4 / 2])
        assert one.interval_adjusted.to_json() == pytest.approx(ends.tolist(), abs=1e-12)
        assert one.interval_adjusted.low <= one.interval.low <= one.interval.high <= one.interval_adjusted.high
        assert one.resampled is None


def test_a_corrected_interval_is_left_out_where_it_would_say_nothing(make_truth, make_runs):
    truth = make_truth([0, 1] * 20, 2)
    base, arm = (Runs(f"a{i}", tuple(make_runs(truth, 0.7, seed=i))) for i in range(2))
    one = compare(truth, arm, base, EvaluateSettings(resamples=400))
    assert [found.interval_adjusted for found in adjusted(one[:1])] == [None]
    assert [found.interval_adjusted for found in adjusted(one, "none")] == [None, None]
    assert all(found.interval_adjusted is not None for found in adjusted(one, "bh"))
    assert [found.interval_adjusted for found in adjusted(one * 2)] == [None] * 4


def test_comparison_prints_in_a_line(make_truth, make_runs):
    truth = make_truth([0, 1] * 10, 2)
    runs = Runs("same", tuple(make_runs(truth, 0.7)))
    one = compare(truth, runs, runs, FEW)[0]
    assert repr(one) == "same vs same · macro_f1 +0.000 [0.000, 0.000] · p 1"
    assert repr(adjusted([one])[0]) == "same vs same · macro_f1 +0.000 [0.000, 0.000] · p 1, corrected 1"


def test_arms_that_cannot_be_compared_are_refused(make_truth, make_runs):
    truth = make_truth([0, 1], 2)
    arm = Runs("a", tuple(make_runs(truth, 1.0)))
    with pytest.raises(DataError, match=r"^'b' has no predictions to compare\.$"):
        Runs("b", ())
    with pytest.raises(DataError, match=r"^compare: expected arms of different names, got \['a', 'a'\]\.$"):
        compare_all(truth, [arm, arm])
    with pytest.raises(DataError, match=r"^compare: the baseline 'x' is none of the arms: 'a'\.$"):
        compare_all(truth, [arm], EvaluateSettings(baseline="x"))


def test_settings_refuse_an_unknown_metric_and_say_where():
    message = (
        "evaluate.metrics[1].kind: no metric is called 'f1_macro'; did you mean 'macro_f1'?\n"
        "evaluate.tset: unknown key; did you mean 'test'?"
    )
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        EvaluateSettings.parse({"metrics": ["accuracy", "f1_macro"], "tset": "mcnemar"}, where="evaluate")


def test_each_label_is_compared_by_its_own_f1(make_truth, make_runs):
    truth = make_truth([0, 1, 1, 2] * 40, 3)
    arm, base = (Runs(name, tuple(make_runs(truth, share))) for name, share in (("arm", 0.9), ("base", 0.6)))
    found = compare_classes(truth, [base, arm], EvaluateSettings(resamples=2000))
    assert [one.metric for one in found] == ["F1 of c0", "F1 of c1", "F1 of c2"]
    scores = [evaluate(runs.predictions[0], truth, resamples=0).per_class for runs in (arm, base)]
    for one, label in zip(found, truth.labels, strict=True):
        assert one.difference == pytest.approx(scores[0][label].f1 - scores[1][label].f1)
        assert one.difference in one.interval
    assert [one.p_adjusted for one in found] == pytest.approx(holm([one.p for one in found]))
    whole = compare(truth, arm, base, EvaluateSettings(metrics=("macro_f1",), resamples=2000))[0]
    assert whole.difference == pytest.approx(np.mean([one.difference for one in found]))


def test_subsets_are_compared_apart_and_corrected_as_one_family(make_truth, make_runs):
    truth = make_truth([0, 1] * 60, 2)
    arm, base = (Runs(name, tuple(make_runs(truth, share))) for name, share in (("arm", 0.9), ("base", 0.6)))
    subset = ["new"] * 30 + ["old"] * 90
    asked = EvaluateSettings(metrics=("accuracy",), test="mcnemar", resamples=200)
    found = compare_subsets(truth, [base, arm], subset, asked)
    assert list(found) == ["new", "old"]
    alone = compare(truth.take(range(30)), arm, base, asked)[0]
    assert found["new"][0].difference == alone.difference
    p_values = [one.p for part in found.values() for one in part]
    assert p_values[0] == alone.p
    assert [one.p_adjusted for part in found.values() for one in part] == pytest.approx(holm(p_values))


def test_what_could_be_seen_shrinks_with_the_rows_and_is_seen_four_times_in_five(make_truth, make_runs):
    asked = EvaluateSettings(metrics=("accuracy",), resamples=400)
    sizes = {}
    for rows in (200, 800):
        truth = make_truth([0, 1] * (rows // 2), 2)
        one, two = (Runs(n, tuple(make_runs(truth, 0.8, seed=s))) for s, n in enumerate("ab"))
        sizes[rows] = compare(truth, one, two, asked)[0].detectable
    assert sizes[200] == pytest.approx(2 * sizes[800], rel=0.15)
    true = sizes[200]
    truth = make_truth([0, 1] * 100, 2)
    seen = 0
    for seed in range(60):
        one, two = (
            Runs(n, tuple(make_runs(truth, 0.8 + g, seed=2 * seed + i)))
            for i, (n, g) in enumerate((("a", true / 2), ("b", -true / 2)))
        )
        seen += compare(truth, one, two, asked, seed=seed)[0].p <= 0.05
    assert 40 <= seen <= 56  # 48 expected of 60, with a standard deviation of 3


def test_effects_are_those_of_accuracy_and_of_seeds(make_truth, make_runs):
    truth = make_truth([0, 1] * 50, 2)
    arm, base = Runs("arm", tuple(make_runs(truth, 0.75, 3))), Runs("base", tuple(make_runs(truth, 0.5, 3, seed=7)))
    f1, accuracy = compare(truth, arm, base, EvaluateSettings(resamples=100))
    assert dict(f1.effects) == {"cliffs_delta": 1.0}
    exact = mcnemar(truth, mean_predictions(arm.predictions), mean_predictions(base.predictions))
    assert accuracy.effects["only_arm_right"] == exact.only_first
    assert accuracy.effects["odds_ratio"] == pytest.approx(exact.only_first / exact.only_second)
