"""Scores: values, per-class table, print, majority line, several runs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from augtune.core.dataset import Dataset, Example
from augtune.core.errors import DataError
from augtune.core.files import read_jsonl
from augtune.core.labels import Labels
from augtune.core.tables import Predictions
from augtune.evaluation.scores import evaluate, evaluate_runs, majority


def test_scores_print_values_with_intervals(make_truth):
    truth = make_truth([0, 1, 1, 1], 2)
    predictions = Predictions(truth.ids, np.eye(2)[[0, 1, 1, 0]], truth.labels)
    assert repr(evaluate(predictions, truth, resamples=0)) == "macro-F1 0.733 · accuracy 0.750"
    assert repr(evaluate(predictions, truth, ["accuracy"])) == "accuracy 0.750 [0.250, 1.000]"


def test_scores_per_class_are_those_of_sklearn(make_truth, make_runs):
    truth = make_truth([0] * 30 + [1] * 20 + [2] * 5, 4)
    run = make_runs(truth, 0.6)[0]
    scores = evaluate(run, truth, resamples=0)
    table = sk.classification_report(
        truth.label_names, run.predicted, labels=list(truth.labels), output_dict=True, zero_division=0
    )
    for name, found in scores.per_class.items():
        wanted = table[name]
        assert found.to_json() == pytest.approx(
            {k: wanted[k] for k in ("precision", "recall", "support")} | {"f1": wanted["f1-score"]}
        )
    assert (scores.confusion == sk.confusion_matrix(truth.label_names, run.predicted, labels=list(truth.labels))).all()
    assert json.loads(json.dumps(scores.to_json()))["macro_f1"] == scores["macro_f1"]


def test_scores_follow_ids_not_positions(make_truth, make_runs):
    truth = make_truth([0, 1, 1, 0, 1], 2)
    run = make_runs(truth, 0.5)[0]
    turned = Predictions(run.ids[::-1], run.probabilities[::-1], run.labels)
    assert evaluate(run, truth).to_json() == evaluate(turned, truth).to_json()


def test_synthetic_row_in_the_truth_is_refused(make_truth):
    human = make_truth([0, 1, 1, 1], 2)
    written = Example("eda-0", "a text of a model", "c0", origin="generated")
    mixed = human + Dataset.from_examples([written], human.labels, name="made")
    with pytest.raises(DataError) as caught:
        evaluate(Predictions(mixed.ids, mixed.targets(), mixed.labels), mixed)
    assert str(caught.value) == (
        f"{mixed.name}: row 4 (eda-0) is generated: synthetic rows can be trained on, never validated or tested on.\n"
        "  Use .human() to take the human rows only."
    )


def test_macro_f1_agrees_with_sklearn_over_all_labels_on_real_predictions(data_pack):
    rows = read_jsonl(data_pack / "electra_gpt_results" / "B4-G4O.jsonl")
    truth, run = truth_and_predictions(rows, "pred")
    wanted = sk.f1_score(truth.label_names, run.predicted, labels=list(truth.labels), average="macro", zero_division=0)
    published = json.loads((data_pack / "electra_gpt_results" / "B4-G4O.metrics.json").read_text())["merged_local"]
    scores = evaluate(run, truth, ["macro_f1", "accuracy", "weighted_f1"])
    assert scores["macro_f1"] == pytest.approx(wanted, abs=1e-12)
    assert scores["macro_f1"] == pytest.approx(published["macro avg"]["f1-score"], abs=1e-12)
    assert scores["weighted_f1"] == pytest.approx(published["weighted avg"]["f1-score"], abs=1e-12)
    assert scores["accuracy"] == pytest.approx(published["accuracy"], abs=1e-12)
    assert scores.per_class["neutral"].recall == pytest.approx(published["neutral"]["recall"], abs=1e-12)


def truth_and_predictions(rows, column):
    from augtune.core.dataset import Example, HumanDataset

    labels = Labels(("negative", "neutral", "positive"))
    truth = HumanDataset.from_examples([Example(str(r["index"]), "text", r["true"]) for r in rows], labels)
    made = Predictions.from_rows([{"id": str(r["index"]), "predicted": r[column]} for r in rows], labels)
    return truth, made


def test_runs_have_mean_spread_and_interval(make_truth, make_runs):
    truth = make_truth([0, 1, 2] * 50, 3)
    scores = evaluate_runs(make_runs(truth, 0.7, 5), truth)
    values = [one["accuracy"] for one in scores.per_seed]
    assert scores.mean["accuracy"] == pytest.approx(np.mean(values))
    assert scores.std["accuracy"] == pytest.approx(np.std(values, ddof=1))
    assert scores.mean["accuracy"] in scores.intervals["accuracy"]
    assert repr(scores).endswith(" · 5 runs")


def test_spread_of_a_single_run_is_unknown(make_truth, make_runs):
    truth = make_truth([0, 1] * 10, 2)
    scores = evaluate_runs(make_runs(truth, 0.7), truth)
    assert scores.std == {"macro_f1": None, "accuracy": None}
    assert scores.intervals == evaluate(make_runs(truth, 0.7)[0], truth).intervals


def test_majority_predicts_the_most_common_label_of_test_or_train(make_truth):
    truth, train = make_truth([0, 0, 0, 1], 2), make_truth([1, 1, 0], 2)
    assert evaluate(majority(truth), truth, resamples=0)["accuracy"] == 0.75
    assert evaluate(majority(truth, train), truth, resamples=0)["accuracy"] == 0.25
    assert majority(truth).probabilities[0].tolist() == [0.75, 0.25]


def test_majority_of_other_labels_or_of_nothing_is_refused(make_truth):
    truth = make_truth([0, 1], 2)
    with pytest.raises(DataError, match=r"^majority: expected the labels c0 · c1 in this order, got c0 · c1 · c2\.$"):
        majority(truth, make_truth([0], 3))
    with pytest.raises(DataError, match=r"^majority: test has no rows to count labels of\.$"):
        majority(truth, truth[:0])
