from __future__ import annotations

import pytest
import torch

from augtune.core.errors import InputError
from augtune.model.batching import encode
from augtune.model.classifier import Classifier
from augtune.model.encoder import load_tokenizer
from augtune.model.precision import Precision, choose

TEXTS = ["good film", "a very " + "very " * 15 + "bad plot", "fun"]


@pytest.fixture(params=["own", "mean"])
def classifier(request, tiny_encoder):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Classifier.new(tiny_encoder, ["a", "b", "c"], head=request.param).eval()


@pytest.fixture(scope="module")
def encoded(tiny_encoder):
    return encode(load_tokenizer(tiny_encoder), TEXTS, max_length=64)


def test_train_only_head_freezes_the_encoder_and_its_dropout(classifier):
    classifier.train_only("head")
    assert not any(p.requires_grad for p in classifier.encoder.parameters())
    assert all(p.requires_grad for p in classifier.head_parameters())
    assert not any(m.training for m in classifier.encoder.modules())


def test_train_only_all_can_leave_the_embeddings(classifier):
    classifier.train_only("all", freeze_embeddings=True)
    frozen = {n for n, p in classifier.named_parameters() if not p.requires_grad}
    assert frozen
    assert all("embeddings" in name for name in frozen)
    classifier.train_only("all")
    assert all(p.requires_grad for p in classifier.parameters())


def test_train_only_refuses_more_layers_than_there_are(classifier):
    with pytest.raises(InputError) as caught:
        classifier.train_only(3)
    assert str(caught.value) == "trainable: expected at most 2 top layers, as many as the encoder has; got 3."


def test_digest_changes_with_any_weight(classifier):
    before = classifier.digest()
    assert classifier.digest() == before
    with torch.no_grad():
        next(iter(classifier.head_parameters()))[0] += 1e-6
    assert classifier.digest() != before


def test_precision_is_as_asked_or_says_why():
    cpu = torch.device("cpu")
    assert choose("bf16", cpu) == Precision("bf16", "as asked")
    assert choose("auto", cpu) in {
        Precision("bf16", "the processor has amx_bf16"),
        Precision("bf16", "the processor has avx512_bf16"),
        Precision("fp32", "the processor does not compute in bf16"),
    }
    assert repr(choose("fp32", cpu)) == "fp32 (as asked)"
