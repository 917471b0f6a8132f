from __future__ import annotations

import numpy as np
import pytest
import torch

from augtune.model.batching import Encoded
from augtune.model.classifier import Classifier
from augtune.model.precision import EXACT
from augtune.model.prefix import frozen_layers, prefix_cache
from layouts import LAYOUTS


def encoded(rows: int, vocabulary: int = 40) -> Encoded:
    chance = np.random.default_rng(0)
    lengths = chance.integers(3, 15, rows)
    return Encoded(
        tokens=chance.integers(2, vocabulary, lengths.sum()).astype(np.int32),
        types=None,
        starts=np.concatenate([[0], np.cumsum(lengths)]),
        truncated=np.zeros(rows, dtype=bool),
        pad_id=1,
        max_length=16,
    )


@pytest.fixture(params=LAYOUTS)
def classifier(request, tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LAYOUTS[request.param]().save_pretrained(tmp_path)
        return Classifier.new(str(tmp_path), ["a", "b", "c"], head="mean", dropout=0.0)


def gradients(classifier: Classifier) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in classifier.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("trainable", [1, 2, "head"])
def test_cached_prefix_gives_the_scores_and_gradients_of_the_whole_encoder_in_every_layout(classifier, trainable):
    rows = encoded(24)
    classifier.train_only(trainable)
    cache = prefix_cache(classifier, rows, np.arange(24), uses=48, precision=EXACT)
    assert cache is not None
    batch = rows.batch(np.array([3, 17, 5, 0]))
    whole = classifier(batch.inputs)
    whole.square().sum().backward()
    expected = gradients(classifier)
    classifier.zero_grad()
    with cache.serving(batch):
        cached = classifier(batch.inputs)
    cached.square().sum().backward()
    torch.testing.assert_close(cached, whole, rtol=1e-4, atol=1e-5)
    found = gradients(classifier)
    assert found.keys() == expected.keys()
    for name in found:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-5)


def test_frozen_layers_are_counted_up_to_the_lowest_trained_one(classifier):
    for trainable, count in (("all", 0), ("head", 3), (0, 3), (1, 2), (3, 0)):
        classifier.train_only(trainable)
        assert frozen_layers(classifier) == count
    classifier.train_only("all", freeze_embeddings=True)
    assert frozen_layers(classifier) == 0


def test_encoder_is_whole_again_after_a_step(classifier):
    classifier.train_only(1)
    rows = encoded(6)
    names = [name for name, _ in classifier.named_parameters()]
    cache = prefix_cache(classifier, rows, np.arange(6), uses=12, precision=EXACT)
    with cache.serving(rows.batch(np.array([0, 1]))):
        pass
    assert [name for name, _ in classifier.named_parameters()] == names


@pytest.mark.parametrize(("trainable", "uses"), [("all", 100), (1, 6), (3, 100)])
def test_nothing_is_kept_where_it_would_not_pay(classifier, trainable, uses):
    classifier.train_only(trainable)
    assert prefix_cache(classifier, encoded(6), np.arange(6), uses=uses, precision=EXACT) is None


def test_lower_layers_run_once_per_row_however_many_epochs(classifier):
    from augtune.model.encoder import layers_of

    classifier.train_only(1)
    rows, seen = encoded(8), []
    layers_of(classifier.encoder)[0].register_forward_hook(lambda _m, _i, out: seen.append(1))
    cache = prefix_cache(classifier, rows, np.arange(8), uses=80, precision=EXACT)
    for _ in range(10):
        batch = rows.batch(np.arange(8))
        with cache.serving(batch):
            classifier(batch.inputs)
    assert len(seen) == 1
