"""Tests and corrections against statsmodels, published values and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from statsmodels.stats.contingency_tables import mcnemar as oracle_mcnemar
from statsmodels.stats.multitest import multipletests

from augtune.core.dataset import Example, HumanDataset
from augtune.core.errors import DataError
from augtune.core.files import read_jsonl
from augtune.core.labels import Labels
from augtune.core.seeds import generator
from augtune.core.tables import Predictions
from augtune.evaluation.comparisons import Runs, compare
from augtune.evaluation.significance import (
    benjamini_hochberg,
    bootstrap_p,
    detectable,
    discordance,
    holm,
    mcnemar,
    mean_predictions,
    minimum_detectable,
)

LABELS = Labels(("negative", "neutral", "positive"))
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def read(folder, name: str) -> tuple[HumanDataset, Predictions]:
    rows = read_jsonl(folder / "electra_gpt_results" / f"{name}.jsonl")
    truth = HumanDataset.from_examples([Example(str(r["index"]), "text", r["true"]) for r in rows], LABELS)
    made = Predictions.from_rows([{"id": str(r["index"]), "predicted": r["pred"]} for r in rows], LABELS, made_by=name)
    return truth, made


@pytest.mark.parametrize(
    ("first", "second", "counts", "p"),
    [
        ("B4-G4O", "E7-G4O-ELFT", (351, 543), 1.4353056917675992e-10),
        ("E2-ELFT", "E13-G4OM-ELFT", (103, 185), None),
    ],
)
def test_mcnemar_on_real_predictions(data_pack, first, second, counts, p):
    truth, one = read(data_pack, first)
    found = mcnemar(truth, one, read(data_pack, second)[1])
    assert (found.only_first, found.only_second) == counts
    exact = oracle_mcnemar([[0, counts[0]], [counts[1], 0]], exact=True).pvalue
    assert found.p == pytest.approx(exact, rel=1e-9)
    if p is not None:
        assert found.p == pytest.approx(p, rel=1e-9)


def test_paired_bootstrap_on_real_predictions(data_pack):
    truth, base = read(data_pack, "B4-G4O")
    other = read(data_pack, "E7-G4O-ELFT")[1]
    f1, accuracy = compare(truth, Runs("E7", (other,)), Runs("B4", (base,)))
    assert 100 * f1.difference == pytest.approx(3.04, abs=0.01)
    assert [100 * end for end in f1.interval.to_json()] == pytest.approx([2.15, 3.93], abs=0.06)
    assert f1.p == pytest.approx(2 / 10_001)
    assert accuracy.test == "paired_bootstrap"


@settings(deadline=None)
@given(first=st.integers(0, 30), second=st.integers(0, 30))
def test_mcnemar_is_that_of_statsmodels(first, second):
    truth = HumanDataset.from_examples([Example(str(i), "t", "neutral") for i in range(first + second + 3)], LABELS)
    columns = np.array([[1] * first + [0] * second + [1, 1, 0], [0] * first + [1] * second + [1, 1, 2]])
    one, two = (Predictions(truth.ids, np.eye(3)[column], LABELS) for column in columns)
    found = mcnemar(truth, one, two)
    assert (found.only_first, found.only_second) == (first, second)
    if first + second:
        assert found.p == pytest.approx(oracle_mcnemar([[0, first], [second, 0]], exact=True).pvalue)
        pmf = binom.pmf(min(first, second), first + second, 0.5)
        assert found.mid_p == pytest.approx(1.0 if first == second else found.p - pmf)
    else:
        assert (found.p, found.mid_p) == (1, 1)
    assert 0 <= found.mid_p <= found.p <= 1


@settings(deadline=None, max_examples=15)  # the oracle takes 50 ms a call
@given(p=P_VALUES)
def test_corrections_are_those_of_statsmodels(p):
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])


def test_corrections_of_nothing_are_nothing():
    assert holm([]).tolist() == []
    assert benjamini_hochberg([]).tolist() == []


def test_bootstrap_p_counts_both_sides_and_one_more():
    assert bootstrap_p(np.ones(99)) == pytest.approx(2 / 100)
    assert bootstrap_p(np.array([-1.0, 1, 1, 1, 1, 1, 1, 1, 1])) == pytest.approx(2 * 2 / 10)
    assert bootstrap_p(np.zeros(50)) == 1


def test_mean_predictions_average_probabilities_by_id():
    one = Predictions(("a", "b"), np.array([[1, 0, 0], [0, 1, 0]]), LABELS)
    two = Predictions(("b", "a"), np.array([[0, 0.5, 0.5], [0, 1, 0]]), LABELS)
    assert mean_predictions([one, two]).probabilities.tolist() == [[0.5, 0.5, 0], [0, 0.75, 0.25]]
    with pytest.raises(DataError, match=r"^predictions: none were given\.$"):
        mean_predictions([])


@pytest.mark.parametrize(("rows", "share"), [(500, 0.2), (2000, 0.1)])
def test_minimum_detectable_difference_is_found_four_times_in_five(rows, share):
    difference = minimum_detectable(rows, share)
    random = generator(0, "power", rows)
    drawn = random.multinomial(rows, [(share + difference) / 2, (share - difference) / 2, 1 - share], size=4000)
    z = (drawn[:, 0] - drawn[:, 1]) / np.sqrt(np.maximum(drawn[:, 0] + drawn[:, 1], 1))
    assert (np.abs(z) > 1.959964).mean() == pytest.approx(0.8, abs=0.02)


def test_minimum_detectable_difference_is_never_more_than_the_rows_it_moves():
    assert minimum_detectable(872, 0.0) == pytest.approx(minimum_detectable(872, 1e-6))
    assert minimum_detectable(872, 0.0) == pytest.approx(0.009, abs=0.0005)
    assert minimum_detectable(1, 0.5) <= 1
    with pytest.raises(DataError, match=r"^minimum detectable difference: expected one row or more, got 0\.$"):
        minimum_detectable(0, 0.1)


def test_detectable_says_what_the_test_set_cannot_show(make_truth, make_runs):
    truth = make_truth([0, 1] * 400, 2)
    arm, base = make_runs(truth, 0.9, 2), make_runs(truth, 0.8, 3, seed=1)
    pairs = [
        ((a.indices == truth.label_indices) != (b.indices == truth.label_indices)).mean() for a in arm for b in base
    ]
    assert discordance(truth, arm, base) == pytest.approx(np.mean(pairs))
    found = detectable(truth, arm, base)
    assert repr(found) == (
        f"800 test rows cannot reliably show differences in accuracy under {100 * found.difference:.1f} points "
        f"(power 80%, {np.mean(pairs):.0%} of rows discordant)"
    )
