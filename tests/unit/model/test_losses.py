"""Check values and identities of the losses, from their papers."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from augtune.core.errors import SettingsError
from augtune.core.labels import Labels
from augtune.model.losses import (
    CrossEntropy,
    Dimp,
    Focal,
    Ldam,
    LogitAdjustment,
    LossBatch,
    class_margins,
    class_weights,
    mean_loss,
)


def one_hot(labels: list[int], classes: int) -> torch.Tensor:
    return F.one_hot(torch.tensor(labels), classes).float()


def gradient(value: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(value, logits, retain_graph=True)[0]


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(8, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()


@pytest.fixture
def labels() -> list[int]:
    return [0, 1, 2, 3, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("counts", "weights", "margins"),
    [
        ([7513, 37569], [1.297946, 0.702054], [0.5, 0.334361]),
        ([100, 1000, 10000], [2.677851, 0.279996, 0.042153], [0.5, 0.281171, 0.158114]),
    ],
)
def test_effective_weights_and_margins_are_those_of_two_stage(counts, weights, margins):
    assert class_weights(torch.tensor(counts), "effective").tolist() == pytest.approx(weights, abs=1e-5)
    assert class_margins(torch.tensor(counts)).tolist() == pytest.approx(margins, abs=1e-5)


@pytest.mark.parametrize(
    ("kept", "weights", "margin"),
    [
        (360, [1.7909, 0.2091], 0.2810),
        (721, [1.6265, 0.3735], 0.3343),
        (1082, [1.4941, 0.5059], 0.3700),
        (1443, [1.3854, 0.6146], 0.3976),
        (1804, [1.2945, 0.7055], 0.4204),
        (2164, [1.2177, 0.7823], 0.4400),
        (2525, [1.1516, 0.8484], 0.4573),
        (2886, [1.0943, 0.9057], 0.4729),
        (3247, [1.0442, 0.9558], 0.4870),
    ],
)
def test_effective_weights_and_margins_at_every_imbalance_of_sst2(kept, weights, margin):
    counts = torch.tensor([kept, 3608])
    assert class_weights(counts, "effective").tolist() == pytest.approx(weights, abs=5.1e-5)
    assert class_margins(counts).tolist() == pytest.approx([0.5, margin], abs=5.1e-5)


@settings(deadline=None)
@given(counts=st.lists(st.integers(0, 100_000), min_size=1, max_size=6).filter(any), power=st.floats(0, 2))
def test_weights_of_classes_that_have_rows_sum_to_their_number(counts, power):
    rows = torch.tensor(counts)
    present = rows > 0
    for weights in (class_weights(rows, "inverse", power=power), class_weights(rows, "effective")):
        assert weights[present].sum().item() == pytest.approx(present.sum().item(), rel=1e-5)
        assert (weights > 0).all()
        rarest = weights[rows.where(present, rows.max() + 1).argmin()]
        assert weights[~present].tolist() == pytest.approx([rarest.item()] * int((~present).sum()))


def test_ldam_is_the_stage_one_loss_of_two_stage():
    batch = LossBatch(one_hot([0, 1], 2), class_counts=torch.tensor([7513, 37569]))
    found = mean_loss(Ldam(), torch.tensor([[0.2, -0.1], [0.2, -0.1]]), batch)
    assert found.item() == pytest.approx(0.889992, abs=1e-5)


def test_inverse_weights_sum_to_the_number_of_classes():
    assert class_weights(torch.tensor([1, 3]), "inverse").tolist() == pytest.approx([1.5, 0.5])
    assert class_weights(torch.tensor([1, 4]), "inverse", power=0.5).tolist() == pytest.approx([4 / 3, 2 / 3])


def test_a_class_without_rows_weighs_as_the_rarest_that_has_some():
    assert class_weights(torch.tensor([1, 0, 3]), "inverse").tolist() == pytest.approx([1.5, 1.5, 0.5])
    assert class_margins(torch.tensor([16, 0, 1])).tolist() == pytest.approx([0.25, 0.5, 0.5])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("how", ["none", "inverse"])
def test_cross_entropy_is_that_of_torch(logits, labels, smoothing, how):
    counts = torch.tensor([1, 2, 3, 10])
    weight = None if how == "none" else class_weights(counts, "inverse")
    wanted = F.cross_entropy(logits, torch.tensor(labels), weight=weight, label_smoothing=smoothing)
    loss = CrossEntropy(label_smoothing=smoothing, class_weights=how)
    assert mean_loss(loss, logits, LossBatch(one_hot(labels, 4), class_counts=counts)).item() == pytest.approx(
        wanted.item(), rel=1e-6
    )


def test_cross_entropy_of_soft_targets_is_that_of_torch(logits):
    targets = torch.rand(8, 4, generator=torch.Generator().manual_seed(1)).softmax(dim=-1)
    found = mean_loss(CrossEntropy(), logits, LossBatch(targets))
    assert found.item() == pytest.approx(F.cross_entropy(logits, targets).item(), rel=1e-6)


@pytest.mark.parametrize("classes", [2, 3, 150])
def test_dimp_weight_is_classes_times_quality_at_uniform_logits(classes):
    quality = torch.tensor([0.12, 0.5, 1.0])
    weights = Dimp().row_weights(torch.zeros(3, classes), LossBatch(one_hot([0, 1, 1], classes), quality=quality))
    assert weights.tolist() == pytest.approx((classes * quality).tolist(), rel=1e-6)


def test_dimp_weight_tends_to_quality_as_the_model_learns_the_row():
    weights = Dimp().row_weights(torch.tensor([[30.0, 0.0]]), LossBatch(one_hot([0], 2), quality=torch.tensor([0.7])))
    assert weights.tolist() == pytest.approx([0.7])


@pytest.mark.parametrize("dimp", [Dimp(clamp=None), Dimp()], ids=["unbounded", "default"])
def test_dimp_gradient_is_that_of_the_mean_of_quality_over_probability(logits, labels, dimp):
    quality = torch.rand(8, generator=torch.Generator().manual_seed(2))
    found = gradient(mean_loss(dimp, logits, LossBatch(one_hot(labels, 4), quality=quality)), logits)
    own = logits.softmax(dim=-1)[torch.arange(8), torch.tensor(labels)]
    assert found.sub(gradient((quality / own).mean(), logits)).abs().max().item() < 1e-6


def test_dimp_unbounded_is_the_papers_at_twenty_nats_and_finite_at_two_hundred():
    batch = LossBatch(one_hot([1], 2), quality=torch.tensor([0.12]))
    assert Dimp(clamp=None).row_weights(torch.tensor([[20.0, 0.0]]), batch).item() == pytest.approx(5.8e7, rel=1e-2)
    assert mean_loss(Dimp(clamp=None), torch.tensor([[20.0, 0.0]]), batch).item() == pytest.approx(1.2e9, rel=5e-2)
    assert torch.isfinite(mean_loss(Dimp(clamp=None), torch.tensor([[200.0, 0.0]]), batch))


@pytest.mark.parametrize(
    ("dimp", "weight"), [(Dimp(), 10.0), (Dimp(clamp=3.0), 3.0), (Dimp(floor=0.1), 1.2), (Dimp(gamma=0.5), 10.0)]
)
def test_dimp_weight_is_held_back_on_a_row_the_model_is_sure_is_wrong(dimp, weight):
    batch = LossBatch(one_hot([1], 2), quality=torch.tensor([0.12]))
    assert dimp.row_weights(torch.tensor([[20.0, 0.0]]), batch).item() == pytest.approx(weight)


def test_dimp_leaves_rows_without_quality_at_weight_one(logits, labels):
    quality = torch.full((8,), float("nan"))
    quality[3] = 0.0
    weights = Dimp().row_weights(logits, LossBatch(one_hot(labels, 4), quality=quality))
    assert weights.tolist() == [1, 1, 1, 0, 1, 1, 1, 1]


def test_dimp_weight_carries_no_gradient(logits, labels):
    weights = Dimp().row_weights(logits, LossBatch(one_hot(labels, 4), quality=torch.ones(8)))
    assert not weights.requires_grad


def test_dimp_additive_weight_is_one_less_probability_plus_quality():
    batch = LossBatch(one_hot([0], 2), quality=torch.tensor([0.3]))
    assert Dimp(form="additive").row_weights(torch.zeros(1, 2), batch).item() == pytest.approx(0.8)


def test_dimp_without_quality_says_which_recipe_trains_the_checker(logits, labels):
    message = (
        "loss dimp: the batch carries no quality, the checker's probability of each row's label.\n"
        "  Use recipe: dimp, which trains the checker."
    )
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        mean_loss(Dimp(), logits, LossBatch(one_hot(labels, 4)))


def test_dimp_normalised_is_the_weighted_mean_of_cross_entropy(logits, labels):
    quality = torch.rand(8, generator=torch.Generator().manual_seed(4))
    batch = LossBatch(one_hot(labels, 4), quality=quality)
    weights = Dimp().row_weights(logits, batch)
    losses = F.cross_entropy(logits, torch.tensor(labels), reduction="none")
    found = mean_loss(Dimp(normalise=True), logits, batch)
    assert found.item() == pytest.approx(((weights * losses).sum() / weights.sum()).item(), rel=1e-6)
    wanted = gradient((weights * losses).sum() / weights.sum(), logits)
    assert gradient(found, logits).sub(wanted).abs().max().item() < 1e-7


def test_dimp_normalised_costs_nothing_where_every_weight_is_nothing(logits, labels):
    found = mean_loss(Dimp(normalise=True), logits, LossBatch(one_hot(labels, 4), quality=torch.zeros(8)))
    assert found.item() == 0.0
    assert torch.isfinite(gradient(found, logits)).all()


@pytest.mark.parametrize("dimp", [Dimp(clamp=None), Dimp(form="additive"), Dimp(normalise=True), Dimp(alpha=(3, 1))])
def test_dimp_gradient_takes_its_weights_as_constants(dimp):
    logits = torch.tensor([[0.3, -0.2], [1.0, 0.5]], requires_grad=True)
    batch = LossBatch(one_hot([0, 1], 2), quality=torch.tensor([0.9, 0.4]))
    weights = dimp.row_weights(logits, batch) * torch.tensor([1.0, 1.0] if dimp.alpha is None else dimp.alpha)
    by = dimp.row_weights(logits, batch).sum() if dimp.normalise else 2
    plain = (weights * F.cross_entropy(logits, torch.tensor([0, 1]), reduction="none")).sum() / by
    found = gradient(mean_loss(dimp, logits, batch), logits)
    assert found.sub(gradient(plain, logits)).abs().max().item() < 1e-7


def test_importance_weights_of_one_make_imp_cross_entropy(logits, labels):
    quality = torch.rand(8, generator=torch.Generator().manual_seed(3))
    batch = LossBatch(one_hot(labels, 4), weights=quality / quality)
    assert mean_loss(CrossEntropy(), logits, batch).equal(
        mean_loss(CrossEntropy(), logits, LossBatch(one_hot(labels, 4)))
    )


def test_focal_detached_gradient_is_one_less_probability_times_that_of_cross_entropy(logits, labels):
    batch = LossBatch(one_hot(labels, 4))
    own = logits.softmax(dim=-1)[torch.arange(8), torch.tensor(labels)].detach()
    found = gradient(mean_loss(Focal(gamma=1.0, factor="detached"), logits, batch), logits)
    plain = gradient(mean_loss(CrossEntropy(), logits, batch), logits)
    assert found.sub((1 - own)[:, None] * plain).abs().max().item() < 1e-6


def test_focal_attached_gradient_is_that_of_its_formula(logits, labels):
    own = logits.softmax(dim=-1)[torch.arange(8), torch.tensor(labels)]
    wanted = gradient((-((1 - own) ** 2) * own.log()).mean(), logits)
    found = gradient(mean_loss(Focal(), logits, LossBatch(one_hot(labels, 4))), logits)
    assert found.sub(wanted).abs().max().item() < 1e-6


def test_logit_adjustment_of_even_classes_is_cross_entropy(logits, labels):
    batch = LossBatch(one_hot(labels, 4), class_counts=torch.tensor([5, 5, 5, 5]))
    assert mean_loss(LogitAdjustment(), logits, batch).item() == pytest.approx(
        mean_loss(CrossEntropy(), logits, batch).item(), rel=1e-6
    )


def test_a_loss_that_needs_counts_says_so(logits, labels):
    with pytest.raises(SettingsError, match=r"^loss ldam: the batch carries no class counts, which it needs\.$"):
        mean_loss(Ldam(), logits, LossBatch(one_hot(labels, 4)))


def test_targets_of_another_shape_are_refused(logits):
    message = r"^loss cross_entropy: expected targets of the shape of the logits \(8, 4\), got \(8, 3\)\.$"
    with pytest.raises(SettingsError, match=message):
        mean_loss(CrossEntropy(), logits, LossBatch(torch.ones(8, 3)))


def test_counts_without_any_row_are_refused():
    with pytest.raises(SettingsError, match=r"^class counts: no class has a row\.$"):
        class_weights(torch.zeros(3), "inverse")


def test_deferred_ldam_becomes_the_weighted_one():
    counts = torch.tensor([7513, 37569])
    batch = LossBatch(one_hot([0, 1], 2), class_counts=counts)
    logits, loss = torch.tensor([[0.2, -0.1], [0.2, -0.1]]), Ldam(deferred=0.8)
    late = replace(batch, progress=0.8)
    assert mean_loss(loss, logits, late).item() == pytest.approx(0.889992, abs=1e-5)
    assert mean_loss(loss, logits, batch).equal(mean_loss(Ldam(class_weights="none"), logits, batch))


def test_alpha_multiplies_and_does_not_enter_the_divisor(logits, labels):
    losses = F.cross_entropy(logits, torch.tensor(labels), reduction="none")
    alpha = torch.tensor([2.0, 1.0, 0.0, 0.5])
    found = mean_loss(CrossEntropy(alpha=(2.0, 1.0, 0.0, 0.5)), logits, LossBatch(one_hot(labels, 4)))
    assert found.item() == pytest.approx((alpha[labels] * losses).mean().item(), rel=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"deferred": 0.5}, "deferred: there are no class weights to defer; set class_weights"),
        ({"alpha": [-1.0, 1.0]}, "alpha: expected numbers of 0 or more, not all 0; got [-1.0, 1.0]"),
        ({"alpha": {"no": 0.0}}, "alpha: expected numbers of 0 or more, not all 0; got [0.0]"),
    ],
)
def test_settings_that_say_nothing_are_refused(fields, message):
    with pytest.raises(SettingsError, match=f"^train.loss.{re.escape(message)}$"):
        CrossEntropy.parse(fields, where="train.loss")


@pytest.mark.parametrize(
    ("alpha", "message"),
    [
        ({"yse": 2.0}, "loss cross_entropy: alpha: no label is called 'yse'; did you mean 'yes'?"),
        (
            (1.0, 2.0, 3.0),
            "loss cross_entropy: alpha: expected 2 numbers, one for each of no · yes; got [1.0, 2.0, 3.0]",
        ),
    ],
)
def test_alpha_of_other_labels_is_refused(alpha, message):
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        CrossEntropy(alpha=alpha).bound(Labels(("no", "yes")))


def test_alpha_by_name_without_labels_is_refused(logits, labels):
    message = "loss cross_entropy: alpha by name needs the labels; call bound(labels) first."
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        mean_loss(CrossEntropy(alpha={"a": 1.0}), logits, LossBatch(one_hot(labels, 4)))
