"""What every row of the catalog of mixings has to hold."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from augtune.core.seeds import generator
from augtune.model import MIXINGS
from augtune.training import RECIPES
from augtune.training.settings import TrainSettings
from augtune.training.train import train
from training_rows import human_rows, synthetic_rows

ROWS = human_rows(12) + synthetic_rows(12)


@pytest.fixture(params=MIXINGS)
def mixing(request):
    return MIXINGS.parse(request.param, where="mix")


@pytest.fixture
def settings(mixing, tiny_encoder):
    return TrainSettings(
        encoder=tiny_encoder, mix=mixing, steps=4, batch_size=4, precision="fp32", checkers={"steps": 2, "folds": 2}
    )


def test_mixing_is_called_in_the_catalog_what_it_calls_itself(mixing):
    assert mixing.kind in MIXINGS
    assert MIXINGS.parse(mixing.to_json(), where="mix") == mixing
    assert all(field.description for field in type(mixing).model_fields.values())
    assert MIXINGS.rows[mixing.kind].summary.endswith(".")


@pytest.mark.parametrize("depth", [1, 2, 6, 12])
def test_places_lie_in_the_encoder(mixing, depth):
    assert set(mixing.places(depth)) <= set(range(-1, depth))


def test_every_row_has_a_partner_and_a_share(mixing):
    mix = mixing.draw(16, 6, generator(0, "mix"))
    assert sorted(mix.partners) == list(range(16))
    assert mix.shares.dtype == np.float32
    assert ((mix.shares >= 0.5) & (mix.shares <= 1)).all()


def test_training_with_it_is_repeatable_and_not_what_training_without_it_is(settings):
    first, again = train(ROWS, settings=settings), train(ROWS, settings=settings)
    assert first.fingerprint == again.fingerprint
    assert all(np.isfinite(row["loss"]) for row in first.history)
    assert train(ROWS, settings=settings, mix=None).fingerprint != first.fingerprint


def test_shares_of_one_train_as_without_it_bit_for_bit(settings, mixing):
    alone = mixing.model_copy(update={"share": 1e-12})
    assert train(ROWS, settings=settings, mix=alone).fingerprint == train(ROWS, settings=settings, mix=None).fingerprint


@pytest.mark.parametrize("recipe", [kind for kind in RECIPES if kind != "dimp"])
def test_it_composes_with_every_recipe_whose_weights_are_known_before_training(settings, recipe):
    written = {"kind": "stages", "stages": [{"rows": "synthetic", "weights": "imp"}, {"rows": "human"}]}
    fitted = train(ROWS, settings=settings, recipe=written if recipe == "stages" else recipe)
    assert len(fitted.history) == 4


def test_settings_load_without_torch():
    code = (
        "import sys; from augtune.model import MIXINGS; [MIXINGS.parse(k, where='mix') for k in MIXINGS]; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
