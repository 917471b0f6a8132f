"""What ``accelerate config`` and ``accelerate launch`` put into the environment: nothing of it changes a training."""

from __future__ import annotations

import os

import pytest
from accelerate.state import AcceleratorState, GradientState
from accelerate.utils import DynamoBackend

from augtune.core.errors import SettingsError
from augtune.training.settings import TrainSettings
from augtune.training.team import make_accelerator
from augtune.training.train import train
from training_rows import human_rows


@pytest.fixture
def launched(monkeypatch):
    """Set accelerate's variables as if it had just been started with them; it remembers the first it saw."""

    def reset():
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()

    def start(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(f"ACCELERATE_{name}", value)
        reset()

    yield start
    reset()


@pytest.mark.parametrize(
    "variables",
    [{"MIXED_PRECISION": "bf16"}, {"GRADIENT_ACCUMULATION_STEPS": "4"}],
    ids=lambda variables: next(iter(variables)),
)
def test_what_accelerate_was_configured_for_changes_no_bit(variables, launched, tiny_encoder):
    settings = TrainSettings(encoder=tiny_encoder, steps=3, batch_size=8, lr=1e-3, precision="fp32", dropout=0)
    expected = train(human_rows(), settings=settings)
    launched(**variables)
    found = train(human_rows(), settings=settings)
    assert found.fingerprint == expected.fingerprint


def test_layers_are_compiled_where_the_training_says_so_and_not_where_accelerate_does(launched):
    launched(DYNAMO_BACKEND="INDUCTOR")
    assert make_accelerator().state.dynamo_plugin.backend == DynamoBackend.NO


def test_a_clusters_own_variables_without_a_launcher_train_alone_and_stay(launched, monkeypatch, tiny_encoder):
    own = {"WORLD_SIZE": "8", "RANK": "3", "LOCAL_RANK": "1"}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    launched()
    assert train(human_rows(), encoder=tiny_encoder, steps=1).steps == 1
    assert make_accelerator().num_processes == 1
    assert {name: os.environ[name] for name in own} == own


@pytest.mark.parametrize("engine", ["FSDP", "DEEPSPEED", "MEGATRON_LM", "PARALLELISM_CONFIG"])
def test_an_engine_of_accelerate_that_would_take_the_model_apart_is_refused(engine, launched, tiny_encoder):
    launched(**{f"USE_{engine}": "true"})
    with pytest.raises(SettingsError) as caught:
        train(human_rows(), encoder=tiny_encoder, steps=1)
    assert str(caught.value) == (
        f"accelerate was told to use {engine} (ACCELERATE_USE_{engine}); augtune shares out a model by itself\n"
        "  Start without it (accelerate config, accelerate launch), and set train.sharding: parameters."
    )
