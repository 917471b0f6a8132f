from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from augtune.core.dataset import Dataset
from augtune.core.errors import DataError, SettingsError
from augtune.training.meta.bilevel import Bilevel, outer_loss
from augtune.training.meta.sungen import Lstm
from augtune.training.meta.virtual import Moments, adam_step, moments_of
from augtune.training.recipes.sungen import SunGen
from augtune.training.settings import TrainSettings
from augtune.training.train import train
from training_rows import BAD, GOOD, human_rows, synthetic_rows


def test_outer_loss_is_reverse_cross_entropy_against_a_sharpened_label():
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).double()
    targets = torch.eye(3).double()[[0, 1, 2, 0, 1]]
    p, t = logits.softmax(dim=1).numpy(), (10 * targets).softmax(dim=1).numpy()
    assert t[0, 0] == pytest.approx(math.exp(10) / (math.exp(10) + 2))
    np.testing.assert_allclose(outer_loss(logits, targets).numpy(), -(p * np.log(t)).sum(axis=1), rtol=1e-12)
    # The paper's code writes it as a divergence minus an entropy.
    divergence = (p * (np.log(p) - np.log(t))).sum(axis=1)
    entropy = (p * np.log(p)).sum(axis=1)
    np.testing.assert_allclose(outer_loss(logits, targets).numpy(), divergence - entropy, rtol=1e-9)


def test_outer_loss_is_at_most_ten_however_wrong_the_label():
    sure = torch.tensor([[200.0, 0.0], [-200.0, 0.0]])
    losses = outer_loss(sure, torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    assert losses.tolist() == pytest.approx([4.54e-5, 10.0], rel=1e-3)


@pytest.mark.parametrize("steps", [0, 3])
def test_virtual_step_is_the_step_torchs_adam_takes(steps):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parameter = nn.Parameter(torch.randn(4, 3))
        optimizer = torch.optim.Adam([parameter], lr=0.01)
        for _ in range(steps):
            parameter.grad = torch.randn(4, 3)
            optimizer.step()
        gradient = torch.randn(4, 3)
    before = parameter.detach().clone()
    (moments,) = moments_of(optimizer, [parameter])
    found = adam_step(gradient, moments, lr=0.01)
    parameter.grad = gradient
    optimizer.step()
    torch.testing.assert_close(parameter.detach(), before + found, atol=1e-7, rtol=1e-5)


def test_virtual_steps_of_several_gradients_are_those_of_each_alone():
    moments = Moments(torch.full((2, 2), 0.1), torch.full((2, 2), 0.04), 5)
    gradients = torch.randn(3, 2, 2, generator=torch.Generator().manual_seed(0))
    together = adam_step(gradients, moments, lr=0.1)
    for one, step in zip(gradients, together, strict=True):
        torch.testing.assert_close(step, adam_step(one, moments, lr=0.1))


def make_task(make=lambda: nn.Linear(4, 3)) -> tuple[Bilevel, torch.Tensor, torch.Generator]:
    chance = torch.Generator().manual_seed(0)
    inputs = torch.randn(9, 4, generator=chance, dtype=torch.float64)
    targets = torch.eye(3, dtype=torch.float64)[torch.randint(3, (9,), generator=chance)]
    outer = torch.randn(6, 4, generator=chance, dtype=torch.float64)
    task = Bilevel(lambda: make().double(), inputs, targets, outer, targets[:6], lr=0.05, epochs=2, batch_size=4)
    return task, torch.rand(9, generator=chance, dtype=torch.float64) + 0.2, chance


@pytest.mark.parametrize(
    "make", [lambda: nn.Linear(4, 3), lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))]
)
def test_outer_gradient_equals_finite_differences_through_torchs_adam(make):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        task, weights, chance = make_task(make)
        model, moments = task.trained(weights, chance)
    rows, outer = torch.arange(9), torch.arange(6)
    found = task.gradient(weights, model, moments, rows, outer)

    def loss_after_one_step(values: torch.Tensor) -> float:
        """The same step by torch's own Adam, from the same point and memory."""
        with torch.random.fork_rng():
            torch.manual_seed(1)
            copy = make().double()
        copy.load_state_dict(model.state_dict())
        optimizer = torch.optim.Adam(copy.parameters(), lr=task.lr)
        for parameter, memory in zip(copy.parameters(), moments, strict=True):
            optimizer.state[parameter] = {
                "step": torch.tensor(float(memory.steps)),
                "exp_avg": memory.mean.clone(),
                "exp_avg_sq": memory.square.clone(),
            }
        logs = copy(task.inputs).log_softmax(dim=1)
        (values * -(task.targets * logs).sum(dim=1)).mean().backward()
        optimizer.step()
        return outer_loss(copy(task.outer_inputs), task.outer_targets).mean().item()

    step = 1e-5
    for i in range(9):
        nudge = torch.zeros(9, dtype=torch.float64)
        nudge[i] = step
        slope = (loss_after_one_step(weights + nudge) - loss_after_one_step(weights - nudge)) / (2 * step)
        assert found[i].item() == pytest.approx(slope, rel=1e-4, abs=1e-9)
    assert found.abs().max() > 1e-5


def test_bi_lstm_is_blind_to_padding_and_has_second_derivatives():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Lstm(20, 2, padding=0)
    short, long = torch.tensor([[5, 6, 7]]), torch.tensor([[5, 6, 7, 0, 0]])
    torch.testing.assert_close(model(torch.cat([long, long + (long > 0)]))[:1], model(short))
    loss = model(short).square().sum()
    first = torch.autograd.grad(loss, list(model.parameters()), create_graph=True)
    second = torch.autograd.grad(sum(g.square().sum() for g in first), list(model.parameters()))
    assert all(torch.isfinite(g).all() for g in second)


def flipped(rows: Dataset, which: set[int]) -> Dataset:
    from dataclasses import replace

    other = {"negative": "positive", "positive": "negative"}
    return Dataset.from_examples(
        [replace(row, label=other[row.label]) if i in which else row for i, row in enumerate(rows)],
        rows.labels,
        name="m",
    )


def moods(rows: Dataset, encoder: str) -> np.ndarray:
    """Stands in for an encoder's vectors: one unit for each word of mood."""
    return np.array([[float(word in text.split()) for word in (*GOOD, *BAD)] for text in rows.texts])


WRONG = {1, 4, 8, 13, 17, 22, 26, 31, 35, 38}


@pytest.mark.parametrize("changes", [{}, {"outer_on": "human"}, {"inner": "mlp"}, {"sigmoid": False}], ids=str)
def test_rows_labelled_wrong_weigh_less(monkeypatch, changes):
    monkeypatch.setattr("augtune.training.meta.sungen.features", moods)
    rows = human_rows() + flipped(synthetic_rows(), WRONG)
    recipe = SunGen(**{"iterations": 20, "inner_lr": 1e-2, **changes})
    weights = recipe.learned(rows, TrainSettings(), 0).values
    assert weights[:24].tolist() == [1.0] * 24
    made = weights[24:]
    wrong = np.array([i in WRONG for i in range(40)])
    ranks = made.argsort().argsort()
    area = (ranks[~wrong].sum() - 30 * 29 / 2) / (30 * 10)
    assert area > 0.95


def test_weights_average_one_or_are_a_filter(tiny_encoder):
    settings = TrainSettings(encoder=tiny_encoder)
    rows = synthetic_rows()
    assert SunGen(iterations=2).learned(rows, settings, 0).values.mean() == pytest.approx(1)
    kept = SunGen(iterations=2, use="filter", keep=0.25).learned(rows, settings, 0).values
    assert sorted(kept.tolist()) == [0.0] * 30 + [1.0] * 10


def test_the_same_seed_learns_the_same_and_torchs_chance_is_left_alone(tiny_encoder):
    before = torch.get_rng_state()
    settings = TrainSettings(encoder=tiny_encoder)
    first, again = (SunGen(iterations=3).learned(synthetic_rows(), settings, 5).values for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, SunGen(iterations=3).learned(synthetic_rows(), settings, 6).values)
    assert torch.equal(torch.get_rng_state(), before)


def test_bi_lstm_learns_weights_too(tiny_encoder):
    recipe = SunGen(iterations=1, inner="lstm", outer_rows=8)
    values = recipe.learned(synthetic_rows(16), TrainSettings(encoder=tiny_encoder), 0).values
    assert np.isclose(values, np.median(values)).sum() == 8  # eight drawn rows moved, the others are still alike


def test_fitted_tells_the_weights_of_synthetic_rows(tiny_encoder):
    rows = human_rows(8) + synthetic_rows(12)
    settings = TrainSettings(encoder=tiny_encoder, recipe={"kind": "sungen", "iterations": 2}, steps=12, batch_size=8)
    fitted = train(rows, settings=settings)
    assert set(fitted.weights.ids) == {name for name in rows.ids if name.startswith("made")}
    assert 0 < fitted.weights.effective_share <= 1
    learned = settings.recipe.learned(rows, settings, 0)
    by_id = dict(zip(learned.ids, learned.values, strict=True))
    for name, value in zip(fitted.weights.ids, fitted.weights.values, strict=True):
        assert value == pytest.approx(by_id[name], rel=1e-6)


def test_rows_it_cannot_do_without_are_asked_for():
    with pytest.raises(DataError) as caught:
        SunGen().require(human_rows())
    assert str(caught.value) == (
        "human: recipe sungen weighs synthetic rows, and there are none.\n  Generate some, or use recipe: vanilla."
    )
    with pytest.raises(DataError) as caught:
        SunGen(outer_on="human").require(synthetic_rows())
    assert str(caught.value) == "made: recipe sungen with outer_on: human needs human rows; there are none."


def test_a_share_to_keep_without_a_filter_is_refused():
    with pytest.raises(SettingsError) as caught:
        TrainSettings.parse({"recipe": {"kind": "sungen", "keep": 0.5}}, where="train")
    assert str(caught.value) == "train.recipe.keep: the share that use: filter keeps; with use: weigh leave it out"
