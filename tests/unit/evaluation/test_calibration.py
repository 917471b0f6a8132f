"""Temperature scaling and reliability, on made-up and on real predictions."""

from __future__ import annotations

import numpy as np
import pytest

from augtune.core.dataset import Dataset, Example, HumanDataset
from augtune.core.errors import DataError
from augtune.core.files import read_jsonl
from augtune.core.labels import Labels
from augtune.core.seeds import generator
from augtune.core.tables import Predictions
from augtune.evaluation.calibration import Temperature, fit_temperature, reliability
from augtune.evaluation.metrics import Ece
from augtune.evaluation.scores import evaluate

LABELS = Labels(("negative", "neutral", "positive"))


def test_temperature_finds_by_how_much_logits_were_blown_up(make_truth):
    random = generator(0, "calibration")
    logits = random.normal(size=(4000, 3)) * 1.5
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    columns = (random.uniform(size=(4000, 1)) > shares.cumsum(axis=1)).sum(axis=1)
    truth = make_truth(columns, 3)
    blown = np.exp(2.5 * logits) / np.exp(2.5 * logits).sum(axis=1, keepdims=True)
    sure = Predictions(truth.ids, blown, truth.labels, made_by="m", model="f")
    found = fit_temperature(sure, truth)
    assert found.value == pytest.approx(2.5, rel=0.06)
    assert found.nll_after < found.nll_before
    cooled = found.apply(sure)
    assert (cooled.indices == sure.indices).all()
    assert (cooled.made_by, cooled.model) == ("m", "f")
    before, after = (evaluate(p, truth, ["ece"], resamples=0)["ece"] for p in (sure, cooled))
    assert after < 0.03 < before


def test_temperature_of_one_changes_nothing(make_truth, make_runs):
    truth = make_truth([0, 1, 2] * 5, 3)
    run = make_runs(truth, 0.7)[0]
    assert Temperature(1.0, 0.5, 0.5).apply(run).probabilities == pytest.approx(run.probabilities)


def test_temperature_fits_soft_labels():
    labels = Labels(("no", "yes"))
    rows = Dataset.from_examples([Example("a", "t", "no", probabilities=(0.8, 0.2))], labels)
    sure = Predictions(("a",), np.array([[0.99, 0.01]]), labels)
    assert fit_temperature(sure, rows).apply(sure).probabilities[0] == pytest.approx([0.8, 0.2], abs=1e-3)


def test_temperature_stays_within_bounds_on_rows_all_predicted_right(make_truth):
    truth = make_truth([0, 1], 2)
    found = fit_temperature(Predictions(truth.ids, np.array([[0.9, 0.1], [0.1, 0.9]]), truth.labels), truth)
    assert 0.05 <= found.value < 1
    assert repr(found) == f"temperature {found.value:.2f} · NLL 0.105 → 0.000"


def test_temperature_of_no_rows_or_other_labels_is_refused(make_truth, make_runs):
    truth = make_truth([0, 1], 2)
    run = make_runs(truth, 1.0)[0]
    with pytest.raises(DataError, match=r"^test: there are no rows to fit a temperature on\.$"):
        fit_temperature(run, truth[:0])
    with pytest.raises(
        DataError, match=r"^predictions of run 0: expected the labels c0 · c1 · c2 in this order, got c0 · c1\.$"
    ):
        fit_temperature(run, make_truth([0, 1], 3))


def test_reliability_sums_up_to_ece(make_truth, make_runs):
    truth = make_truth([0, 1, 2] * 40, 3)
    run = make_runs(truth, 0.7)[0]
    bins = reliability(run, truth, 10)
    assert sum(one.rows for one in bins) == 120
    gap = sum(one.rows * abs(one.accuracy - one.confidence) for one in bins) / 120
    assert gap == pytest.approx(Ece(bins=10).value(run.probabilities, truth.label_indices))


@pytest.mark.parametrize(
    ("column", "wanted"),
    [("electra_base_probs", (0.7790, 0.7781, 0.105, 0.677)), ("electra_large_probs", (0.8272, 0.8254, 0.066, 0.494))],
)
def test_scores_and_calibration_of_real_predictions(data_pack, column, wanted):
    rows = read_jsonl(data_pack / "electra_gpt_results" / "val_electra.jsonl")
    truth = HumanDataset.from_examples([Example(str(r["index"]), "text", r["true"]) for r in rows], LABELS)
    run = Predictions(truth.ids, np.array([r[column] for r in rows]), LABELS)
    scores = evaluate(run, truth, ["accuracy", "macro_f1", {"kind": "ece", "bins": 10}, "nll"], resamples=0)
    assert [scores["accuracy"], scores["macro_f1"]] == pytest.approx(wanted[:2], abs=5e-5)
    assert [scores["ece"], scores["nll"]] == pytest.approx(wanted[2:], abs=6e-4)
    assert fit_temperature(run, truth).value > 1
