"""What every row of the loss catalog has to hold."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from augtune.core.labels import Labels
from augtune.core.seeds import generator
from augtune.model import LOSSES
from augtune.model.losses import Loss, LossBatch, loss_sum, mean_loss

VARIANTS = {
    "cross_entropy": [{"label_smoothing": 0.2}, {"class_weights": "inverse", "power": 0.5}],
    "focal": [{"gamma": 0.5}, {"gamma": 1.0, "factor": "detached"}],
    "ldam": [{"class_weights": "none", "scale": 30.0}, {"deferred": 0.8}],
    "logit_adjustment": [{"tau": 0.5}],
    "dimp": [{"clamp": None}, {"gamma": 0.5, "floor": 0.1, "clamp": 2.0}, {"form": "additive"}, {"normalise": True}],
    "mse": [{"squared": "cdf"}, {"positions": [1.0, 2.0, 5.0], "class_weights": "inverse"}],
    "bce": [{"label_smoothing": 0.1}, {"class_weights": "inverse", "power": 0.5}, {"class_weights": "effective"}],
}
ALPHA = [2.0, 0.5, 1.0]
LOSSES_TO_TEST = [(kind, fields) for kind in LOSSES for fields in ({}, {"alpha": ALPHA})] + [
    (kind, fields) for kind in VARIANTS for fields in VARIANTS[kind]
]


@pytest.fixture(params=LOSSES_TO_TEST, ids=lambda row: f"{row[0]}-{row[1]}")
def loss(request: pytest.FixtureRequest) -> Loss:
    kind, fields = request.param
    return LOSSES.parse({"kind": kind, **fields}, where="train.loss")


def changed(loss: Loss, **fields) -> Loss:
    return type(loss)(**{**loss.model_dump(), **fields})


def make_batch(rows: int = 6, classes: int = 3, *, soft: bool = True, scale: float = 1.0):
    random = generator(0, "losses", rows, classes)
    logits = scale * random.normal(size=(rows, classes))
    targets = np.eye(classes)[random.integers(classes, size=rows)]
    if soft:
        targets[::2] = random.dirichlet(np.ones(classes), size=len(targets[::2]))
    quality = random.uniform(size=rows)
    quality[1] = np.nan
    counts = np.array([10, 1000, 40][:classes])
    batch = LossBatch(
        torch.tensor(targets), quality=torch.tensor(quality), class_counts=torch.tensor(counts, dtype=torch.float64)
    )
    return torch.tensor(logits, requires_grad=True), batch


def oracle(loss: Loss, logits: np.ndarray, batch: LossBatch) -> np.ndarray:
    """Each formula from its paper, one row and one class at a time, in float64."""
    counts, targets, quality = batch.class_counts.numpy(), batch.targets.numpy(), batch.quality.numpy()
    classes = len(counts)
    if loss.class_weights == "none" or batch.progress < loss.deferred:
        weights = np.ones(classes)
    else:
        raw = counts**-loss.power if loss.class_weights == "inverse" else (1 - loss.beta) / (1 - loss.beta**counts)
        weights = raw * classes / raw.sum()
    weights = weights * (1.0 if loss.alpha is None else np.array(loss.alpha))
    losses = []
    for z, t, q in zip(logits, targets, quality, strict=True):
        p = np.exp(z) / np.exp(z).sum()
        if loss.kind == "ldam":
            z = loss.scale * (z - t * loss.max_margin * (counts.min() / counts) ** 0.25)
        if loss.kind == "logit_adjustment":
            z = z + loss.tau * np.log(counts / counts.sum())
        if loss.kind in ("mse", "bce"):
            losses.append({"mse": squared_error, "bce": binary_entropy}[loss.kind](loss, z, t, weights))
            continue
        value = 0.0
        for k in range(classes):
            score = -(z[k] - np.log(np.exp(z).sum()))
            if loss.kind == "focal":
                score *= (1 - p[k]) ** loss.gamma
            smooth = getattr(loss, "label_smoothing", 0.0)
            value += weights[k] * ((1 - smooth) * t[k] + smooth / classes) * score
        if loss.kind == "dimp" and not np.isnan(q):
            own = float(t @ p)
            bound = {"auto": 5 * classes, None: np.inf}.get(loss.clamp, loss.clamp)
            ratio = min((q / max(own, loss.floor or 0.0)) ** loss.gamma, bound)
            value *= ratio if loss.form == "ratio" else 1 - own + q
        losses.append(value)
    return np.array(losses)


def squared_error(loss: Loss, z: np.ndarray, t: np.ndarray, weights: np.ndarray) -> float:
    """The expected positions' distance, or by gaps of the scale that of the cumulative probabilities, squared."""
    p, at = np.exp(z) / np.exp(z).sum(), np.array(loss.positions or range(len(z)))
    if loss.squared == "expectation":
        apart = (p @ at - t @ at) ** 2
    else:
        apart = sum((p[:k].sum() - t[:k].sum()) ** 2 * (at[k] - at[k - 1]) for k in range(1, len(z)))
    return apart * (t @ weights)


def binary_entropy(loss: Loss, z: np.ndarray, t: np.ndarray, weights: np.ndarray) -> float:
    p, t = 1 / (1 + np.exp(-z)), (1 - loss.label_smoothing) * t + loss.label_smoothing / 2
    return float(np.mean(-weights * t * np.log(p) - (1 - t) * np.log(1 - p)))


def test_every_loss_carries_the_name_it_has_in_the_catalog():
    for kind in LOSSES:
        assert LOSSES.load(kind).kind == kind
        assert LOSSES.load(kind).__doc__


def test_loss_equals_its_formula_in_float64(loss):
    logits, batch = make_batch()
    found = loss.per_row(logits, batch)
    assert found.dtype == torch.float32
    assert found.shape == (6,)
    assert found.detach().numpy() == pytest.approx(oracle(loss, logits.detach().numpy(), batch), rel=1e-5, abs=1e-6)


def test_class_weights_that_are_deferred_enter_at_their_share_of_the_stage(loss):
    logits, batch = make_batch()
    early, late = replace(batch, progress=0.7), replace(batch, progress=0.8)
    plain = changed(loss, class_weights="none", deferred=0.0)
    weighed = changed(loss, class_weights="inverse", deferred=0.0)
    loss = changed(weighed, deferred=0.8)
    assert mean_loss(loss, logits, early).equal(mean_loss(plain, logits, early))
    assert mean_loss(loss, logits, late).equal(mean_loss(weighed, logits, late))
    assert not mean_loss(loss, logits, late).equal(mean_loss(loss, logits, early))


def test_alpha_by_name_is_alpha_in_the_order_of_the_labels(loss):
    logits, batch = make_batch()
    task = loss.tasks[0]
    labels = Labels(("c", "a", "b"), task=task) if task != "ordinal" else Labels(("1", "2", "3"), task=task)
    first, _, third = labels.names
    named = changed(loss, alpha={third: 3.0, first: 2.0}).bound(labels)
    numbered = changed(loss, alpha=(2.0, 1.0, 3.0)).bound(labels)
    assert mean_loss(named, logits, batch).equal(mean_loss(numbered, logits, batch))
    ones = changed(loss, alpha=(1.0, 1.0, 1.0)).bound(labels)
    none = changed(loss, alpha=None).bound(labels)
    assert mean_loss(ones, logits, batch).equal(mean_loss(none, logits, batch))


def test_weight_one_equals_no_weight(loss):
    logits, batch = make_batch()
    ones = LossBatch(batch.targets, torch.ones(6), batch.quality, batch.class_counts)
    assert mean_loss(loss, logits, ones).item() == mean_loss(loss, logits, batch).item()


def test_weight_zero_removes_the_row_and_two_counts_it_twice(loss):
    logits, batch = make_batch()
    rows = loss.per_row(logits, batch)
    weights = torch.tensor([0.0, 2.0, 1.0, 1.0, 0.5, 0.0])
    weighed = LossBatch(batch.targets, weights, batch.quality, batch.class_counts)
    assert mean_loss(loss, logits, weighed).item() == pytest.approx(
        ((rows * weights).sum() / loss.shares(logits, batch).sum()).item(), rel=1e-6
    )


@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@pytest.mark.parametrize("margin", [1.0, 200.0])
def test_loss_and_gradient_are_finite(loss, soft, margin):
    logits, batch = make_batch(soft=soft)
    far = torch.zeros(6, 3)
    far[:, 0] = margin
    logits = (logits.detach().float() + far).requires_grad_()
    value = mean_loss(loss, logits, batch)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()
    assert torch.isfinite((logits.grad**2).sum())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_loss_is_float32_whatever_the_logits_are(loss, dtype):
    logits, batch = make_batch()
    low = logits.detach().to(dtype)
    assert loss.per_row(low, batch).equal(loss.per_row(low.float(), batch))


def test_parts_of_a_batch_add_up_to_the_whole(loss):
    logits, batch = make_batch()
    whole = loss_sum(loss, logits, batch)
    parts = [
        loss_sum(loss, logits[part], LossBatch(batch.targets[part], None, batch.quality[part], batch.class_counts))
        for part in (slice(0, 2), slice(2, 6))
    ]
    total, share = sum(part.total for part in parts), sum(part.share for part in parts)
    assert (total / share).item() == pytest.approx(whole.mean.item(), rel=1e-6)


def test_a_class_without_rows_leaves_the_loss_finite(loss):
    logits, batch = make_batch()
    absent = LossBatch(batch.targets, None, batch.quality, torch.tensor([10, 0, 40]))
    value = mean_loss(loss, logits, absent)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()


def test_inputs_are_left_as_they_were(loss):
    logits, batch = make_batch()
    before = [logits.detach().clone(), batch.targets.clone(), batch.quality.clone(), batch.class_counts.clone()]
    mean_loss(loss, logits, batch).backward()
    after = [logits.detach(), batch.targets, batch.quality, batch.class_counts]
    for old, new in zip(before, after, strict=True):
        assert torch.equal(old.nan_to_num(-1), new.nan_to_num(-1))


def test_catalog_and_settings_load_without_torch():
    code = (
        "import sys; from augtune.model import LOSSES; [LOSSES.parse(k, where='loss') for k in LOSSES]; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
