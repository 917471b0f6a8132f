"""What every row of the optimizer catalog has to hold."""

from __future__ import annotations

import copy
import json
import subprocess
import sys

import pytest
import torch

from augtune.core.errors import SettingsError
from augtune.model.batching import encode
from augtune.model.classifier import Classifier
from augtune.model.encoder import load_tokenizer
from augtune.model.vocabulary import small_vocabulary
from augtune.training import OPTIMIZERS
from augtune.training.optimizing import parameter_groups
from augtune.training.settings import TrainSettings
from augtune.training.train import train
from training_rows import human_rows

CPU = torch.device("cpu")
VARIANTS = [
    {"kind": "sgd", "momentum": 0.9, "nesterov": True},
    {"kind": "sgd", "momentum": 0.0},
    {"kind": "rmsprop", "momentum": 0.5, "centered": True},
    {"kind": "adamw", "betas": [0.8, 0.95], "eps": 1e-6},
]
OPTIMIZERS_TO_TEST = [{"kind": kind} for kind in OPTIMIZERS] + VARIANTS


@pytest.fixture(params=OPTIMIZERS_TO_TEST, ids=str)
def optimizer(request):
    return OPTIMIZERS.parse(request.param, where="optimizer")


def test_optimizer_is_called_in_the_catalog_what_it_calls_itself(optimizer):
    plain = json.loads(json.dumps(optimizer.to_json()))
    assert OPTIMIZERS.parse(plain, where="optimizer") == optimizer
    assert OPTIMIZERS.load(optimizer.kind) is type(optimizer)
    assert type(optimizer).__doc__


def test_optimizer_lowers_a_loss_and_each_group_keeps_its_own_rate_and_decay(optimizer):
    torch.manual_seed(0)
    moved, still = torch.nn.Parameter(torch.randn(4, 3)), torch.nn.Parameter(torch.randn(4, 3))
    before = still.detach().clone()
    groups = [
        {"params": [moved], "lr": 1e-2, "weight_decay": 0.0},
        {"params": [still], "lr": 0.0, "weight_decay": 0.1},
    ]
    made = optimizer.make(groups, CPU)
    assert [(group["lr"], group["weight_decay"]) for group in made.param_groups] == [(1e-2, 0.0), (0.0, 0.1)]
    losses = []
    for _ in range(40):
        loss = (moved**2).sum() + (still**2).sum()
        loss.backward()
        made.step()
        made.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert torch.equal(still.detach(), before)


def test_optimizer_carries_on_from_its_saved_state_bit_for_bit(optimizer):
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(5, 2))

    def run(parameter, made, steps):
        for _ in range(steps):
            (parameter**2).sum().backward()
            made.step()
            made.zero_grad()

    made = optimizer.make([{"params": [weight], "lr": 1e-2, "weight_decay": 0.1}], CPU)
    run(weight, made, 3)
    twin, state = torch.nn.Parameter(weight.detach().clone()), copy.deepcopy(made.state_dict())
    run(weight, made, 3)
    again = optimizer.make([{"params": [twin], "lr": 1e-2, "weight_decay": 0.1}], CPU)
    again.load_state_dict(state)
    run(twin, again, 3)
    assert torch.equal(weight, twin)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_word_table_is_cut_only_where_the_optimizer_gives_the_same_weights(optimizer, tiny_encoder, weight_decay):
    encoded = encode(load_tokenizer(tiny_encoder), ["good film", "bad plot today"], max_length=64)
    torch.manual_seed(0)
    first = Classifier.new(tiny_encoder, ["a", "b"], head="mean", dropout=0.0)
    second = copy.deepcopy(first)

    def run(classifier, rows, vocabulary):
        classifier.train_only("all")
        groups = parameter_groups(classifier, lr=1e-3, head_lr=1e-2, weight_decay=weight_decay, layer_decay=0.5)
        made = optimizer.make(groups, CPU)
        for step in range(3):
            for group in made.param_groups:
                group["lr"] *= 0.9**step
            scores = classifier(rows.batch(torch.arange(len(rows)).numpy()).inputs)
            torch.nn.functional.cross_entropy(scores, torch.tensor([0, 1])).backward()
            made.step()
            made.zero_grad()
            vocabulary.decay(made.param_groups)

    cut = optimizer.leaves_unused_rows(weight_decay)
    with small_vocabulary(first, [encoded], cut=cut) as vocabulary:
        assert (vocabulary.used is not None) == cut
        run(first, vocabulary.renumbered(encoded), vocabulary)
    with small_vocabulary(second, [encoded], cut=False) as vocabulary:
        assert vocabulary.used is None
        run(second, encoded, vocabulary)
    for (name, found), expected in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6, msg=name)


def test_optimizer_trains_a_classifier_alike_twice(optimizer, tiny_encoder):
    settings = TrainSettings(encoder=tiny_encoder, optimizer=optimizer, steps=3, batch_size=4, precision="fp32")
    first, again = train(human_rows(8), settings=settings), train(human_rows(8), settings=settings)
    assert first.fingerprint == again.fingerprint
    assert TrainSettings.parse(first.settings, where="train").optimizer == optimizer


def test_lion_is_the_formula_of_its_paper():
    gradients = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).double()
    weight = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
    expected, mean = torch.ones(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    made = OPTIMIZERS.parse("lion", where="optimizer").make(
        [{"params": [weight], "lr": 0.01, "weight_decay": 0.5}], CPU
    )
    for gradient in gradients:
        weight.grad = gradient.clone()
        made.step()
        expected = expected - 0.01 * (torch.sign(0.9 * mean + 0.1 * gradient) + 0.5 * expected)
        mean = 0.99 * mean + 0.01 * gradient
    torch.testing.assert_close(weight.detach(), expected)


def test_adamw_is_fused_on_a_processor():
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 1.0, "weight_decay": 0.0}]
    assert OPTIMIZERS.parse("adamw", where="optimizer").make(groups, CPU).defaults["fused"]


def test_nesterov_without_momentum_is_refused():
    with pytest.raises(SettingsError) as caught:
        OPTIMIZERS.parse({"kind": "sgd", "momentum": 0, "nesterov": True}, where="train.optimizer")
    assert caught.value.problems == ("train.optimizer.nesterov: needs a momentum above 0, got 0",)


def test_optimizers_load_without_torch():
    code = (
        "import sys; from augtune.training import OPTIMIZERS; [OPTIMIZERS.parse(k, where='x') for k in OPTIMIZERS]; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
