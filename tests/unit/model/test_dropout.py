from __future__ import annotations

import pytest
import torch

from augtune.model.classifier import Classifier
from augtune.model.dropout import MaskSource, StreamDropout, stream_dropout

IDS = {
    "input_ids": torch.tensor([[2, 7, 9, 3, 0], [2, 8, 8, 9, 3]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1, 0], [1] * 5]),
}


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_masks_drop_the_share_asked_for_and_keep_the_mean(p):
    mask = MaskSource(0).mask(torch.empty(1001, 999), p)
    assert abs(float((mask == 0).float().mean()) - p) < 2e-3
    assert abs(float(mask.mean()) - 1) < 2e-3
    assert mask.unique().numel() == 2


def test_masks_repeat_with_the_seed_and_only_then():
    like = torch.empty(64, dtype=torch.bfloat16)
    source = MaskSource(3)
    first, second = source.mask(like, 0.5), source.mask(like, 0.5)
    source.reseed(3)
    assert first.dtype == torch.bfloat16
    assert torch.equal(source.mask(like, 0.5), first)
    assert not torch.equal(first, second)


def test_stream_dropout_does_nothing_outside_training():
    module, x = StreamDropout(0.5, MaskSource(0)), torch.ones(3)
    assert module.eval()(x) is x
    assert not torch.equal(module.train()(torch.ones(64)), torch.ones(64))


@pytest.fixture
def classifier(tiny_encoder):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Classifier.new(tiny_encoder, ["a", "b"], head="own")


def test_training_forward_uses_the_source_and_no_global_state(classifier):
    classifier.train()
    state = torch.random.get_rng_state()
    with stream_dropout(classifier, classifier.encoder, MaskSource(1)):
        first = classifier(IDS)
    with stream_dropout(classifier, classifier.encoder, MaskSource(1)):
        again = classifier(IDS)
    assert torch.equal(first, again)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not any(isinstance(m, StreamDropout) for m in classifier.modules())
    assert classifier.encoder.config._attn_implementation == "sdpa"


def test_own_attention_agrees_with_the_stock_one_as_dropout_vanishes(classifier):
    classifier.eval()
    stock = classifier(IDS)
    for module in classifier.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 1e-9
    classifier.train()
    with stream_dropout(classifier, classifier.encoder, MaskSource(1)):
        own = classifier(IDS)
    torch.testing.assert_close(own, stock, rtol=1e-5, atol=1e-6)
