"""The bootstrap on counts against one that resamples rows in a loop."""

from __future__ import annotations

import time

import numpy as np
import pytest

from augtune.core.errors import DataError
from augtune.core.labels import Labels
from augtune.core.seeds import generator
from augtune.core.tables import Predictions
from augtune.evaluation.answers import aligned
from augtune.evaluation.intervals import mean_intervals, percentile_interval
from augtune.evaluation.metrics import metrics_of
from augtune.evaluation.resample import pooled, resample, run_weights


def naive(table: np.ndarray, truth: np.ndarray, metrics, resamples: int) -> dict[str, np.ndarray]:
    random = generator(1, "naive")
    found = {metric.kind: np.empty((resamples, len(table))) for metric in metrics}
    for r in range(resamples):
        rows = random.integers(len(truth), size=len(truth))
        for metric in metrics:
            found[metric.kind][r] = [metric.value(run[rows], truth[rows]) for run in table]
    return found


@pytest.mark.parametrize(("rows", "classes"), [(60, 2), (400, 2), (90, 12)], ids=["rows", "kinds", "sparse"])
def test_resampling_counts_is_resampling_rows(make_truth, make_runs, rows, classes):
    truth = make_truth(generator(0, "t").integers(classes, size=rows), classes)
    table = aligned([*make_runs(truth, 0.8, 2), *make_runs(truth, 0.7, 1, seed=1)], truth)
    metrics = metrics_of(["macro_f1", "accuracy", "balanced_accuracy", "mcc", "nll", "ece"])
    found = resample(table, truth.label_indices, metrics, resamples=6000, random=generator(0, "r"))
    wanted = naive(table, truth.label_indices, metrics, 1500)
    for metric in metrics:
        values, oracle = found[metric.kind], wanted[metric.kind]
        error = 5 * oracle.std(axis=0) / np.sqrt(1500)
        assert values.shape == (6000, 3)
        assert (np.abs(values.mean(axis=0) - oracle.mean(axis=0)) < error).all()
        assert values.std(axis=0) == pytest.approx(oracle.std(axis=0), rel=0.1)
        assert np.corrcoef(values.T) == pytest.approx(np.corrcoef(oracle.T), abs=0.12)


def test_same_seed_gives_the_same_resamples(make_truth, make_runs):
    truth = make_truth([0, 1, 2] * 20, 3)
    table, metrics = aligned(make_runs(truth, 0.7, 2), truth), metrics_of(["macro_f1"])
    first, second = (
        resample(table, truth.label_indices, metrics, resamples=200, random=generator(3, "r"))["macro_f1"]
        for _ in range(2)
    )
    assert (first == second).all()


def test_macro_f1_leaves_out_labels_that_a_resample_has_no_row_of(make_truth, make_runs):
    perfect = make_truth(np.repeat(np.arange(77), 2), 77)
    run = Predictions(perfect.ids, np.eye(77)[perfect.label_indices], perfect.labels)
    assert mean_intervals([run], perfect, metrics_of(["macro_f1"]))["macro_f1"].to_json() == [1, 1]
    truth = make_truth([0, 0, 1, 2, 2], 5)
    table = np.eye(5)[[[0, 1, 1, 2, 3], [0, 0, 1, 2, 2]]]  # the fourth label is predicted by the first run alone
    (metric,) = metrics_of(["macro_f1"])
    found = resample(table, truth.label_indices, [metric], resamples=300, random=generator(0, "r"))["macro_f1"]
    random, wanted = generator(0, "r"), np.empty((300, 2))
    drawn = random.integers(5, size=(300, 5), dtype=np.int32)
    for r, rows in enumerate(drawn):
        for m, run_of in enumerate(table):
            said, true = run_of[rows].argmax(axis=1), truth.label_indices[rows]
            counted = sorted({*true, *([3] if m == 0 else [])})
            both = [
                2 * ((said == k) & (true == k)).sum() / max(1, (said == k).sum() + (true == k).sum()) for k in counted
            ]
            wanted[r, m] = np.mean(both)
    assert found == pytest.approx(wanted, abs=1e-12)


def test_macro_f1_of_resamples_that_have_every_label_is_the_mean_to_the_last_digit(make_truth, make_runs):
    truth = make_truth([0, 1, 2] * 60, 3)
    table, (metric,) = aligned(make_runs(truth, 0.7, 2), truth), metrics_of(["macro_f1"])
    sums = np.stack([metric.row_sums(run, truth.label_indices) for run in table], axis=1)
    weights = generator(0, "w").multinomial(180, np.full(180, 1 / 180), size=50)
    totals = np.tensordot(weights.astype(float), sums, axes=1)
    assert (metric.of_part(totals, sums.sum(axis=0)) == metric.of(totals)).all()


def test_intervals_of_many_small_labels_hold_the_estimate_and_what_it_is_of(make_truth, make_runs):
    # 77 labels of 2 rows, 90 % right: counting labels that are not drawn as 0, intervals held the estimate in none of
    # 150 test sets and what it is of in none; leaving them out, in all and in 91 %.
    truth = make_truth(np.repeat(np.arange(77), 2), 77)
    (metric,) = metrics_of(["macro_f1"])
    runs = [make_runs(truth, 0.9, seed=seed)[0] for seed in range(40)]
    values = [metric.value(run.probabilities, truth.label_indices) for run in runs]
    found = [mean_intervals([run], truth, [metric], resamples=400)["macro_f1"] for run in runs]
    assert all(value in one for value, one in zip(values, found, strict=True))
    assert np.mean([np.mean(values) in one for one in found]) > 0.8


def test_runs_are_drawn_one_fewer_so_that_the_variance_of_their_mean_is_unbiased():
    scores = np.array([0.70, 0.74, 0.72, 0.80, 0.71])
    weights = run_weights(5, 40_000, generator(0, "w"))
    assert weights.sum(axis=1) == pytest.approx(1)
    means = pooled(np.tile(scores, (40_000, 1)), weights)
    assert means.var() == pytest.approx(scores.var(ddof=1) / 5, rel=0.03)
    assert (run_weights(1, 3, generator(0, "w")) == 1).all()


def test_interval_of_accuracy_is_that_of_a_binomial_share(make_truth, make_runs):
    truth = make_truth([0, 1] * 300, 2)
    run = make_runs(truth, 0.8)[0]
    share = (run.indices == truth.label_indices).mean()
    found = mean_intervals([run], truth, metrics_of(["accuracy"]))["accuracy"]
    half = 1.96 * np.sqrt(share * (1 - share) / 600)
    assert found.to_json() == pytest.approx([share - half, share + half], abs=0.003)
    assert share in found


def test_interval_of_a_mean_holds_the_spread_of_the_runs(make_truth, make_runs):
    truth = make_truth([0, 1] * 500, 2)
    alike = [make_runs(truth, 0.8)[0]] * 4
    apart = [make_runs(truth, share)[0] for share in (0.6, 0.75, 0.85, 1.0)]
    metrics = metrics_of(["accuracy"])
    narrow, wide = (mean_intervals(runs, truth, metrics)["accuracy"] for runs in (alike, apart))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_percentile_interval_holds_the_middle():
    assert percentile_interval(np.arange(1001) / 1000, 0.9).to_json() == pytest.approx([0.05, 0.95])


def test_ten_thousand_resamples_of_five_seeds_take_under_two_seconds(make_truth, make_runs):
    truth = make_truth(generator(0, "t").integers(3, size=2000), 3)
    table = aligned([*make_runs(truth, 0.75, 5), *make_runs(truth, 0.7, 5, seed=1)], truth)
    start = time.process_time()
    resample(
        table, truth.label_indices, metrics_of(["macro_f1", "accuracy"]), resamples=10_000, random=generator(0, "r")
    )
    assert time.process_time() - start < 2


def test_predictions_that_do_not_fit_are_refused(make_truth, make_runs):
    truth = make_truth([0, 1], 2)
    run = make_runs(truth, 1.0)[0]
    with pytest.raises(DataError, match=r"^test: there are no rows to evaluate on\.$"):
        aligned([run], truth[:0])
    with pytest.raises(DataError, match=r"^predictions: none were given\.$"):
        aligned([], truth)
    other = Predictions(run.ids, run.probabilities, Labels(("c1", "c0")), made_by="x")
    with pytest.raises(
        DataError, match=r"^predictions of x: expected the labels c0 · c1 in this order, got c1 · c0\.$"
    ):
        aligned([other], truth)
    with pytest.raises(DataError, match=r"^predictions of run 0: no row 't2' \(1 rows are missing\)\.$"):
        aligned([run], make_truth([0, 1, 1], 2))


def test_draws_of_the_data_are_resampled_with_all_their_runs():
    groups = (7, 7, 9, 9, 9, 4)
    weights = run_weights(6, 4000, generator(0, "w"), groups)
    assert np.allclose(weights.sum(axis=1), 1)
    assert np.array_equal(weights[:, 0], weights[:, 1])
    assert np.array_equal(weights[:, 2], weights[:, 4])
    assert set(np.unique((weights > 0)[:, [0, 2, 5]].sum(axis=1))) == {1, 2}


def test_the_spread_over_draws_is_that_of_their_means():
    # the variance of the mean of G group means is their variance over G, however many runs a group has
    values = np.repeat([0.1, 0.4, 0.3, 0.8], 5) + np.tile([-0.01, 0, 0.01, 0.005, -0.005], 4)
    groups = tuple(np.repeat(range(4), 5))
    weights = run_weights(20, 200_000, generator(0, "w"), groups)
    means = values.reshape(4, 5).mean(axis=1)
    assert pooled(values, weights).var() == pytest.approx(means.var(ddof=1) / 4, rel=0.02)
    alone = run_weights(20, 200_000, generator(0, "w"))
    assert pooled(values, alone).var() == pytest.approx(values.var(ddof=1) / 20, rel=0.02)


def test_runs_that_each_have_a_draw_or_all_the_same_count_one_by_one():
    plain = run_weights(5, 50, generator(0, "w"))
    assert np.array_equal(plain, run_weights(5, 50, generator(0, "w"), (5, 4, 3, 2, 1)))
    assert np.array_equal(plain, run_weights(5, 50, generator(0, "w"), (1, 1, 1, 1, 1)))
