from __future__ import annotations

import json
import subprocess
import sys

import pytest

from augtune.core.errors import SettingsError
from augtune.training.recipes import Dimp, TwoStage, Vanilla
from augtune.training.settings import TrainSettings


def refused(value):
    with pytest.raises(SettingsError) as caught:
        TrainSettings.parse(value, where="train")
    return list(caught.value.problems)


def test_defaults_are_those_of_the_contract():
    settings = TrainSettings()
    assert (settings.encoder, settings.steps, settings.batch_size, settings.lr) == ("bundled/minilm", 300, 16, 5e-5)
    assert settings.recipe == Vanilla()
    assert settings.keep == "last"


def test_recipe_is_a_name_or_a_mapping():
    assert TrainSettings.parse({"recipe": "two_stage"}, where="train").recipe == TwoStage()
    found = TrainSettings.parse({"recipe": {"kind": "dimp", "rows": "synthetic", "floor": 0.01}}, where="train")
    assert found.recipe == Dimp(rows="synthetic", floor=0.01)


def test_every_problem_is_told_at_once_with_its_place_and_a_suggestion():
    assert refused({"recipe": "two_stag", "stepz": 3, "lr": "fast", "loss": {"kind": "focal", "gama": 1}}) == [
        "train.recipe.kind: no recipe is called 'two_stag'; did you mean 'two_stage'?",
        "train.loss.gama: unknown key; did you mean 'gamma'?",
        "train.lr: should be a valid number, unable to parse string as a number, got 'fast'",
        "train.stepz: unknown key; did you mean 'steps'?",
    ]


def test_settings_survive_json():
    settings = TrainSettings(
        recipe={"kind": "imp", "clamp": None}, loss="cross_entropy", trainable=2, checkers={"folds": 5}, head_lr=1e-3
    )
    plain = json.loads(json.dumps(settings.to_json()))
    assert plain["recipe"]["kind"] == "imp"
    assert TrainSettings.parse(plain, where="train") == settings


def test_recipes_that_bring_a_loss_refuse_another():
    assert refused({"recipe": "dimp", "loss": "focal"}) == ["train.loss: recipe dimp brings its own; leave it out"]
    with pytest.raises(SettingsError, match=r"^TrainSettings\.loss: recipe dimp brings its own; leave it out$"):
        TrainSettings(recipe="dimp", loss="focal")


@pytest.mark.parametrize(
    "recipe", ["vanilla", "quality", {"kind": "stages", "stages": [{"rows": "all", "weights": "imp"}]}]
)
def test_a_loss_that_needs_a_checker_is_refused_where_no_stage_has_one(recipe):
    kind = recipe if isinstance(recipe, str) else "stages"
    with pytest.raises(SettingsError) as caught:
        TrainSettings.parse({"loss": "dimp", "recipe": recipe}, where="train")
    assert str(caught.value) == (
        f"train.loss: dimp weighs rows by what a quality checker says of them, and recipe {kind} has no such checker; "
        "leave loss out and set recipe: dimp, or weights: dimp of a stage"
    )


def test_epochs_are_worked_out_in_steps():
    assert TrainSettings(epochs=3, batch_size=10).steps_for(105) == 32
    assert TrainSettings(steps=7).steps_for(105) == 7
    assert refused({"epochs": 1, "steps": 10}) == ["train.epochs: give steps or epochs, not both"]


def test_changed_checks_again():
    with pytest.raises(SettingsError, match=r"^TrainSettings\.steps: should be greater than or equal to 1, got 0$"):
        TrainSettings(lr=1e-4).changed(steps=0)
    assert TrainSettings(lr=1e-4).changed(steps=5) == TrainSettings(lr=1e-4, steps=5)


def test_settings_and_recipes_load_without_torch():
    code = (
        "import sys, augtune.training.settings as s; s.TrainSettings(recipe='dimp', loss='cross_entropy');"
        "print(sorted({'torch', 'transformers', 'scipy', 'accelerate'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
