from __future__ import annotations

import pytest
import torch

from augtune.core.errors import InputError
from augtune.model import compiling
from augtune.model.classifier import Classifier
from augtune.model.compiling import compiled, wants_compiling
from augtune.model.dropout import MaskSource
from augtune.model.encoder import layers_of
from augtune.model.recompute import recomputing
from augtune.training.settings import TrainSettings
from augtune.training.train import train
from training_rows import human_rows


@pytest.fixture
def settings(tiny_encoder):
    return TrainSettings(encoder=tiny_encoder, steps=4, batch_size=4, lr=3e-3, precision="fp32", dropout=0.2)


@pytest.mark.parametrize("fields", [{}, {"lora": {"dropout": 0.1}}, {"trainable": 1}, {"mix": "tmix"}], ids=str)
def test_gradient_checkpointing_gives_the_same_weights_to_the_last_bit(settings, fields):
    plain = train(human_rows(), settings=settings, **fields)
    saving = train(human_rows(), settings=settings, gradient_checkpointing=True, **fields)
    assert [row["loss"] for row in saving.history] == [row["loss"] for row in plain.history]
    assert saving.classifier.digest() == plain.classifier.digest()


def test_layers_are_computed_twice_while_checkpointing_and_once_after(tiny_encoder):
    encoder = Classifier.new(tiny_encoder, ["a", "b"], head="mean").encoder.train()
    encoder.config.use_cache = True
    calls = []
    layers_of(encoder)[0].attention.register_forward_hook(lambda *rest: calls.append(1))
    inputs = {"input_ids": torch.tensor([[2, 7, 9, 3]]), "attention_mask": torch.ones(1, 4, dtype=torch.long)}
    with recomputing(encoder, MaskSource(0)):
        encoder(**inputs).last_hidden_state.sum().backward()
        assert len(calls) == 2
        assert not encoder.config.use_cache
    encoder(**inputs).last_hidden_state.sum().backward()
    assert len(calls) == 3
    assert encoder.config.use_cache


def test_encoder_that_cannot_checkpoint_is_refused(tiny_encoder):
    encoder = Classifier.new(tiny_encoder, ["a", "b"], head="mean").encoder
    encoder.supports_gradient_checkpointing = False
    with pytest.raises(InputError) as caught, recomputing(encoder, MaskSource(0)):
        pass
    assert str(caught.value) == (
        "encoder of type 'bert': it does not support gradient checkpointing.\n"
        "  Leave train.gradient_checkpointing out; train.micro_batch_size saves memory with any encoder."
    )


@pytest.mark.parametrize(
    ("wanted", "device", "steps", "expected"),
    [
        ("auto", "cpu", 10_000, False),
        ("auto", "cuda", 300, False),
        ("auto", "cuda", 2000, True),
        (True, "cpu", 1, True),
        (False, "cuda", 10_000, False),
    ],
)
def test_compiling_is_done_as_asked_or_where_it_pays(wanted, device, steps, expected):
    assert wants_compiling(wanted, torch.device(device), steps) is expected


def test_training_goes_on_without_compiling_where_that_fails_and_says_so(settings, monkeypatch):
    def broken(self, **options):
        self._compiled_call_impl = lambda *rest, **kwargs: (_ for _ in ()).throw(RuntimeError("no compiler\nat all"))

    monkeypatch.setattr(torch.nn.Module, "compile", broken)
    fitted = train(human_rows(), settings=settings, compile=True)
    assert fitted.notes == (
        "compile: not done, since this machine cannot (RuntimeError: no compiler); training goes on without it.",
    )
    plain = train(human_rows(), settings=settings)
    assert fitted.classifier.digest() == plain.classifier.digest()


def test_a_trial_leaves_no_gradient_and_no_compiled_layer(tiny_encoder, monkeypatch):
    classifier = Classifier.new(tiny_encoder, ["a", "b"], head="mean")
    calls = []

    def stand_in(self, **options):
        calls.append(options)
        self._compiled_call_impl = self._call_impl

    monkeypatch.setattr(torch.nn.Module, "compile", stand_in)
    with compiled(classifier) as why:
        assert why is None
        assert calls == [{"dynamic": True}] * 2
        assert all(layer._compiled_call_impl is not None for layer in layers_of(classifier.encoder))
        assert all(parameter.grad is None for parameter in classifier.parameters())
    assert all(layer._compiled_call_impl is None for layer in layers_of(classifier.encoder))
    assert compiling.STEPS_WORTH_IT == 2000


@pytest.mark.filterwarnings("ignore")
def test_compiled_layers_give_the_same_loss(settings, monkeypatch):
    # Traced as ever, but run without kernels made of it: those take a minute.
    real = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **options: real(self, backend="eager", **options))
    still = settings.changed(dropout=0.0)
    plain = train(human_rows(), settings=still)
    fused = train(human_rows(), settings=still, compile=True)
    assert fused.notes == ()
    assert [row["loss"] for row in fused.history] == pytest.approx([row["loss"] for row in plain.history], rel=1e-5)
