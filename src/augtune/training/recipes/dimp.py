"""DIMP: quality over the model's own confidence, in each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from augtune.core.errors import DataError
from augtune.model.losses import Dimp as DimpLoss
from augtune.training.recipes.weighed import Weighed
from augtune.training.stages import Stage
from augtune.weighting.importance import label_probability

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset
    from augtune.training.settings import TrainSettings
    from augtune.training.tables import Checkers

__all__ = ["Dimp"]


class Dimp(Weighed):
    """Weigh each row by checked quality over the model's own confidence, anew in each step (Kuo et al., ICLR 2025).

    The quality checker is trained on human rows and scores every row once; a step then costs what one of
    cross-entropy costs. A row counts less once the model finds it easy. Human rows count 1 unless ``human: weighed``.
    """

    kind: ClassVar[str] = "dimp"

    floor: float | None = Field(default=None, gt=0, lt=1)
    """Smallest model probability divided by; None: no floor."""
    clamp: float | Literal["auto"] | None = "auto"
    """Largest weight; auto: 5 times the number of classes; None: the paper's, without bound."""

    def stages(self, settings: TrainSettings, steps: int) -> list[Stage]:
        """Return the one stage, under the DIMP loss."""
        loss = DimpLoss(gamma=self.gamma, floor=self.floor, clamp=self.clamp)
        return [Stage("train", self.rows, steps, settings.lr, loss, settings.trainable)]

    def quality(self, rows: Dataset, checkers: Checkers | None) -> np.ndarray | None:
        """Return the checker's probability of each row's label, NaN for trusted rows."""
        if checkers is None or checkers.quality is None:
            raise DataError("recipe dimp: expected a quality checker's predictions.")
        values = np.full(len(rows), np.nan)
        weighed = np.flatnonzero(self.untrusted(rows))
        values[weighed] = label_probability(checkers.quality, rows.take(weighed))
        return values
