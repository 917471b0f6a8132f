"""Contrastive tuning: pairs drawn as said, an encoder that learns from them, a classifier like any other."""

from __future__ import annotations

import numpy as np
import pytest

from augtune.core.errors import DataError
from augtune.model.fitted import Fitted
from augtune.training.contrastive import contrast, pairs_of
from augtune.training.running import Running, Stop, Stopped
from augtune.training.settings import TrainSettings
from training_rows import human_rows, pair_rows


def test_pairs_are_of_one_class_every_other_time_and_take_every_row_in_turn():
    classes = np.array([0, 0, 0, 1, 1, 2])
    drawn = list(pairs_of(classes, pairs=4, steps=9, chance=np.random.default_rng(0)))
    assert len(drawn) == 9
    for pairs in drawn:
        assert (pairs.left != pairs.right).all()
        assert ((classes[pairs.left] == classes[pairs.right]) == (pairs.alike == 1)).all()
        alone = classes[pairs.left] == 2
        assert (pairs.alike[~alone] == np.array([1, 0, 1, 0])[~alone]).all()
        assert (pairs.alike[alone] == 0).all()
    assert np.bincount(np.concatenate([pairs.left for pairs in drawn])).tolist() == [6] * 6


@pytest.fixture(scope="module")
def settings(tiny_encoder):
    return TrainSettings(encoder=tiny_encoder, steps=30, batch_size=16, lr=1e-3, precision="fp32")


def test_encoder_learns_and_the_same_seed_makes_the_same_model(settings, tmp_path):
    rows = human_rows(24)
    made = contrast(rows, settings, ridge=1e-3, seed=1)
    losses = [row["loss"] for row in made.history]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    assert (made.predict(rows).indices == rows.label_indices).mean() > 0.9
    assert contrast(rows, settings, ridge=1e-3, seed=1).fingerprint == made.fingerprint
    assert contrast(rows, settings, ridge=1e-3, seed=2).fingerprint != made.fingerprint
    read = Fitted.load(made.save(tmp_path / "model"))
    np.testing.assert_array_equal(read.predict(rows).probabilities, made.predict(rows).probabilities)


def test_ctrl_c_ends_it_after_the_step(settings):
    stop, steps = Stop(), []

    def on_step(step: int, of: int, loss: float) -> None:
        steps.append(step)
        stop.asked = step == 3

    with pytest.raises(Stopped, match="stopped by hand after step 3 of 30; there is no checkpoint of it"):
        contrast(human_rows(24), settings, ridge=1e-3, running=Running(on_step=on_step, stop=stop))
    assert steps == [1, 2, 3]


def test_rows_it_is_not_made_for_are_refused(settings):
    with pytest.raises(DataError, match=r"^pairs: contrastive training is made for single texts with one label each\."):
        contrast(pair_rows(), settings, ridge=1e-3)
    rows = human_rows(8)
    with pytest.raises(DataError, match=r"^human: every row is 'negative'; there is nothing to tell apart\."):
        contrast(rows.take([0, 2, 4]), settings, ridge=1e-3)
