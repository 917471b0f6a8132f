"""Losses: what one row costs, for soft targets, in float32; each class is its settings, one file a family.

Every loss scores each class as if it were the label, ``per_class`` ``(B, K)``, and a row costs the mean of that under
its target: for a one-hot row that is the loss of its label. Class weights multiply the class they belong to.
"""

from __future__ import annotations

from augtune.model.losses.base import Loss, LossBatch, LossSum, loss_sum, mean_loss
from augtune.model.losses.bce import Bce
from augtune.model.losses.classes import class_margins, class_weights
from augtune.model.losses.cross_entropy import CrossEntropy
from augtune.model.losses.dimp import Dimp
from augtune.model.losses.focal import Focal
from augtune.model.losses.ldam import Ldam
from augtune.model.losses.logit_adjustment import LogitAdjustment
from augtune.model.losses.mse import Mse

__all__ = [
    "Bce",
    "CrossEntropy",
    "Dimp",
    "Focal",
    "Ldam",
    "LogitAdjustment",
    "Loss",
    "LossBatch",
    "LossSum",
    "Mse",
    "class_margins",
    "class_weights",
    "loss_sum",
    "mean_loss",
]
