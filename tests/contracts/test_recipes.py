"""What every row of the recipe catalog has to hold."""

from __future__ import annotations

import pytest

from augtune.training import RECIPES
from augtune.training.recipes import Recipe
from augtune.training.settings import TrainSettings
from augtune.training.train import train
from training_rows import human_rows, synthetic_rows

WRITTEN = {"stages": [{"rows": "synthetic", "share": 0.4, "weights": "imp"}, {"rows": "human", "lr": 1e-3}]}
VARIANTS = {
    "two_stage": [{"variant": "both", "stage1_weights": "quality"}, {"top_layers": "head", "stage1_weights": "dimp"}],
    "curriculum": [{"phases": "smooth", "order": "easiest_first"}, {"order": "easiest_first"}],
    "dimp": [{"form": "additive", "normalise": True}],
    "hu2019": [{"variant": "ren", "human": "weighed"}, {"covers": 1, "norm": "softmax"}],
    "sungen": [{"use": "filter", "iterations": 2}, {"inner": "lstm", "iterations": 1, "rows": "synthetic"}],
    "stages": [{"stages": [{"rows": "all", "human_share": [0.8, 0.2], "order": "easiest_first"}]}],
}
RECIPES_TO_TEST = [(kind, WRITTEN if kind == "stages" else {}) for kind in RECIPES]
RECIPES_TO_TEST += [(kind, fields) for kind in VARIANTS for fields in VARIANTS[kind]]


@pytest.fixture(params=RECIPES_TO_TEST, ids=lambda row: f"{row[0]}-{row[1]}")
def recipe(request) -> Recipe:
    kind, fields = request.param
    return RECIPES.parse({"kind": kind, **fields}, where="recipe")


@pytest.fixture
def settings(recipe, tiny_encoder):
    return TrainSettings(
        encoder=tiny_encoder, recipe=recipe, steps=5, batch_size=4, precision="fp32", checkers={"steps": 2, "folds": 2}
    )


def test_recipe_is_called_in_the_catalog_what_it_calls_itself(recipe):
    assert recipe.kind in RECIPES
    assert type(RECIPES.parse(recipe.to_json(), where="recipe")) is type(recipe)
    assert RECIPES.parse(recipe.to_json(), where="recipe") == recipe


@pytest.mark.parametrize("steps", [2, 3, 100, 301])
def test_recipe_shares_out_all_steps_and_no_more(recipe, settings, steps):
    stages = recipe.plan(settings, steps)
    assert sum(stage.steps for stage in stages) == steps
    assert min(stage.steps for stage in stages) >= 1
    assert len({stage.name for stage in stages}) == len(stages)


def test_recipe_needs_the_checkers_that_its_stages_need(recipe, settings):
    wanted = set()
    for stage in recipe.plan(settings, 100):
        wanted |= set(() if stage.weighting is None else stage.weighting.needs)
        wanted |= {"quality"} if stage.order == "easiest_first" else set()
    assert set(recipe.needs) == wanted


def test_recipe_trains_alike_twice_takes_the_steps_asked_for_and_leaves_its_input_alone(settings):
    rows = human_rows(12) + synthetic_rows(12)
    before = rows.fingerprint, rows.to_pandas()
    first, again = train(rows, settings=settings, seed=0), train(rows, settings=settings, seed=0)
    assert first.fingerprint == again.fingerprint
    assert [row["loss"] for row in first.history] == [row["loss"] for row in again.history]
    assert len(first.history) == first.steps == 5
    assert first.recipe == settings.recipe.kind
    assert first.labels == rows.labels
    assert rows.fingerprint == before[0]
    assert rows.to_pandas().equals(before[1])


def test_recipe_trains_in_bf16_too(settings):
    fitted = train(human_rows(12) + synthetic_rows(12), settings=settings, precision="bf16")
    assert all(0 < row["loss"] < 5 for row in fitted.history)
