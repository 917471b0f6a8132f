"""What every row of the head catalog has to hold."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from augtune.model import HEADS
from augtune.model.batching import encode
from augtune.model.classifier import Classifier
from augtune.model.encoder import load_tokenizer
from augtune.model.fitted import Fitted
from augtune.training.settings import TrainSettings
from augtune.training.train import train
from training_rows import LABELS, human_rows, pair_rows

DEEP = {"layers": 2, "width": 24, "activation": "swiglu", "shared": True, "dropout": 0.3}
HEADS_TO_TEST = [(kind, {}) for kind in HEADS] + [(kind, DEEP) for kind in HEADS if kind != "own"]
TEXTS = ["good film", "a very " + "very " * 15 + "bad plot", "fun"]
PAIRS = ["bad", "good movie today", "one"]


@pytest.fixture(params=HEADS_TO_TEST, ids=lambda row: f"{row[0]}-{len(row[1])}")
def head(request):
    return HEADS.parse({"kind": request.param[0], **request.param[1]}, where="head")


@pytest.fixture
def classifier(head, tiny_encoder):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Classifier.new(tiny_encoder, LABELS.names, head=head).eval()
        # A fresh attention is the mean; a trained one is not.
        for parameter in made.head_parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    return made


def test_head_is_called_in_the_catalog_what_it_calls_itself(head):
    plain = json.loads(json.dumps(head.to_json()))
    assert plain["kind"] in HEADS
    assert HEADS.parse(plain, where="head") == head
    assert type(head).__doc__


@pytest.mark.parametrize("pairs", [None, PAIRS], ids=["single", "pairs"])
def test_scores_are_blind_to_padding_batch_mates_and_batch_size(classifier, tiny_encoder, pairs):
    encoded = encode(load_tokenizer(tiny_encoder), TEXTS, pairs, max_length=64)
    together = classifier.scores(encoded, batch_size=3)
    assert together.shape == (3, 2)
    for batch_size in (1, 2):
        np.testing.assert_allclose(classifier.scores(encoded, batch_size=batch_size), together, rtol=1e-5, atol=5e-6)
    for row in range(3):
        inputs = encoded.batch(np.array([row]), multiple=64).inputs
        assert inputs["input_ids"].shape[1] == 64
        inputs["input_ids"][inputs["attention_mask"] == 0] = 7  # any word: what lies in the padding is not read
        np.testing.assert_allclose(classifier(inputs).detach().numpy()[0], together[row], rtol=1e-5, atol=5e-6)


def test_every_weight_of_the_head_gets_a_gradient(classifier, tiny_encoder):
    classifier.train_only("head")
    encoded = encode(load_tokenizer(tiny_encoder), TEXTS, max_length=64)
    scores = classifier(encoded.batch(np.arange(3)).inputs)
    torch.nn.functional.cross_entropy(scores, torch.tensor([0, 1, 0])).backward()
    for parameter in classifier.head_parameters():
        assert torch.isfinite(parameter.grad).all()
        assert parameter.grad.abs().sum() > 0


def test_saved_and_loaded_it_predicts_the_same_to_the_last_bit(classifier, tiny_encoder, tmp_path):
    made = Fitted(classifier, load_tokenizer(tiny_encoder), LABELS, tiny_encoder, "vanilla", 1, 20)
    loaded = Fitted.load(made.save(tmp_path / "model"))
    assert loaded.classifier.head_settings == classifier.head_settings
    assert loaded.fingerprint == made.fingerprint
    rows = human_rows(6)
    assert np.array_equal(loaded.predict(rows).probabilities, made.predict(rows).probabilities)


@pytest.mark.parametrize("rows", [human_rows(8), pair_rows(8)], ids=["single", "pairs"])
def test_head_trains_alike_twice(head, tiny_encoder, rows):
    settings = TrainSettings(encoder=tiny_encoder, head=head, steps=2, batch_size=4, precision="fp32")
    first, again = train(rows, settings=settings), train(rows, settings=settings)
    assert first.fingerprint == again.fingerprint
    assert TrainSettings.parse(first.settings, where="train").head == head


def test_heads_load_without_torch():
    code = (
        "import sys; from augtune.model import HEADS; [HEADS.parse(k, where='head') for k in HEADS]; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
