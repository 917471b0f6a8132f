from __future__ import annotations

import re

import numpy as np
import pytest

from augtune.core.errors import DataError, SettingsError
from augtune.core.tables import Predictions
from augtune.model.losses import CrossEntropy, Focal, Ldam
from augtune.model.losses import Dimp as DimpLoss
from augtune.training.recipes import Curriculum, Dimp, Imp, Quality, TwoStage, Vanilla
from augtune.training.settings import TrainSettings
from augtune.training.stages import Stage, select, share_out
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
    assert Vanilla().plan(settings, 300) == [Stage("train", "all", 300, 5e-5, Focal(), 1)]


def test_two_stage_trains_the_top_on_synthetic_rows_and_then_everything_on_human_rows():
    assert TwoStage().plan(TrainSettings(), 301) == [
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
    first, second = TwoStage(**fields, stage1_share=0.25).plan(TrainSettings(), 100)
    assert (first.rows, first.loss, first.steps) == (rows, loss, 25)
    assert (second.rows, second.loss, second.steps) == ("human", CrossEntropy(), 75)


@pytest.mark.parametrize("top", ["head", 0, 3])
def test_two_stage_trains_head_or_pooler_or_top_layers_first(top):
    assert TwoStage(top_layers=top).plan(TrainSettings(), 10)[0].trainable == top


@pytest.mark.parametrize("kind", ["quality", "imp"])
def test_two_stage_weighs_the_synthetic_rows_of_stage_one_alone(kind):
    recipe = TwoStage(variant="both", stage1_weights={"kind": kind, "gamma": 0.5})
    first, second = recipe.plan(TrainSettings(), 10)
    assert (first.weighting.kind, first.weighting.gamma, first.loss) == (kind, 0.5, Ldam())
    assert second.weighting is None
    assert recipe.needs == first.weighting.needs


def test_two_stage_weighs_stage_one_by_dimp_with_its_loss():
    first, _ = TwoStage(stage1_weights="dimp").plan(TrainSettings(), 10)
    assert first.loss == DimpLoss()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"variant": "reweighted", "stage1_weights": "imp"},
            "stage1_weights: they are those of synthetic rows; variant reweighted has none",
        ),
        (
            {"variant": "both", "stage1_weights": "dimp"},
            "stage1_weights: dimp brings its own loss, and so does variant both; take variant: augmented",
        ),
        ({"stage1_weights": "ipm"}, "stage1_weights.kind: no weighting is called 'ipm'; did you mean 'imp'?"),
    ],
)
def test_two_stage_refuses_weights_that_contradict_it(fields, message):
    with pytest.raises(SettingsError, match=f"^recipe.{re.escape(message)}$"):
        TwoStage.parse(fields, where="recipe")


def test_two_stage_without_a_first_stage_is_vanilla_on_the_human_rows():
    assert TwoStage(stage1_share=0).plan(TrainSettings(), 100) == [Stage("stage 2", "human", 100, 5e-5, CrossEntropy())]


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


def test_quality_weighs_synthetic_rows_by_quality_alone():
    np.testing.assert_allclose(Quality().weights(MIX, Checkers(QUALITY)).values, [1, 1, 1, 1, 0.9, 0.5, 0.1, 0.6])
    found = Quality(gamma=0.5, human="weighed", normalise=True).weights(MIX, Checkers(QUALITY)).values
    assert found.mean() == pytest.approx(1)
    assert found[0] / found[6] == pytest.approx(3)


def test_imp_weighs_any_loss_and_dimp_brings_its_own():
    settings = TrainSettings(recipe="imp", loss={"kind": "cross_entropy", "alpha": {"negative": 2.0}})
    assert settings.recipe.plan(settings, 10)[0].loss.alpha == {"negative": 2.0}
    dimp = Dimp(form="additive", normalise=True, alpha={"negative": 2.0})
    assert dimp.plan(TrainSettings(), 10)[0].loss == DimpLoss(form="additive", normalise=True, alpha={"negative": 2.0})


def test_curriculum_goes_from_synthetic_to_human_rows():
    assert Curriculum().plan(TrainSettings(), 11) == [
        Stage("stage 1", "synthetic", 6, 5e-5, CrossEntropy()),
        Stage("stage 2", "human", 5, 5e-5, CrossEntropy()),
    ]
    stages = Curriculum(phases=4, order="easiest_first").plan(TrainSettings(), 100)
    assert [stage.rows for stage in stages] == ["synthetic", "all", "all", "human"]
    assert [stage.human_share for stage in stages] == [None, (1 / 3, 1 / 3), (2 / 3, 2 / 3), None]
    assert [stage.order for stage in stages] == ["easiest_first", "random", "random", "random"]
    assert Curriculum(phases="smooth").plan(TrainSettings(), 9) == [
        Stage("train", "all", 9, 5e-5, CrossEntropy(), human_share=(0.0, 1.0))
    ]


def test_curriculum_refuses_fewer_steps_than_phases():
    message = r"^TrainSettings\.steps: recipe curriculum needs at least 4, one for each phase$"
    with pytest.raises(SettingsError, match=message):
        TrainSettings(recipe={"kind": "curriculum", "phases": 4}, steps=3)


@pytest.mark.parametrize(
    ("shares", "steps", "wanted"),
    [
        ([1.0], 7, [7]),
        ([0.5, 0.5], 301, [150, 151]),
        ([0.001, 0.999], 10, [1, 9]),
        ([0.999, 0.001], 10, [9, 1]),
        ([0.001, 0.001, 0.998], 3, [1, 1, 1]),
        ([0.998, 0.001, 0.001], 4, [2, 1, 1]),
    ],
)
def test_steps_are_shared_out_whole_and_every_stage_takes_one(shares, steps, wanted):
    assert share_out(shares, steps) == wanted


def test_too_few_steps_to_share_out_are_refused():
    with pytest.raises(SettingsError, match=r"^steps: expected 3 at least, one for each stage; got 2$"):
        share_out([0.2, 0.3, 0.5], 2)


def test_imp_is_cross_entropy_where_the_checkers_agree():
    assert np.array_equal(Imp().weights(MIX, Checkers(QUALITY, QUALITY)).values, np.ones(8))


def test_dimp_hands_the_loss_the_quality_of_synthetic_rows():
    found = Dimp().quality(MIX, Checkers(QUALITY))
    np.testing.assert_allclose(found, [np.nan] * 4 + [0.9, 0.5, 0.1, 0.6])
    np.testing.assert_allclose(Dimp(human="weighed").quality(MIX, Checkers(QUALITY))[:4], [0.9, 0.8, 0.9, 0.8])


def test_recipes_refuse_checkers_that_say_nothing():
    with pytest.raises(DataError, match=r"^weights imp: expected a quality and a diversity checker's predictions\.$"):
        Imp().weights(MIX, Checkers(QUALITY))
    with pytest.raises(DataError, match=r"^weights dimp: expected a quality checker's predictions\.$"):
        Dimp().quality(MIX, None)


def test_checkers_survive_json():
    checkers = Checkers(QUALITY, None, 0.75, {"quality": 1.5})
    found = Checkers.from_json(checkers.to_json(), LABELS)
    np.testing.assert_allclose(found.quality.probabilities, QUALITY.probabilities)
    assert (found.diversity, found.quality_accuracy, found.temperatures) == (None, 0.75, {"quality": 1.5})
