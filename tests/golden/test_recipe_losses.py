"""Exact losses of each recipe on a processor in float32: a change here is a change of method, never an accident."""

from __future__ import annotations

import pytest

from augtune.training.settings import TrainSettings
from augtune.training.train import train
from training_rows import human_rows, synthetic_rows

# Written out, so that only a change of method and not one of defaults is seen here.
SETTINGS = {
    "head": "own",
    "steps": 6,
    "batch_size": 4,
    "lr": 1e-3,
    "head_lr": 2e-3,
    "weight_decay": 0.01,
    "warmup_share": 0.2,
    "precision": "fp32",
    "checkers": {"steps": 4, "folds": 2},
}
RECIPES = {
    "vanilla": {"kind": "vanilla"},
    "two-stage": {"kind": "two_stage", "stage1_lr": 2e-3},
    "two-stage, reweighted": {"kind": "two_stage", "variant": "reweighted", "stage1_lr": 2e-3},
    "imp": {"kind": "imp"},
    "dimp": {"kind": "dimp", "rows": "synthetic"},
    "mean pooling": {"kind": "vanilla"},
}
LOSSES = {
    "vanilla": [0.698861, 0.693630, 0.691053, 0.686444, 0.705705, 0.701847],
    "two-stage": [0.686249, 0.693882, 0.649885, 0.737418, 0.666569, 0.715463],
    "two-stage, reweighted": [0.964499, 0.974831, 1.029669, 0.733720, 0.675848, 0.715852],
    "imp": [0.699070, 0.690378, 0.692288, 0.686844, 0.705513, 0.701236],
    "dimp": [0.708447, 0.700040, 0.692211, 0.690713, 0.681092, 0.720051],
    "mean pooling": [0.633495, 0.780305, 0.641113, 0.608383, 0.800585, 0.815465],
}


@pytest.mark.parametrize("name", RECIPES)
def test_losses_of_recipe_are_the_golden_ones(name, tiny_encoder):
    head = "mean" if name == "mean pooling" else "own"
    settings = TrainSettings(**{**SETTINGS, "head": head}, encoder=tiny_encoder, recipe=RECIPES[name])
    fitted = train(human_rows() + synthetic_rows(), settings=settings, seed=0)
    assert [row["loss"] for row in fitted.history] == pytest.approx(LOSSES[name], rel=1e-4)
