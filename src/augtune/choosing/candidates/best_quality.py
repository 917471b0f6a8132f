"""The synthetic rows whose labels a checker trained on human rows finds likeliest."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from augtune.choosing.candidates.base import Candidate
from augtune.core.task import TaskName

if TYPE_CHECKING:
    from augtune.choosing.frozen import Frozen
    from augtune.core.dataset import Dataset
    from augtune.embedding.probe import Probe

__all__ = ["BestQuality"]


class BestQuality(Candidate):
    """Mix in the share of each class's synthetic rows whose labels the quality checker finds likeliest."""

    kind: ClassVar[str] = "best_quality"
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal")

    share: float = Field(default=0.5, gt=0, lt=1)
    """Share of each class's synthetic rows that is kept."""

    @property
    def name(self) -> str:
        """Best quality, and its share."""
        return f"best_quality {self.share:g}"

    @property
    def about(self) -> str:
        """What it does, in words."""
        return f"Fine-tune on all human rows and the best {self.share:.0%} of each class's synthetic ones"

    @property
    def wants_quality(self) -> bool:
        """True."""
        return True

    def rows(self, dataset: Dataset, quality: np.ndarray | None) -> Dataset:
        """Return the human rows and the best of the synthetic ones."""
        if quality is None:
            raise ValueError("best_quality: expected what the quality checker says")
        human = np.array([origin == "human" for origin in dataset.origins])
        synthetic = np.flatnonzero(~human)
        kept = synthetic[self._best(quality, dataset.label_indices[synthetic])]
        return dataset.take(np.sort(np.concatenate([np.flatnonzero(human), kept])))

    def _best(self, quality: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Return the places of the rows kept."""
        found = []
        for k in np.unique(classes):
            inside = np.flatnonzero(classes == k)
            order = inside[np.argsort(-quality[inside], kind="stable")]
            found.append(order[: max(1, round(self.share * len(inside)))])
        return np.sort(np.concatenate(found))

    def stand_in(self, frozen: Frozen) -> Probe:
        """Return the regression on these rows."""
        weights = np.zeros(len(frozen.vectors) - frozen.count)
        weights[self._best(frozen.quality, frozen.targets[frozen.count :].argmax(axis=1))] = 1.0
        return frozen.fit(weights)
