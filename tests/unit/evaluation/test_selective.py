from __future__ import annotations

import numpy as np
import pytest

from augtune.core.dataset import HumanDataset
from augtune.core.errors import DataError, SettingsError
from augtune.core.labels import Labels
from augtune.core.tables import Predictions
from augtune.evaluation.selective import AtCoverage, answered, check_threshold, selective

# confidence of "c0", and whether that is right
SURE = [0.95, 0.9, 0.8, 0.8, 0.6]
RIGHT = [True, True, False, True, False]


@pytest.fixture
def found(make_truth):
    truth = make_truth([0 if right else 1 for right in RIGHT], 2)
    return Predictions(truth.ids, np.array([[p, 1 - p] for p in SURE]), truth.labels), truth


def test_accuracy_of_the_surest_rows_is_counted_by_hand(found):
    points = selective(*found, coverages=[1.0, 0.8, 0.4, 0.2]).points
    assert points == (
        AtCoverage(1.0, 5, 0.6, 3 / 5),
        AtCoverage(0.8, 4, 0.8, 3 / 4),
        AtCoverage(0.4, 2, 0.9, 1.0),
        AtCoverage(0.2, 1, 0.95, 1.0),
    )


def test_rows_of_one_confidence_are_answered_together(found):
    (point,) = selective(*found, coverages=[0.6]).points
    assert point == AtCoverage(0.8, 4, 0.8, 3 / 4)


def test_abstaining_below_the_threshold_of_a_coverage_answers_that_many(found):
    predictions, truth = found
    for point in selective(predictions, truth).points:
        assert answered(predictions, point.threshold).sum() == point.rows


def test_risk_area_is_the_mean_risk_over_coverages(found):
    assert selective(*found).risk_area == pytest.approx(np.mean([0, 0, 1 / 4, 1 / 4, 2 / 5]))


def test_order_of_rows_plays_no_part(found):
    predictions, truth = found
    assert selective(predictions.aligned(truth.ids[::-1]), truth) == selective(predictions, truth)


def test_thresholds_are_confidences():
    assert check_threshold(0.7, where="--abstain-below") == 0.7
    with pytest.raises(SettingsError, match=r"^--abstain-below: expected a confidence from 0 to 1, got 70$"):
        check_threshold(70, where="--abstain-below")
    with pytest.raises(SettingsError, match="got nan"):
        check_threshold(float("nan"), where="--abstain-below")


def test_no_rows_and_rows_of_several_labels_are_refused(found):
    predictions, truth = found
    with pytest.raises(DataError, match=r"^test: there are no rows to evaluate on\.$"):
        selective(predictions, truth.take([]))
    empty = HumanDataset.from_examples([], Labels(("c0", "c1"), task="multi_label"))
    with pytest.raises(DataError, match=r"^selective: accuracy at coverage needs rows of one label each"):
        selective(predictions, empty)
