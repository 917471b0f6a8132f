"""IMP: quality over diversity, once, before training."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from augtune.core.errors import DataError
from augtune.core.tables import Weights
from augtune.model.losses import CrossEntropy
from augtune.training.recipes.weighed import Weighed
from augtune.training.stages import Stage
from augtune.weighting.importance import importance

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset
    from augtune.training.settings import TrainSettings
    from augtune.training.tables import Checkers

__all__ = ["Imp"]


class Imp(Weighed):
    """Weigh each row by checked quality over checked diversity, once, before training (Kuo et al., ICLR 2025).

    The quality checker is trained on human rows, the diversity checker on synthetic ones; both are cross-fitted, so
    that no row is scored by a model that saw it. The weight is (q / d)^gamma, taken in log space and clamped.
    """

    kind: ClassVar[str] = "imp"
    needs: ClassVar[tuple[str, ...]] = ("quality", "diversity")

    clamp: float | None = Field(default=10.0, gt=0)
    """Largest weight; None: the paper's, without bound."""
    normalise: bool = False
    """Divide the weights by their mean."""

    def stages(self, settings: TrainSettings, steps: int) -> list[Stage]:
        """Return the one stage, weighted cross-entropy."""
        return [Stage("train", self.rows, steps, settings.lr, CrossEntropy(), settings.trainable)]

    def weights(self, rows: Dataset, checkers: Checkers | None) -> Weights | None:
        """Return the weight of every row; trusted rows count 1."""
        if checkers is None or checkers.quality is None or checkers.diversity is None:
            raise DataError("recipe imp: expected a quality and a diversity checker's predictions.")
        weighed = self.untrusted(rows)
        values = np.ones(len(rows))
        values[weighed] = importance(
            checkers.quality, checkers.diversity, rows.take(np.flatnonzero(weighed)),
            gamma=self.gamma, clamp=self.clamp, normalise=self.normalise,
        ).values  # fmt: skip
        return Weights(rows.ids, values)
