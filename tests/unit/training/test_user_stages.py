"""A recipe the user writes as stages: the same training as the built-in ones, and clear errors."""

from __future__ import annotations

import numpy as np
import pytest

from augtune.core.errors import DataError, SettingsError
from augtune.core.tables import Predictions
from augtune.model.fitted import Fitted
from augtune.training.settings import TrainSettings
from augtune.training.tables import Checkers
from augtune.training.train import train
from training_rows import human_rows, synthetic_rows

ROWS = human_rows(12) + synthetic_rows(16)
COMMON = {"steps": 7, "batch_size": 4, "lr": 1e-3, "precision": "fp32"}


def opinion(*chances: float) -> Predictions:
    own = np.resize(chances, len(ROWS))[:, None]
    return Predictions(ROWS.ids, np.where(ROWS.targets() == 1, own, 1 - own), ROWS.labels)


CHECKERS = Checkers(opinion(0.9, 0.6, 0.2), opinion(0.8, 0.3, 0.5, 0.1))
STAGE_2 = {"rows": "human"}
BUILT_IN = {
    "vanilla": ({"kind": "vanilla"}, [{"rows": "all"}]),
    "two_stage": (
        {"kind": "two_stage", "stage1_share": 0.4, "stage1_lr": 2e-3},
        [{"rows": "synthetic", "share": 0.4, "lr": 2e-3, "trainable": 1}, STAGE_2],
    ),
    "two_stage, reweighted": (
        {"kind": "two_stage", "variant": "reweighted", "top_layers": "head"},
        [{"rows": "human", "lr": 1e-4, "loss": "ldam", "trainable": "head"}, STAGE_2],
    ),
    "two_stage, both and weighed": (
        {"kind": "two_stage", "variant": "both", "top_layers": 0, "stage1_weights": "imp"},
        [{"rows": "synthetic", "lr": 1e-4, "loss": "ldam", "trainable": 0, "weights": "imp"}, STAGE_2],
    ),
    "quality": ({"kind": "quality"}, [{"rows": "all", "weights": "quality"}]),
    "imp": ({"kind": "imp", "gamma": 0.5}, [{"rows": "all", "weights": {"kind": "imp", "gamma": 0.5}}]),
    "dimp": ({"kind": "dimp", "rows": "synthetic"}, [{"rows": "synthetic", "weights": "dimp"}]),
    "curriculum": (
        {"kind": "curriculum", "phases": 3, "order": "easiest_first"},
        [{"rows": "synthetic", "order": "easiest_first"}, {"rows": "all", "human_share": 0.5}, STAGE_2],
    ),
    "curriculum, smooth": ({"kind": "curriculum", "phases": "smooth"}, [{"rows": "all", "human_share": [0, 1]}]),
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_recipe_written_by_hand_is_the_same_bit_for_bit(name, tiny_encoder):
    recipe, stages = BUILT_IN[name]
    settings = TrainSettings(encoder=tiny_encoder, **COMMON)
    ready = train(ROWS, settings=settings, recipe=recipe, checkers=CHECKERS)
    written = train(ROWS, settings=settings, recipe={"kind": "stages", "stages": stages}, checkers=CHECKERS)
    assert [row["loss"] for row in written.history] == [row["loss"] for row in ready.history]
    assert written.classifier.digest() == ready.classifier.digest()
    assert (written.weights is None) == (ready.weights is None)


def test_weights_of_a_stage_stay_in_it(tiny_encoder):
    stages = [{"rows": "synthetic", "weights": "quality"}, {"rows": "synthetic", "name": "plain"}]
    recipe = {"kind": "stages", "stages": stages}
    nothing = Checkers(opinion(0.0))
    found = train(ROWS, encoder=tiny_encoder, recipe=recipe, checkers=nothing, **COMMON)
    losses = {stage: [row["loss"] for row in found.history if row["stage"] == stage] for stage in ("stage 1", "plain")}
    assert losses["stage 1"] == [0.0] * 4
    assert min(losses["plain"]) > 0


def test_deferred_class_weights_enter_in_each_stage_at_its_own_share(tiny_encoder):
    rows = human_rows(12) + synthetic_rows(9)
    common = {**COMMON, "encoder": tiny_encoder, "steps": 8, "lr": 1e-9, "head_lr": 1e-9, "dropout": 0.0}

    def losses(**fields) -> list[float]:
        loss = {"kind": "ldam", **fields}
        stages = [{"rows": "synthetic", "loss": loss}, {"rows": "synthetic", "loss": loss, "name": "again"}]
        found = train(rows, recipe={"kind": "stages", "stages": stages}, **common)
        return [row["loss"] for row in found.history]

    plain, weighed, deferred = losses(class_weights="none"), losses(), losses(deferred=0.5)
    assert deferred == pytest.approx([*plain[0:2], *weighed[2:4], *plain[4:6], *weighed[6:8]], rel=1e-6)
    assert np.abs(np.array(plain) - weighed).min() > 1e-4


def test_a_weighted_model_is_saved_as_the_student_alone(tiny_encoder, tmp_path):
    sizes = {}
    for recipe in ("vanilla", "imp", "dimp"):
        folder = train(ROWS, encoder=tiny_encoder, recipe=recipe, checkers=CHECKERS, **COMMON).save(tmp_path / recipe)
        sizes[recipe] = {path.name: path.stat().st_size for path in folder.glob("*.safetensors")}
    assert sizes["imp"] == sizes["dimp"] == sizes["vanilla"]
    student = Fitted.load(tmp_path / "dimp")
    trained = train(ROWS, encoder=tiny_encoder, recipe="dimp", checkers=CHECKERS, **COMMON)
    assert np.array_equal(student.predict(ROWS).probabilities, trained.predict(ROWS).probabilities)


def problems(stages, **fields) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        TrainSettings.parse({"recipe": {"kind": "stages", "stages": stages}, **fields}, where="train")
    return list(caught.value.problems)


def test_everything_wrong_with_stages_is_told_at_once_with_its_place():
    assert problems(
        [
            {"rows": "synthetic", "shar": 0.4, "weights": "ipm", "loss": "ladm"},
            {"rows": "humans", "share": 2},
            {"rows": "human", "human_share": 0.5, "weights": "imp"},
            {"rows": "all", "weights": "dimp", "loss": "focal"},
            "human",
            {"share": 0.5},
        ]
    ) == [
        "train.recipe.stages[0].loss.kind: no loss is called 'ladm'; did you mean 'ldam'?",
        "train.recipe.stages[0].weights.kind: no weighting is called 'ipm'; did you mean 'imp'?",
        "train.recipe.stages[0].shar: unknown key; did you mean 'share'?",
        "train.recipe.stages[1].rows: should be 'human', 'synthetic' or 'all', got 'humans'",
        "train.recipe.stages[1].share: should be less than or equal to 1, got 2",
        "train.recipe.stages[2].human_share: it is for rows: all; here rows are human",
        "train.recipe.stages[2].weights: human rows count 1 unless the weights say human: weighed",
        "train.recipe.stages[3].loss: weights dimp brings its own; leave one of the two out",
        "train.recipe.stages[4]: expected a mapping such as {rows: human, share: 0.5}, got 'human'",
        "train.recipe.stages[5].rows: missing; it has to be given",
    ]


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([], "stages: expected one stage at least, got none"),
        ({"rows": "all"}, "stages: expected a list of stages, got {'rows': 'all'}"),
        (
            [{"rows": "all", "share": 0.4}, {"rows": "human", "share": 0.5}],
            "stages: expected shares that sum to 1, got 0.4 + 0.5 = 0.9",
        ),
        (
            [{"rows": "all", "share": 0.4}, {"rows": "all", "share": 0.6}, {"rows": "human"}],
            "stages: the shares given sum to 1, which leaves nothing for the 1 without one",
        ),
        (
            [{"rows": "all", "name": "stage 2"}, {"rows": "human"}],
            "stages: two are called 'stage 2'; give each its own name",
        ),
    ],
)
def test_stages_that_cannot_be_are_refused(stages, message):
    assert problems(stages) == [f"train.recipe.{message}"]


def test_fewer_steps_than_stages_are_refused():
    stages = [{"rows": "synthetic"}, {"rows": "all"}, {"rows": "human"}]
    assert problems(stages, steps=2) == ["train.steps: recipe stages needs at least 3, one for each stage"]


@pytest.mark.parametrize(
    ("rows", "stages", "message"),
    [
        (human_rows(8), [{"rows": "synthetic"}], "human: train trains on synthetic rows, and there are none."),
        (synthetic_rows(8), [{"rows": "all"}, STAGE_2], "made: stage 2 trains on human rows, and there are none."),
        (
            human_rows(8),
            [{"rows": "all", "human_share": 0.5}],
            "human: train trains on synthetic rows, and there are none.",
        ),
        (
            synthetic_rows(8),
            [{"rows": "all", "weights": "imp"}],
            "made: train has weights imp, which judge synthetic rows by human ones; there are no human rows.",
        ),
    ],
)
def test_stages_without_rows_are_refused(rows, stages, message, tiny_encoder):
    with pytest.raises(DataError) as caught:
        train(rows, encoder=tiny_encoder, recipe={"kind": "stages", "stages": stages})
    assert str(caught.value) == message
