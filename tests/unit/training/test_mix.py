from __future__ import annotations

import pytest

from augtune.core.errors import SettingsError
from augtune.training.settings import TrainSettings
from augtune.training.train import train
from training_rows import human_rows, pair_rows, synthetic_rows


def test_mixed_training_learns_and_evaluation_is_plain(tiny_encoder):
    rows = human_rows() + synthetic_rows()
    settings = TrainSettings(
        encoder=tiny_encoder, mix="tmix", steps=80, batch_size=8, lr=2e-3, precision="fp32", keep="best",
        evaluate_every=40,
    )  # fmt: skip
    fitted = train(rows, validation=human_rows(20, "held"), settings=settings)
    found = fitted.predict(human_rows(20, "held"))
    assert (found.probabilities.argmax(axis=1) == human_rows(20, "held").label_indices).mean() >= 0.9
    assert fitted.settings["mix"]["kind"] == "tmix"


def test_mixing_takes_pairs_every_loss_of_labels_and_frozen_layers(tiny_encoder):
    settings = TrainSettings(
        encoder=tiny_encoder, mix={"kind": "tmix", "layers": [0]}, loss="ldam", steps=3, batch_size=4,
        precision="fp32", trainable=1,
    )  # fmt: skip
    assert len(train(pair_rows(), settings=settings).history) == 3


def test_a_layer_beyond_the_encoder_stops_training_before_its_first_step(tiny_encoder):
    settings = TrainSettings(encoder=tiny_encoder, mix={"kind": "tmix", "layers": [1, 2]}, steps=3)
    with pytest.raises(SettingsError) as caught:
        train(human_rows(), settings=settings)
    assert str(caught.value) == "mix.layers: the encoder has 2 layers, counted from 0: expected 0 to 1, got 2"


def test_dimp_and_mix_refuse_each_other():
    with pytest.raises(SettingsError) as caught:
        TrainSettings.parse({"recipe": "dimp", "mix": "tmix"}, where="train")
    assert str(caught.value) == (
        "train.mix: recipe dimp trains with the loss dimp, which weighs each row by what the model and a checker say "
        "of its label; a mix of two rows has no such label. Leave mix out, or use recipe: imp, whose weights are known "
        "before training"
    )


def test_wrong_mix_settings_are_told_with_their_place():
    with pytest.raises(SettingsError) as caught:
        TrainSettings.parse({"mix": {"kind": "tmix", "layer": [3], "alpha": 0}}, where="train")
    assert caught.value.problems == (
        "train.mix.alpha: should be greater than 0, got 0",
        "train.mix.layer: unknown key; did you mean 'layers'?",
    )
    with pytest.raises(SettingsError) as caught:
        TrainSettings.parse({"mix": "mixtext"}, where="train")
    assert str(caught.value) == "train.mix.kind: no mixing is called 'mixtext'; known: tmix, mixup"


def test_compiled_layers_and_mix_refuse_each_other():
    with pytest.raises(SettingsError) as caught:
        TrainSettings.parse({"mix": "tmix", "compile": True}, where="train")
    assert str(caught.value) == (
        "train.mix: reaches in between layers, which compiled ones do not take; leave compile out"
    )
    assert TrainSettings(mix="tmix").compile == "auto"


@pytest.mark.parametrize("mix", [{"kind": "tmix", "keep_larger": False}, {"kind": "mixup"}], ids=str)
def test_layers_computed_twice_give_the_same_mix_and_weights(tiny_encoder, mix):
    settings = TrainSettings(encoder=tiny_encoder, mix=mix, steps=3, batch_size=4, precision="fp32")
    plain = train(human_rows(), settings=settings)
    again = train(human_rows(), settings=settings, gradient_checkpointing=True)
    assert again.fingerprint == plain.fingerprint


def test_mixing_takes_low_rank_updates_too(tiny_encoder):
    settings = TrainSettings(encoder=tiny_encoder, mix="tmix", lora={"rank": 2}, steps=3, batch_size=4)
    assert len(train(human_rows(), settings=settings).history) == 3
