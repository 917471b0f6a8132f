"""Importance weights: identities, bounds, soft labels and what is refused."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from augtune.core.dataset import Dataset, Example
from augtune.core.errors import DataError, SettingsError
from augtune.core.labels import Labels
from augtune.core.tables import Predictions
from augtune.weighting.importance import importance, label_probability, weight_report

LABELS = Labels(("no", "yes"))


@pytest.fixture
def rows() -> Dataset:
    return Dataset.from_examples(
        [
            Example("a", "one", "no", origin="generated"),
            Example("b", "two", "yes", origin="generated"),
            Example("c", "three", "no", probabilities=(0.75, 0.25), origin="generated"),
        ],
        LABELS,
    )


def made(*table: tuple[float, float], labels: Labels = LABELS) -> Predictions:
    return Predictions(("a", "b", "c")[: len(table)], np.array(table), labels, made_by="checker")


def test_label_probability_of_a_soft_label_is_the_expected_one(rows):
    quality = made((0.9, 0.1), (0.8, 0.2), (0.6, 0.4))
    assert label_probability(quality, rows) == pytest.approx([0.9, 0.2, 0.75 * 0.6 + 0.25 * 0.4])


def test_label_probability_follows_ids_not_positions(rows):
    shuffled = Predictions(("c", "x", "a", "b"), np.array([[0.6, 0.4], [1, 0], [0.9, 0.1], [0.8, 0.2]]), LABELS)
    assert label_probability(shuffled, rows) == pytest.approx([0.9, 0.2, 0.55])


def test_importance_is_one_where_both_checkers_agree(rows):
    quality = made((0.9, 0.1), (0.8, 0.2), (0.6, 0.4))
    assert importance(quality, quality, rows).values.tolist() == [1, 1, 1]


def test_importance_is_quality_over_diversity(rows):
    quality, diversity = made((0.9, 0.1), (0.8, 0.2), (0.5, 0.5)), made((0.45, 0.55), (0.2, 0.8), (0.5, 0.5))
    assert importance(quality, diversity, rows).values == pytest.approx([2, 0.25, 1])
    assert importance(quality, diversity, rows, gamma=0.5).values == pytest.approx([math.sqrt(2), 0.5, 1])
    assert importance(quality, diversity, rows, normalise=True).values == pytest.approx(
        np.array([2, 0.25, 1]) * 3 / 3.25
    )


def test_importance_without_diversity_is_quality_alone(rows):
    assert importance(made((0.9, 0.1), (0.8, 0.2), (0.5, 0.5)), None, rows).values == pytest.approx([0.9, 0.2, 0.5])


def test_importance_is_bounded_and_finite_where_a_checker_is_certain(rows):
    quality, diversity = made((1, 0), (1, 0), (0.5, 0.5)), made((0, 1), (1, 0), (0.01, 0.99))
    assert importance(quality, diversity, rows).values == pytest.approx([10, 0, 0.5 / 0.255])
    assert importance(quality, diversity, rows, clamp=None).values == pytest.approx([math.exp(40), 0, 0.5 / 0.255])
    assert importance(quality, diversity, rows, clamp=1.5).values == pytest.approx([1.5, 0, 1.5])


def test_importance_of_an_impossible_label_is_nothing(rows):
    assert importance(made((1, 0), (1, 0), (0.5, 0.5)), None, rows).values == pytest.approx([1, 0, 0.5])
    with pytest.raises(
        DataError, match=r"^importance: every weight is 0: the quality checker finds no row's label possible\.$"
    ):
        importance(made((1, 0), (1, 0)), None, rows[1:2], normalise=True)


def test_importance_of_no_rows_is_empty(rows):
    assert len(importance(made((1, 0)), None, rows[:0], normalise=True)) == 0


def test_checker_of_other_labels_is_refused(rows):
    message = "predictions of checker: expected the labels no · yes in this order, got yes · no."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        importance(made((1, 0), (1, 0), (1, 0), labels=Labels(("yes", "no"))), None, rows)


def test_checker_that_misses_a_row_is_refused(rows):
    with pytest.raises(DataError, match=r"^predictions of checker: no row 'c' \(1 rows are missing\)\.$"):
        importance(made((1, 0), (1, 0)), None, rows)


@pytest.mark.parametrize("name", ["gamma", "clamp"])
def test_settings_that_are_not_positive_are_refused(rows, name):
    with pytest.raises(SettingsError, match=rf"^{name}: expected a number above 0, got 0$"):
        importance(made((1, 0), (1, 0), (1, 0)), None, rows, **{name: 0})


def test_report_shows_both_ends(rows):
    weights = importance(made((0.9, 0.1), (0.8, 0.2), (0.5, 0.5)), None, rows)
    report = weight_report(weights, rows, count=2)
    assert [row.id for row in report.heaviest] == ["a", "c"]
    assert [row.id for row in report.lightest] == ["b", "c"]
    assert report.effective_size == pytest.approx(1.6**2 / (0.81 + 0.04 + 0.25))
    assert repr(report).splitlines()[:3] == [
        "3 rows worth 2 · min 0.20 · median 0.50 · max 0.9 · ESS 78%",
        "heaviest",
        "  0.90 a 'one' → no",
    ]


def test_report_refuses_weights_of_other_rows(rows):
    weights = importance(made((0.9, 0.1), (0.8, 0.2), (0.5, 0.5)), None, rows)
    with pytest.raises(DataError, match=r"^weights: expected one for each row of data, in order; the ids differ\.$"):
        weight_report(weights, rows[:2])
