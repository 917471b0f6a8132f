from __future__ import annotations

import pytest
import torch
import transformers as tf

from augtune.core.errors import InputError
from augtune.model.classifier import Classifier
from augtune.model.encoder import depths, layers_of
from augtune.model.heads import Mean
from augtune.model.pooled import Pooled
from augtune.training.optimizing import parameter_groups
from layouts import LAYOUTS, SMALL


@pytest.fixture
def classifier(tiny_encoder):
    return Classifier.new(tiny_encoder, ["a", "b"], head="own")


@pytest.fixture(params=LAYOUTS)
def any_layout(request):
    body = LAYOUTS[request.param]()
    return Classifier(Pooled(body, 2, Mean(layers=1)), "mean"), request.param


@pytest.mark.parametrize("trainable", ["all", "head", 0, 1, 2])
def test_every_trained_parameter_is_in_exactly_one_group(classifier, trainable):
    classifier.train_only(trainable)
    groups = parameter_groups(classifier, lr=1e-4, head_lr=1e-3, weight_decay=0.01)
    found = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(found) == sorted(id(p) for p in classifier.parameters() if p.requires_grad)
    assert len(set(found)) == len(found)


def test_biases_and_normalisation_are_not_decayed_and_the_head_has_its_own_rate(classifier):
    classifier.train_only("all")
    names = {id(parameter): name for name, parameter in classifier.named_parameters()}
    for group in parameter_groups(classifier, lr=1e-4, head_lr=1e-3, weight_decay=0.01):
        for parameter in group["params"]:
            name = names[id(parameter)]
            assert (group["weight_decay"] == 0) == (name.endswith("bias") or "LayerNorm" in name)
            assert group["lr"] == (1e-3 if name.startswith("net.classifier") else 1e-4)


@pytest.mark.parametrize("trainable", ["all", "head", 2])
@pytest.mark.parametrize("freeze_embeddings", [False, True])
def test_layer_decay_leaves_no_trained_parameter_out_in_any_layout(any_layout, trainable, freeze_embeddings):
    classifier, _ = any_layout
    classifier.train_only(trainable, freeze_embeddings=freeze_embeddings)
    groups = parameter_groups(classifier, lr=1.0, head_lr=5.0, weight_decay=0.01, layer_decay=0.5)
    found = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(found) == sorted(id(p) for p in classifier.parameters() if p.requires_grad)
    assert len(set(found)) == len(found)


def test_layer_decay_slows_each_layer_more_than_the_one_above_in_any_layout(any_layout):
    classifier, layout = any_layout
    classifier.train_only("all")
    groups = parameter_groups(classifier, lr=1.0, head_lr=None, weight_decay=0.0, layer_decay=0.5)
    rates = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    encoder = classifier.encoder
    for place, layer in enumerate(reversed(layers_of(encoder))):
        assert {rates[id(p)] for p in layer.parameters()} == {0.5**place}
    assert {rates[id(p)] for p in classifier.head_parameters()} == {1.0}
    layers = {id(p) for p in layers_of(encoder).parameters()}
    beside = {name: rates[id(p)] for name, p in encoder.named_parameters() if id(p) not in layers}
    above = {name for name, rate in beside.items() if rate == 1.0}
    assert above == ({"final_norm.weight"} if layout == "modernbert" else set())
    assert {rate for name, rate in beside.items() if name not in above} == {0.5**3}
    if layout == "electra":
        assert {"embeddings_project.weight", "embeddings_project.bias"} <= set(beside)


def test_convolution_of_deberta_counts_as_its_lowest_layer():
    body = tf.DebertaV2Model(tf.DebertaV2Config(**SMALL, max_position_embeddings=20, conv_kernel_size=3))
    found = depths(body)
    assert {found[id(p)] for p in body.encoder.conv.parameters()} == {2}


def test_own_pooler_counts_as_the_top(classifier):
    found = depths(classifier.encoder)
    assert {found[id(p)] for p in classifier.encoder.pooler.parameters()} == {0}


def test_shared_layers_are_refused_with_one_clear_message():
    body = tf.AlbertModel(tf.AlbertConfig(**SMALL, embedding_size=8, max_position_embeddings=20))
    classifier = Classifier(Pooled(body, 2, Mean()), "mean")
    classifier.train_only("all")
    expected = (
        "encoder of type 'albert': its 3 layers share their weights, so they cannot be told apart.\n"
        "  With train.trainable: all or head and without layer_decay they need not be."
    )
    with pytest.raises(InputError) as caught:
        parameter_groups(classifier, lr=1.0, head_lr=None, weight_decay=0.0, layer_decay=0.5)
    assert str(caught.value) == expected
    with pytest.raises(InputError) as caught:
        classifier.train_only(1)
    assert str(caught.value) == expected
    classifier.train_only("head")
    classifier.train_only("all", freeze_embeddings=True)
    assert len(parameter_groups(classifier, lr=1.0, head_lr=None, weight_decay=0.0)) == 4


def test_one_layer_is_trained_at_its_own_rate(classifier):
    classifier.train_only("all")
    groups = parameter_groups(classifier, lr=1e-4, head_lr=1e-3, weight_decay=0.01, layer_decay=0.9)
    assert sorted({group["lr"] for group in groups}) == pytest.approx([1e-4 * 0.81, 1e-4 * 0.9, 1e-4, 1e-3])
    assert all(torch.is_tensor(parameter) for group in groups for parameter in group["params"])
