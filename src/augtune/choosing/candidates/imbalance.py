"""Ways against imbalance, on human rows alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from augtune.choosing.candidates.base import IMBALANCED, Situation
from augtune.choosing.candidates.human_only import HumanAlone
from augtune.core.task import TaskName
from augtune.embedding.probe import Asked

if TYPE_CHECKING:
    from augtune.choosing.frozen import Frozen
    from augtune.core.dataset import Dataset
    from augtune.embedding.probe import Probe
    from augtune.training.settings import TrainSettings

__all__ = ["Balanced", "LogitAdjusted"]

# Deviations: just less than would be taken alone without any evidence.
AT_1_TO_10 = 1.25


class _Against(HumanAlone):
    """Base of the ways against imbalance."""

    def expected(self, situation: Situation) -> float:
        """Return the gain that is expected before anything is measured, in the deviations that gains then have.

        Where every class counts the same, one and a quarter at 1:10, twice that at 1:100 (Menon et al., ICLR 2021, find
        gains in balanced error of several points on every set they tried); nothing where common classes count more.
        """
        return AT_1_TO_10 * math.log10(situation.imbalance) if situation.counts_classes else 0.0

    def unfit(self, situation: Situation) -> str:
        """Return why it is not tried: the classes are of about one size."""
        if situation.imbalance >= IMBALANCED:
            return ""
        return (
            f"the largest class has {situation.imbalance:.1f} times the human rows of the smallest; "
            f"it is tried from {IMBALANCED:g}"
        )


class Balanced(_Against):
    """Fine-tune on the human rows, classes counting by the inverse of their size."""

    kind: ClassVar[str] = "balanced"

    def settings(self, train: TrainSettings, rows: Dataset) -> TrainSettings:
        """Return cross-entropy with inverse class weights."""
        return train.changed(recipe="vanilla", loss={"kind": "cross_entropy", "class_weights": "inverse"})

    def stand_in(self, frozen: Frozen) -> Probe:
        """Return the regression in which every class counts the same."""
        return frozen.fit(balanced=True)


class LogitAdjusted(_Against):
    """Fine-tune on the human rows, the shares of the classes added to the scores in training."""

    kind: ClassVar[str] = "logit_adjusted"
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal")

    def settings(self, train: TrainSettings, rows: Dataset) -> TrainSettings:
        """Return the loss of logit adjustment."""
        return train.changed(recipe="vanilla", loss="logit_adjustment")

    def stand_in(self, frozen: Frozen) -> Probe:
        """Return the regression with the same offsets."""
        counts = frozen.targets[: frozen.count].sum(axis=0)
        shares = np.where(counts > 0, counts, counts[counts > 0].min()) / counts.sum()
        return frozen.fit(asked=Asked(offsets=np.log(shares)))
