from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from augtune.model.classifier import Classifier
from augtune.training.optimizing import lr_factor, make_optimizer, parameter_groups


@given(st.integers(1, 500), st.floats(0, 0.99), st.sampled_from(["linear", "cosine"]))
def test_schedule_ends_at_exactly_zero_and_never_before(steps, warmup_share, schedule):
    factors = [lr_factor(step, steps, warmup_share, schedule) for step in range(steps + 1)]
    assert factors[-1] == 0.0
    assert min(factors[:-1]) > 0
    assert max(factors) <= 1.0


def test_schedule_rises_over_the_warm_up_and_falls_in_equal_steps():
    assert [lr_factor(step, 10, 0.2, "linear") for step in range(11)] == pytest.approx(
        [1 / 3, 2 / 3, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0]
    )


def test_constant_schedule_stays():
    assert [lr_factor(step, 4, 0, "constant") for step in range(5)] == [1.0] * 5


@pytest.fixture
def classifier(tiny_encoder):
    return Classifier.new(tiny_encoder, ["a", "b"], head="own")


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


def test_optimizer_is_fused_where_there_is_a_kernel(classifier):
    groups = parameter_groups(classifier, lr=1e-4, head_lr=None, weight_decay=0)
    assert make_optimizer(groups, torch.device("cpu")).defaults["fused"]
