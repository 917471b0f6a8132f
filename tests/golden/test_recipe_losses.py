"""Exact losses of each recipe on a processor in float32: a change here is a change of method, never an accident."""

from __future__ import annotations

import numpy as np
import pytest

from augtune.core.tables import Predictions
from augtune.training.settings import TrainSettings
from augtune.training.tables import Checkers
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
    "checkers": {"model": "encoder", "balanced": False, "steps": 4, "folds": 2},
}
RECIPES = {
    "vanilla": {"kind": "vanilla"},
    "two-stage": {"kind": "two_stage", "stage1_lr": 2e-3},
    "two-stage, reweighted": {"kind": "two_stage", "variant": "reweighted", "stage1_lr": 2e-3},
    "imp": {"kind": "imp"},
    "dimp": {"kind": "dimp", "rows": "synthetic"},
    "mean pooling": {"kind": "vanilla"},
    "sungen": {"kind": "sungen", "iterations": 5},
    "hu2019": {"kind": "hu2019"},
    "mix": {"kind": "vanilla"},
    "quality": {"kind": "quality"},
    "imp, normalised": {"kind": "imp", "normalise": True},
    "dimp, normalised": {"kind": "dimp", "normalise": True},
    "dimp, additive": {"kind": "dimp", "form": "additive"},
    "two-stage, quality": {"kind": "two_stage", "stage1_lr": 2e-3, "stage1_weights": "quality"},
    "curriculum": {"kind": "curriculum"},
    "curriculum, easiest first": {"kind": "curriculum", "order": "easiest_first"},
    "curriculum, smooth": {"kind": "curriculum", "phases": "smooth"},
    "stages": {
        "kind": "stages",
        "stages": [
            {"rows": "synthetic", "share": 0.5, "loss": {"kind": "ldam", "deferred": 0.5}, "weights": "imp"},
            {"rows": "human", "trainable": "head"},
        ],
    },
}
LOSSES = {
    "vanilla": [0.698861, 0.693630, 0.691053, 0.686444, 0.705705, 0.701847],
    "two-stage": [0.686249, 0.693882, 0.649885, 0.737418, 0.666569, 0.715463],
    "two-stage, reweighted": [0.964499, 0.974831, 1.029669, 0.733720, 0.675848, 0.715852],
    "imp": [0.594439, 0.925132, 0.698408, 0.854600, 2.078233, 2.760767],
    "dimp": [0.848330, 0.841844, 0.277475, 1.254185, 0.989430, 1.282547],
    "mean pooling": [0.633495, 0.780305, 0.641113, 0.608383, 0.800585, 0.815465],
    "sungen": [0.623362, 0.990875, 0.541083, 0.535234, 0.776021, 0.921715],
    "hu2019": [0.687080, 0.685081, 0.729016, 0.707750, 0.693883, 0.664058],
    "mix": [0.698838, 0.693402, 0.691224, 0.685598, 0.706894, 0.702695],
    "quality": [0.559632, 0.138720, 0.259406, 0.641264, 0.701401, 0.661185],
    "imp, normalised": [0.553502, 0.381097, 0.288419, 0.549933, 1.178837, 1.257130],
    "dimp, normalised": [0.699339, 0.693625, 0.690603, 0.691216, 0.698341, 0.693990],
    "dimp, additive": [0.646910, 0.485713, 0.602720, 0.819895, 0.779572, 0.917282],
    "two-stage, quality": [0.137250, 0.283429, 0.396569, 0.724163, 0.679091, 0.704540],
    "curriculum": [0.687443, 0.690056, 0.658274, 0.728513, 0.674762, 0.712487],
    "curriculum, easiest first": [0.687408, 0.719896, 0.693832, 0.719782, 0.690693, 0.697939],
    "curriculum, smooth": [0.698863, 0.690763, 0.681864, 0.656526, 0.693654, 0.722748],
    "stages": [1.610915, 0.801314, 3.731123, 0.731489, 0.663522, 0.722535],
}
ROWS = human_rows() + synthetic_rows()


def opinion(*chances: float) -> Predictions:
    """A checker that gives the labels of the rows these probabilities in turn."""
    own = np.resize(chances, len(ROWS))[:, None]
    return Predictions(ROWS.ids, np.where(ROWS.targets() == 1, own, 1 - own), ROWS.labels)


# Made up, so that only training is measured here.
CHECKERS = Checkers(opinion(0.9, 0.6, 0.2), opinion(0.8, 0.3, 0.5, 0.1))


@pytest.mark.parametrize("name", RECIPES)
def test_losses_of_recipe_are_the_golden_ones(name, tiny_encoder):
    head = "mean" if name == "mean pooling" else "own"
    settings = TrainSettings(**{**SETTINGS, "head": head}, encoder=tiny_encoder, recipe=RECIPES[name])
    if name == "mix":
        settings = settings.changed(mix={"kind": "tmix", "layers": [0, 1]})
    fitted = train(ROWS, settings=settings, seed=0, checkers=CHECKERS)
    assert [row["loss"] for row in fitted.history] == pytest.approx(LOSSES[name], rel=1e-4)
