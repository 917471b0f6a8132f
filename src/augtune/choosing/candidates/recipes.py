"""Ways that are a recipe of their own: two stages, curriculum, and weights by quality, IMP and DIMP."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from augtune.choosing.candidates.base import Candidate
from augtune.core.task import TaskName
from augtune.embedding.probe import Asked

if TYPE_CHECKING:
    from augtune.choosing.frozen import Frozen
    from augtune.core.dataset import Dataset
    from augtune.embedding.probe import Probe
    from augtune.training.settings import TrainSettings

__all__ = ["Curriculum", "Dimp", "Imp", "Quality", "TwoStage"]

# The clamps of the recipes themselves.
IMP_CLAMP = 10.0
DIMP_CLAMP_PER_CLASS = 5.0


class _Recipe(Candidate):
    """Base of the ways whose recipe has their name."""

    def settings(self, train: TrainSettings, rows: Dataset) -> TrainSettings:
        """Return the recipe's."""
        return train.changed(recipe=self.kind)


class TwoStage(_Recipe):
    """Train the top on the synthetic rows first, then everything on the human rows."""

    kind: ClassVar[str] = "two_stage"

    def stand_in(self, frozen: Frozen) -> Probe:
        """Return the regression on the human rows that stays near to that on the synthetic ones."""
        return frozen.fit(asked=Asked(towards=frozen.synthetic_only))


class Curriculum(_Recipe):
    """Train everything on the synthetic rows first and on the human ones last."""

    kind: ClassVar[str] = "curriculum"

    def stand_in(self, frozen: Frozen) -> Probe:
        """Return the regression on mostly human rows that stays near to that on the synthetic ones."""
        return frozen.fit(0.1, asked=Asked(towards=frozen.synthetic_only))


class Quality(_Recipe):
    """Weigh synthetic rows by checked quality alone, once."""

    kind: ClassVar[str] = "quality"
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal")

    def stand_in(self, frozen: Frozen) -> Probe:
        """Return the regression under these weights."""
        return frozen.fit(frozen.quality)


class Imp(_Recipe):
    """Weigh synthetic rows by checked quality over checked diversity, once."""

    kind: ClassVar[str] = "imp"
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal")

    def stand_in(self, frozen: Frozen) -> Probe:
        """Return the regression under these weights."""
        return frozen.fit(np.clip(frozen.quality / np.maximum(frozen.diversity, 1e-6), 0, IMP_CLAMP))


class Dimp(_Recipe):
    """Weigh synthetic rows by checked quality over the model's own confidence, in each step."""

    kind: ClassVar[str] = "dimp"
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal")

    def stand_in(self, frozen: Frozen) -> Probe:
        """Return the regression under the weights that one under quality alone gives."""
        first = frozen.fit(frozen.quality)
        clamp = DIMP_CLAMP_PER_CLASS * frozen.targets.shape[1]
        return frozen.fit(np.clip(frozen.quality / np.maximum(frozen.own(first), 1e-6), 0, clamp))
