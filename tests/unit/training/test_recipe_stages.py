from __future__ import annotations

import numpy as np
import pytest

from augtune.core.errors import DataError, SettingsError
from augtune.core.tables import Predictions
from augtune.model.losses import CrossEntropy, Focal, Ldam
from augtune.training.recipes import Dimp, Imp, TwoStage, Vanilla
from augtune.training.settings import TrainSettings
from augtune.training.stages import Stage, select
from augtune.training.tables import Checkers
from training_rows import LABELS, human_rows, synthetic_rows

MIX = human_rows(4) + synthetic_rows(4)


def table(values):
    """Predictions that give each row of the mix's own label the given probability."""
    targets = MIX.targets()
    chance = np.array(values)[:, None]
    return Predictions(MIX.ids, np.where(targets == 1, chance, 1 - chance), LABELS)


QUALITY = table([0.9, 0.8, 0.9, 0.8, 0.9, 0.5, 0.1, 0.6])
DIVERSITY = table([0.5, 0.5, 0.5, 0.5, 0.9, 0.9, 0.8, 0.001])


def test_vanilla_is_one_stage_on_all_rows():
    settings = TrainSettings(loss="focal", trainable=1)
    assert Vanilla().stages(settings, 300) == [Stage("train", "all", 300, 5e-5, Focal(), 1)]


def test_two_stage_trains_the_top_on_synthetic_rows_and_then_everything_on_human_rows():
    assert TwoStage().stages(TrainSettings(), 301) == [
        Stage("stage 1", "synthetic", 150, 1e-4, CrossEntropy(), 1),
        Stage("stage 2", "human", 151, 5e-5, CrossEntropy(), "all"),
    ]


@pytest.mark.parametrize(
    ("fields", "rows", "loss"),
    [
        ({"variant": "augmented", "stage1_rows": "all"}, "all", CrossEntropy()),
        ({"variant": "reweighted"}, "human", Ldam()),
        ({"variant": "both"}, "synthetic", Ldam()),
    ],
)
def test_two_stage_variants_differ_in_rows_and_loss_of_stage_one(fields, rows, loss):
    first, second = TwoStage(**fields, stage1_share=0.25).stages(TrainSettings(), 100)
    assert (first.rows, first.loss, first.steps) == (rows, loss, 25)
    assert (second.rows, second.loss, second.steps) == ("human", CrossEntropy(), 75)


def test_two_stage_without_a_first_stage_is_vanilla_on_the_human_rows():
    assert TwoStage(stage1_share=0).stages(TrainSettings(), 100) == [
        Stage("stage 2", "human", 100, 5e-5, CrossEntropy())
    ]


def test_two_stage_refuses_fewer_steps_than_stages():
    with pytest.raises(
        SettingsError, match=r"^TrainSettings\.steps: recipe two_stage needs at least 2, one for each stage$"
    ):
        TrainSettings(recipe="two_stage", steps=1)


def test_stage_takes_the_rows_of_its_origin():
    assert select(MIX, "human") == [0, 1, 2, 3]
    assert select(MIX, "synthetic") == [4, 5, 6, 7]
    assert select(MIX, "all") == list(range(8))


def test_imp_weighs_synthetic_rows_by_quality_over_diversity_and_trusts_human_ones():
    found = Imp().weights(MIX, Checkers(QUALITY, DIVERSITY))
    assert found.ids == MIX.ids
    np.testing.assert_allclose(found.values, [1, 1, 1, 1, 1, 5 / 9, 1 / 8, 10])


def test_imp_weighs_human_rows_too_if_asked():
    found = Imp(human="weighed", gamma=0.5, clamp=None).weights(MIX, Checkers(QUALITY, DIVERSITY))
    np.testing.assert_allclose(found.values[:2], [1.8**0.5, 1.6**0.5])
    np.testing.assert_allclose(found.values[7], 600**0.5)


def test_imp_is_cross_entropy_where_the_checkers_agree():
    assert np.array_equal(Imp().weights(MIX, Checkers(QUALITY, QUALITY)).values, np.ones(8))


def test_dimp_hands_the_loss_the_quality_of_synthetic_rows():
    found = Dimp().quality(MIX, Checkers(QUALITY))
    np.testing.assert_allclose(found, [np.nan] * 4 + [0.9, 0.5, 0.1, 0.6])
    np.testing.assert_allclose(Dimp(human="weighed").quality(MIX, Checkers(QUALITY))[:4], [0.9, 0.8, 0.9, 0.8])


def test_recipes_refuse_checkers_that_say_nothing():
    with pytest.raises(DataError, match=r"^recipe imp: expected a quality and a diversity checker's predictions\.$"):
        Imp().weights(MIX, Checkers(QUALITY))
    with pytest.raises(DataError, match=r"^recipe dimp: expected a quality checker's predictions\.$"):
        Dimp().quality(MIX, None)


def test_checkers_survive_json():
    checkers = Checkers(QUALITY, None, 0.75, {"quality": 1.5})
    found = Checkers.from_json(checkers.to_json(), LABELS)
    np.testing.assert_allclose(found.quality.probabilities, QUALITY.probabilities)
    assert (found.diversity, found.quality_accuracy, found.temperatures) == (None, 0.75, {"quality": 1.5})
