from __future__ import annotations

import pytest
import torch

from augtune.model.batching import encode
from augtune.model.classifier import Classifier
from augtune.model.encoder import load_tokenizer
from augtune.model.vocabulary import small_vocabulary


@pytest.fixture
def classifier(tiny_encoder):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Classifier.new(tiny_encoder, ["a", "b"], head="own")


def _train(classifier, encoded, decayed):
    classifier.eval().requires_grad_(True)
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=1e-2, weight_decay=0.1)
    for _ in range(3):
        inputs = encoded.batch(torch.arange(len(encoded)).numpy()).inputs
        torch.nn.functional.cross_entropy(classifier(inputs), torch.tensor([0, 1])).backward()
        optimizer.step()
        optimizer.zero_grad()
        decayed(optimizer.param_groups)


def test_training_on_the_small_vocabulary_gives_the_weights_of_training_on_the_whole(classifier, tiny_encoder):
    other = Classifier.new(tiny_encoder, ["a", "b"], head="own")
    other.load_state_dict(classifier.state_dict())
    encoded = encode(load_tokenizer(tiny_encoder), ["good film", "bad plot today"], max_length=64)
    _train(other, encoded, lambda groups: None)
    with small_vocabulary(classifier, [encoded]) as vocabulary:
        assert len(vocabulary.table.weight) == 8  # [PAD] as row 0, [CLS], [SEP] and five words
        _train(classifier, vocabulary.renumbered(encoded), vocabulary.decay)
    for (name, found), expected in zip(classifier.state_dict().items(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6, msg=name)


def test_the_whole_table_comes_back_after_an_error(classifier, tiny_encoder):
    table = classifier.encoder.get_input_embeddings()
    whole, before = table.weight, table.weight.detach().clone()
    encoded = encode(load_tokenizer(tiny_encoder), ["good film"], max_length=64)
    with pytest.raises(RuntimeError), small_vocabulary(classifier, [encoded]):
        raise RuntimeError
    assert table.weight is whole
    assert torch.equal(whole, before)


def test_a_table_whose_padding_token_comes_late_stays_whole(classifier, tiny_encoder):
    tokenizer = load_tokenizer(tiny_encoder)
    encoded = encode(tokenizer, ["good film"], max_length=64)
    object.__setattr__(encoded, "pad_id", 5000)
    before = classifier.encoder.get_input_embeddings().weight
    with small_vocabulary(classifier, [encoded]) as vocabulary:
        assert vocabulary.renumbered(encoded) is encoded
        assert classifier.encoder.get_input_embeddings().weight is before
