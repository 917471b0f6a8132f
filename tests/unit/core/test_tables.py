"""Predictions, Weights and outcomes."""

from __future__ import annotations

import numpy as np
import pytest

from augtune.core.dataset import Dataset, Example
from augtune.core.errors import DataError
from augtune.core.labels import Labels
from augtune.core.outcomes import Cost, Curation, Dropped, Generation
from augtune.core.tables import Predictions, Weights

LABELS = Labels(("no", "yes"))
MADE = Predictions(("a", "b"), np.array([[0.9, 0.1], [0.3, 0.7]]), LABELS, "mini")


def test_predictions_name_the_likeliest_class():
    assert MADE.predicted == ("no", "yes")
    assert repr(MADE) == "2 predictions · mean confidence 0.80"
    assert MADE.aligned(["b"]).predicted == ("yes",)


def test_predictions_survive_rows():
    again = Predictions.from_rows(MADE.to_rows({"a": "no", "b": "no"}), LABELS)
    np.testing.assert_allclose(again.probabilities, MADE.probabilities)
    certain = Predictions.from_rows([{"id": "a", "predicted": "yes"}], LABELS)
    np.testing.assert_array_equal(certain.probabilities, [[0, 1]])


@pytest.mark.parametrize(
    ("ids", "table", "message"),
    [
        (("a",), [[0.5, 0.6]], r"predictions: row 0 \(a\): probabilities sum to 1\.1, expected 1\."),
        (("a",), [[1.5, -0.5]], r"predictions: row 0 \(a\): probabilities sum to 1, expected 1\."),
        (("a", "a"), [[1, 0], [1, 0]], r"predictions: ids have to be unique\."),
        (("a",), [[1, 0, 0]], r"predictions: expected shape \(1, 2\), got \(1, 3\)\."),
    ],
)
def test_predictions_refuse_what_is_no_distribution(ids, table, message):
    with pytest.raises(DataError, match=f"^{message}$"):
        Predictions(ids, np.array(table, dtype=float), LABELS)


def test_predictions_do_not_change_with_the_array_they_were_made_from():
    table = np.array([[0.9, 0.1]])
    made = Predictions(("a",), table, LABELS)
    table[0] = [0.1, 0.9]
    assert made.predicted == ("no",)
    with pytest.raises(ValueError, match="read-only"):
        made.probabilities[0, 0] = 1


def test_aligned_names_the_missing_row():
    with pytest.raises(DataError, match=r"^predictions of mini: no row 'c' \(1 rows are missing\)\.$"):
        MADE.aligned(["a", "c"])


def test_weights_tell_their_effective_size():
    assert Weights(("a", "b"), np.ones(2)).effective_size == 2
    assert Weights(("a", "b"), np.array([1.0, 0.0])).effective_share == 0.5
    assert repr(Weights(("a", "b"), np.array([1.0, 3.0]))) == "min 1.00 · median 2.00 · max 3.0 · ESS 80%"
    with pytest.raises(DataError, match="finite and not negative"):
        Weights(("a",), np.array([-1.0]))


def test_costs_add_up_and_an_unknown_price_stays_unknown():
    assert Cost(0.5, 2, 1, 10, 5) + Cost(0.25, 1) == Cost(0.75, 3, 1, 10, 5)
    assert (Cost(0.5) + Cost(None)).usd is None
    assert Cost.from_json(Cost(0.5, 2).to_json()) == Cost(0.5, 2)


def test_outcomes_print_what_was_dropped_and_why():
    rows = Dataset.from_examples([Example("g-0", "x", "no", origin="generated")], LABELS)
    drop = Dropped(Example("g-1", "x", "no", origin="generated"), "dedup", "repeats g-0", "repeat")
    unreadable = Dropped(Example("g-2", "??", "", origin="generated"), "gpt3mix", "no label", "unreadable")
    assert repr(Generation(rows, (unreadable, drop), Cost(0.031))) == (
        "1 kept, 2 dropped (1 unreadable, 1 repeat) · $0.031"
    )
    assert repr(Curation(rows, (drop,))) == "1 kept, 1 dropped by dedup"
    assert Dropped.from_json(drop.to_json(LABELS), LABELS) == drop
