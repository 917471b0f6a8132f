"""Losses for labels with an order and for rows with several labels, against torch and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from augtune.core.errors import DataError, SettingsError
from augtune.core.labels import Labels
from augtune.core.seeds import generator
from augtune.model.losses import Bce, CrossEntropy, Focal, LossBatch, Mse, class_weights, mean_loss

STARS = Labels(("1", "2", "5"), task="ordinal")
TAGS = Labels(("joy", "anger", "fear"), task="multi_label")


def table(rows: int = 8, classes: int = 3) -> torch.Tensor:
    return torch.tensor(generator(0, "task losses").normal(size=(rows, classes)), dtype=torch.float32)


@pytest.mark.parametrize("weighed", [False, True], ids=["plain", "positive weights"])
def test_bce_equals_torchs(weighed):
    logits, counts = table(), torch.tensor([10.0, 100.0, 40.0])
    targets = torch.tensor(generator(1, "task losses").uniform(size=(8, 3)), dtype=torch.float32)
    weights = class_weights(counts, "inverse") if weighed else None
    theirs = torch.nn.BCEWithLogitsLoss(pos_weight=weights)(logits, targets)
    ours = Bce(class_weights="inverse" if weighed else "none")
    assert mean_loss(ours, logits, LossBatch(targets, class_counts=counts)).item() == pytest.approx(theirs.item())


def test_bce_of_a_row_without_labels_asks_every_label_to_be_unlikely():
    logits = torch.tensor([[-2.0, 0.0, 3.0]])
    found = Bce().per_row(logits, LossBatch(torch.zeros(1, 3)))
    assert found.item() == pytest.approx(float(np.mean(np.log1p(np.exp([-2.0, 0.0, 3.0])))))


def test_cross_entropy_of_rows_with_several_labels_is_bce_with_the_same_settings():
    bound = CrossEntropy(label_smoothing=0.1, class_weights="inverse").bound(TAGS)
    assert bound == Bce(label_smoothing=0.1, class_weights="inverse")
    assert CrossEntropy().bound(STARS) == CrossEntropy()


@pytest.mark.parametrize(
    ("loss", "labels", "told"),
    [
        (Focal(), TAGS, "loss focal: made for data.task single_label or ordinal; here it is multi_label"),
        (Bce(), STARS, "loss bce: made for data.task multi_label; here it is ordinal"),
        (Mse(), Labels(("a", "b")), "loss mse: made for data.task ordinal; here it is single_label"),
    ],
)
def test_loss_of_another_task_is_refused(loss, labels, told):
    with pytest.raises(SettingsError) as error:
        loss.bound(labels)
    assert str(error.value) == told


def test_mse_takes_the_labels_own_numbers_or_their_places():
    assert Mse().bound(STARS).positions == (1.0, 2.0, 5.0)
    assert Mse().bound(Labels(("bad", "fair", "good"), task="ordinal")).positions == (0.0, 1.0, 2.0)
    assert Mse(positions=(0, 1, 9)).bound(STARS).positions == (0.0, 1.0, 9.0)


@pytest.mark.parametrize("positions", [(1.0, 2.0), (3.0, 2.0, 1.0)])
def test_mse_refuses_positions_that_do_not_fit_the_labels(positions):
    with pytest.raises(SettingsError) as error:
        Mse(positions=positions).bound(STARS)
    assert str(error.value) == (
        f"loss mse: positions: expected 3 rising numbers, one for each of 1 · 2 · 5; got {list(positions)}"
    )


def test_mse_of_hard_rows_is_the_squared_distance_of_the_expected_stars():
    logits, stars = table(), torch.tensor([1.0, 2.0, 5.0])
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    found = Mse().bound(STARS).per_row(logits, LossBatch(torch.eye(3)[labels]))
    theirs = torch.nn.functional.mse_loss(logits.softmax(-1) @ stars, stars[labels], reduction="none")
    assert found.tolist() == pytest.approx(theirs.tolist(), rel=1e-5)


def test_mse_of_cumulative_probabilities_is_the_continuous_ranked_probability_score():
    logits, stars = table(), torch.tensor([1.0, 2.0, 5.0])
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    found = Mse(squared="cdf").bound(STARS).per_row(logits, LossBatch(torch.eye(3)[labels]))
    p = logits.softmax(-1)
    # Gneiting and Raftery (2007): E|X - y| - E|X - X'| / 2.
    to_truth = (p * (stars - stars[labels][:, None]).abs()).sum(-1)
    within = (p[:, :, None] * p[:, None, :] * (stars[:, None] - stars).abs()).sum((1, 2))
    assert found.tolist() == pytest.approx((to_truth - within / 2).tolist(), rel=1e-4)


def test_labels_without_a_declared_order_have_no_positions():
    with pytest.raises(DataError) as error:
        _ = Labels(("1", "2")).positions
    assert str(error.value).startswith("the labels 1 · 2 have no order that was declared.")
