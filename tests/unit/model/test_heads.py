from __future__ import annotations

import json
from types import SimpleNamespace
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from augtune.core.errors import SettingsError
from augtune.model import HEADS
from augtune.model.classifier import Classifier
from augtune.model.encoder import load_tokenizer
from augtune.model.fitted import Fitted
from augtune.model.heads import Activation, Mean
from augtune.model.pooled import AttentionPool, Hidden, Pooled, SwiGlu, cls_pool, max_pool, mean_pool
from training_rows import LABELS, human_rows

PUBLISHED = {"layers": 2, "width": 1024, "activation": "swiglu", "shared": True, "dropout": 0.3}
HIDDEN = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0))
MASK = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])


def bare(units):
    """What stands for an encoder where only its size matters."""
    body = nn.Module()
    body.config = SimpleNamespace(hidden_size=units)
    return body


def attention():
    found = AttentionPool(4)
    with torch.no_grad():
        found.query.copy_(torch.tensor([1.0, -2.0, 0.5, 3.0]))
    return found


@pytest.mark.parametrize("pool", [mean_pool, cls_pool, max_pool, attention()])
def test_pooled_vector_does_not_change_with_what_lies_in_the_padding(pool):
    spoilt = HIDDEN.clone()
    spoilt[0, 3:] = 1e6
    assert torch.equal(pool(HIDDEN, MASK), pool(spoilt, MASK))


def test_each_pooling_is_its_formula():
    row = HIDDEN[0, :3]
    torch.testing.assert_close(mean_pool(HIDDEN, MASK)[0], row.mean(dim=0))
    torch.testing.assert_close(cls_pool(HIDDEN, MASK)[0], row[0])
    torch.testing.assert_close(max_pool(HIDDEN, MASK)[0], row.max(dim=0).values)
    made = attention()
    shares = (row @ made.query / 2).exp()
    torch.testing.assert_close(made(HIDDEN, MASK)[0], (shares[:, None] * row).sum(dim=0) / shares.sum())


def test_max_of_a_unit_that_is_negative_everywhere_is_negative():
    hidden = -HIDDEN.abs() - 1
    assert torch.equal(max_pool(hidden, MASK)[0], hidden[0, :3].amax(dim=0))
    assert (max_pool(hidden.bfloat16(), MASK) < 0).all()


def test_fresh_attention_is_the_mean():
    torch.testing.assert_close(AttentionPool(4)(HIDDEN, MASK), mean_pool(HIDDEN, MASK))


def test_swiglu_is_a_times_silu_of_g():
    layer = SwiGlu(3)
    x = torch.randn(2, 3)
    both = x @ layer.projection.weight.T + layer.projection.bias
    value, gate = both[:, :3], both[:, 3:]
    torch.testing.assert_close(layer(x), value * gate * torch.sigmoid(gate))


@pytest.mark.parametrize(("units", "weights"), [(768, 3_939_331), (1024, 4_201_475)], ids=["base", "large"])
def test_published_electra_heads_have_as_many_weights_as_theirs(units, weights):
    head = Pooled(bare(units), 3, Mean(**PUBLISHED))
    assert sum(tensor.numel() for tensor in head.parameters()) == weights
    assert head.dropout.p == 0
    assert head.hidden.dropout.p == 0.3


def test_shared_swiglu_is_one_layer_used_by_all_and_otherwise_each_has_its_own():
    x = torch.randn(2, 4)
    shared = Hidden(4, 6, Mean(layers=3, activation="swiglu", shared=True), 0.0)
    assert len(shared.glus) == 1
    expected = x
    for linear in shared.linears:
        expected = shared.glus[0](linear(expected))
    assert torch.equal(shared(x), expected)
    own = Hidden(4, 6, Mean(layers=3, activation="swiglu"), 0.0)
    assert len(own.glus) == 3
    expected = x
    for linear, glu in zip(own.linears, own.glus, strict=True):
        expected = glu(linear(expected))
    assert torch.equal(own(x), expected)


ORACLES = {
    "tanh": torch.tanh,
    "relu": lambda x: x.clamp(min=0),
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "identity": lambda x: x,
    "leaky_relu": lambda x: torch.where(x > 0, x, 0.01 * x),
    "gelu": lambda x: x * torch.special.ndtr(x),
    "silu": lambda x: x * torch.sigmoid(x),
    "swish": lambda x: x * torch.sigmoid(x),
}


@pytest.mark.parametrize("activation", [name for name in get_args(Activation) if name != "swiglu"])
def test_each_activation_is_its_formula(activation):
    hidden = Hidden(4, 4, Mean(layers=1, activation=activation), 0.0)
    x = torch.randn(3, 4)
    torch.testing.assert_close(hidden(x), ORACLES[activation](hidden.linears[0](x)))


@pytest.mark.parametrize("activation", get_args(Activation))
def test_a_head_of_each_activation_trains_and_reloads(activation, tiny_encoder, tmp_path):
    made = Classifier.new(tiny_encoder, LABELS.names, head=Mean(layers=2, activation=activation)).eval()
    fitted = Fitted(made, load_tokenizer(tiny_encoder), LABELS, tiny_encoder, "vanilla", 1, 20)
    assert Fitted.load(fitted.save(tmp_path / "model")).fingerprint == fitted.fingerprint


def test_folder_written_before_heads_had_settings_still_loads(tiny_encoder, tmp_path):
    made = Classifier.new(tiny_encoder, LABELS.names, head="cls").eval()
    fitted = Fitted(made, load_tokenizer(tiny_encoder), LABELS, tiny_encoder, "vanilla", 1, 20)
    folder = fitted.save(tmp_path / "model")
    tensors = load_file(folder / "head.safetensors")
    save_file({name.removeprefix("out."): tensor for name, tensor in tensors.items()}, folder / "head.safetensors")
    about = json.loads((folder / "augtune.json").read_text())
    assert about["head"]["kind"] == "cls"
    (folder / "augtune.json").write_text(json.dumps({**about, "head": "cls"}))
    loaded = Fitted.load(folder)
    assert loaded.head == "cls"
    rows = human_rows(4)
    assert (loaded.predict(rows).probabilities == fitted.predict(rows).probabilities).all()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("meen", "head.kind: no head is called 'meen'; did you mean 'mean'?"),
        ({"kind": "max", "layer": 2}, "head.layer: unknown key; did you mean 'layers'?"),
        ({"kind": "mean", "width": 8}, "head.layers: width, activation and shared need at least 1 hidden layer, got 0"),
        (
            {"kind": "mean", "layers": 1, "shared": True},
            "head.shared: only swiglu has weights that layers can share, not gelu",
        ),
    ],
)
def test_wrong_head_gets_one_clear_message(value, problem):
    with pytest.raises(SettingsError) as caught:
        HEADS.parse(value, where="head")
    assert caught.value.problems == (problem,)
