from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from augtune.core.errors import DataError, SettingsError
from augtune.model.batching import encode
from augtune.model.classifier import Classifier
from augtune.model.encoder import load_tokenizer
from augtune.model.heads import Attention, Mean, Own
from augtune.model.losses import CrossEntropy, LossBatch
from augtune.training import fitting
from augtune.training.meta.online import OnlineWeights
from augtune.training.meta.passes import KnownRows
from augtune.training.optimizing import parameter_groups
from augtune.training.recipes import Hu2019
from augtune.training.settings import TrainSettings
from augtune.training.train import train
from training_rows import human_rows, synthetic_rows

LR = 1e-2
HEADS = {"mean": Mean(), "own": Own(), "attention, hidden layer": Attention(layers=1, width=8)}


class Setting:
    """A tiny classifier some steps into its training, and rows to weigh and to trust."""

    def __init__(self, encoder: str, head=None, **recipe) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.classifier = Classifier.new(encoder, ["negative", "positive"], head=head or Mean())
        self.rows = human_rows(8) + synthetic_rows(8)
        tokenizer = load_tokenizer(encoder)
        encoded = encode(tokenizer, self.rows.texts, max_length=64)
        self.targets = torch.from_numpy(self.rows.targets()).float()
        self.known = KnownRows(encoded, self.targets, np.arange(8))
        self.classifier.train_only("all")
        groups = parameter_groups(self.classifier, lr=1e-3, head_lr=LR, weight_decay=0.0)
        self.optimizer = torch.optim.AdamW(groups)
        self.weigher = OnlineWeights(
            Hu2019(**recipe), self.classifier, self.known, self.known, weighed=np.arange(16) >= 8, seed=0
        )
        self.classifier.eval()
        for _ in range(2):
            self.losses(np.arange(16)).mean().backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
        self.classifier.train()

    def losses(self, rows: np.ndarray, classifier=None) -> torch.Tensor:
        logits = (classifier or self.classifier)(self.known.encoded.batch(rows).inputs)
        return CrossEntropy().per_row(logits, LossBatch(self.targets[torch.from_numpy(rows)]))

    def weigh(self, rows: np.ndarray) -> np.ndarray:
        return self.weigher.weigh(rows, self.optimizer, CrossEntropy(), step=2)

    def slopes(self, rows: np.ndarray) -> torch.Tensor:
        """What ``weigh`` takes off the weights."""
        before = self.weigher.phi.clone()
        self.weigh(rows)
        at = torch.from_numpy(rows)
        return before[at] / self.weigher.recipe.w_decay - self.weigher.phi[at]

    def moved_by_torch(self, row: int, names: list[str]) -> dict[str, torch.Tensor]:
        """Where torch's own Adam takes each parameter by this row alone, from its present memory."""
        clone = copy.deepcopy(self.classifier).eval()
        mine, its = dict(self.classifier.named_parameters()), dict(clone.named_parameters())
        self.losses(np.array([row]), clone).sum().backward()
        rates = {p: group["lr"] for group in self.optimizer.param_groups for p in group["params"]}
        adam = torch.optim.Adam([{"params": [its[n]], "lr": rates[mine[n]]} for n in names], weight_decay=0.01)
        for name in names:
            adam.state[its[name]] = copy.deepcopy(self.optimizer.state[mine[name]])
        adam.step()
        return {name: (its[name] - mine[name]).detach() for name in names}


def covered_names(setting: Setting, covers) -> list[str]:
    classifier = setting.classifier
    inside = {id(p) for p in classifier.head_parameters()}
    if covers == "all":
        return [n for n, p in classifier.named_parameters() if p in setting.optimizer.state]
    return [n for n, p in classifier.named_parameters() if id(p) in inside or (covers == 1 and "layer.1." in n)]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("covers", ["head", 1, "all"])
def test_slopes_equal_autograd_through_torchs_own_steps(tiny_encoder, head, covers):
    setting = Setting(tiny_encoder, HEADS[head], covers=covers, chunk=4)
    rows, names = np.arange(8, 12), covered_names(setting, covers)
    moves = [setting.moved_by_torch(int(row), names) for row in rows]
    phi = torch.ones(4, requires_grad=True)
    state = {n: p.detach() for n, p in setting.classifier.named_parameters()}
    for name in names:
        state[name] = state[name] + sum(phi[i] * move[name] for i, move in enumerate(moves))
    clone = copy.deepcopy(setting.classifier).eval()
    logits = torch.func.functional_call(clone, state, (setting.known.encoded.batch(np.arange(8)).inputs,))
    loss = CrossEntropy().per_row(logits, LossBatch(setting.targets[:8])).mean()
    (expected,) = torch.autograd.grad(loss, phi)
    torch.testing.assert_close(setting.slopes(rows), expected, rtol=2e-3, atol=2e-7)


def test_slopes_equal_finite_differences_in_the_weights(tiny_encoder):
    setting = Setting(tiny_encoder, chunk=4)
    rows, names = np.arange(8, 12), covered_names(setting, "head")
    moves = [setting.moved_by_torch(int(row), names) for row in rows]

    def loss_at(phi: list[float]) -> float:
        clone = copy.deepcopy(setting.classifier).eval()
        for name, parameter in clone.named_parameters():
            if name in names:
                parameter.data += sum(p * move[name] for p, move in zip(phi, moves, strict=True))
        with torch.no_grad():
            logits = clone.net(setting.known.encoded.batch(np.arange(8)).inputs).double()
        return float(-(setting.targets[:8] * logits.log_softmax(dim=1)).sum(dim=1).mean())

    slopes = setting.slopes(rows)
    for i in range(4):
        up, down = ([1.0 + (j == i) * e for j in range(4)] for e in (0.1, -0.1))
        assert slopes[i].item() == pytest.approx((loss_at(up) - loss_at(down)) / 0.2, rel=1e-2, abs=1e-7)


def test_virtual_steps_leave_everything_as_it_was(tiny_encoder):
    setting = Setting(tiny_encoder)
    setting.classifier.train_only(1)
    before = {n: t.clone() for n, t in setting.classifier.state_dict().items()}
    flags = [(p.requires_grad, p.grad) for p in setting.classifier.parameters()]
    modes = [m.training for m in setting.classifier.modules()]
    setting.weigh(np.arange(16))
    assert all(torch.equal(before[n], t) for n, t in setting.classifier.state_dict().items())
    assert [(p.requires_grad, p.grad) for p in setting.classifier.parameters()] == flags
    assert [m.training for m in setting.classifier.modules()] == modes


def test_a_weight_is_divided_the_slope_taken_off_and_the_batch_averages_one(tiny_encoder):
    setting = Setting(tiny_encoder, w_decay=4.0, chunk=2)
    rows = np.array([9, 0, 12, 8])
    weights = setting.weigh(rows)
    phi = setting.weigher.phi[torch.tensor([9, 12, 8])]
    assert weights[1] == 1  # a human row
    assert weights[[0, 2, 3]] == pytest.approx((phi / phi.mean()).numpy(), rel=1e-5)
    assert setting.weigher.phi[torch.tensor([0, 10, 11])].tolist() == [1, 1, 1]
    assert phi.numpy() == pytest.approx(0.25, abs=0.1)


def test_a_row_of_the_wrong_label_weighs_less(tiny_encoder):
    for fields in ({}, {"variant": "ren"}, {"norm": "softmax"}, {"covers": 1}):
        right, wrong = (Setting(tiny_encoder, w_decay=1e6, **fields) for _ in range(2))
        wrong.known.targets[9] = wrong.known.targets[9].flip(0)
        assert wrong.weigh(np.arange(8, 16))[1] < right.weigh(np.arange(8, 16))[1]


def test_ren_gives_rows_that_hurt_no_weight(tiny_encoder):
    setting = Setting(tiny_encoder, variant="ren")
    setting.known.targets[8:12] = setting.known.targets[8:12].flip(1)
    weights = setting.weigh(np.arange(8, 16))
    assert (weights[:4] == 0).any()
    assert weights.mean() == pytest.approx(1)


def test_the_first_step_weighs_all_alike(tiny_encoder):
    setting = Setting(tiny_encoder)
    setting.optimizer.state.clear()
    assert setting.weigh(np.arange(16)).tolist() == [1.0] * 16
    assert setting.weigher.phi.tolist() == [1.0] * 16


def test_what_was_learned_can_be_kept_and_taken_up_again(tiny_encoder):
    first, second = Setting(tiny_encoder), Setting(tiny_encoder)
    first.weigh(np.arange(16))
    second.weigher.load_state_dict(first.weigher.state_dict())
    np.testing.assert_array_equal(first.weigh(np.arange(8, 16)), second.weigh(np.arange(8, 16)))


def test_trusted_rows_are_held_out_of_every_class_and_never_trained_on(tiny_encoder, monkeypatch):
    rows = human_rows(20) + synthetic_rows(20)
    recipe = Hu2019(trusted_share=0.3)
    online = recipe.online(rows, has_validation=False, seed=0)
    assert rows.take(online.held_out).counts() == {"negative": 3, "positive": 3}
    assert online.weighed.tolist() == [False] * 20 + [True] * 20
    trained: list[int] = []
    plain = fitting.run_stage
    monkeypatch.setattr(
        fitting,
        "run_stage",
        lambda loop, stage, data, at, **more: (trained.extend(at), plain(loop, stage, data, at, **more))[1],
    )
    settings = TrainSettings(encoder=tiny_encoder, recipe=recipe, steps=20, batch_size=8, precision="fp32")
    fitted = train(rows, settings=settings, seed=0)
    assert sorted([*trained, *online.held_out]) == list(range(40))
    assert set(fitted.weights.ids) == {name for name in rows.ids if name.startswith("made")}
    assert fitted.weights.effective_share < 1


def test_validation_rows_are_trusted_where_there_are_some(tiny_encoder):
    rows, held = human_rows(12) + synthetic_rows(12), human_rows(10, "held")
    settings = TrainSettings(encoder=tiny_encoder, recipe="hu2019", steps=6, batch_size=8, precision="fp32")
    assert not len(settings.recipe.online(rows, has_validation=True, seed=0).held_out)
    with_them = train(rows, validation=held, settings=settings)
    other = held.take(list(range(0, 10, 2)) + list(range(1, 4, 2)))
    assert with_them.weights.values.tolist() != train(rows, validation=other, settings=settings).weights.values.tolist()
    best = train(rows, validation=held, settings=settings, keep="best")
    assert best.kept.startswith("best")


@pytest.mark.parametrize("fields", [{"micro_batch_size": 3}, {"mix": "tmix"}, {"trainable": "head"}, {"trainable": 1}])
def test_it_goes_with_other_settings(tiny_encoder, fields):
    rows = human_rows(12) + synthetic_rows(12)
    settings = TrainSettings(encoder=tiny_encoder, recipe="hu2019", steps=4, batch_size=8, precision="fp32", **fields)
    fitted = train(rows, settings=settings)
    assert all(np.isfinite(row["loss"]) for row in fitted.history)
    assert fitted.weights.effective_share < 1


def test_an_optimizer_without_adams_memory_is_refused():
    with pytest.raises(SettingsError) as caught:
        TrainSettings.parse({"recipe": "hu2019", "optimizer": "sgd"}, where="train")
    assert str(caught.value) == (
        "train.optimizer: recipe hu2019 tries out steps of Adam: expected adamw or adam, got sgd"
    )


def test_rows_it_cannot_do_without_are_asked_for():
    with pytest.raises(DataError) as caught:
        Hu2019().require(human_rows())
    assert caught.value.message == "human: recipe hu2019 weighs synthetic rows, and there are none."
    Hu2019(human="weighed").require(human_rows())
    with pytest.raises(DataError) as caught:
        Hu2019().require(synthetic_rows())
    assert caught.value.message == "made: recipe hu2019 needs human rows to trust, and there are none."
    Hu2019(trusted="validation").require(synthetic_rows())
    with pytest.raises(SettingsError) as caught:
        Hu2019(trusted="validation").online(synthetic_rows(), has_validation=False, seed=0)
    assert str(caught.value) == "recipe.trusted: validation, but there are no validation rows; use held_out"
    with pytest.raises(DataError) as caught:
        Hu2019().online(human_rows(2) + synthetic_rows(), has_validation=False, seed=0)
    assert caught.value.message == "human+made: recipe hu2019 holds human rows out to trust; 2 human rows are too few."
