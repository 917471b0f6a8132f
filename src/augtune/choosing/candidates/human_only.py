"""Human rows alone: what every way is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from augtune.choosing.candidates.base import Candidate

if TYPE_CHECKING:
    from augtune.choosing.frozen import Frozen
    from augtune.core.dataset import Dataset
    from augtune.embedding.probe import Probe

__all__ = ["HumanAlone", "HumanOnly"]


class HumanAlone(Candidate):
    """Base of the ways that train on human rows alone."""

    needs_synthetic: ClassVar[bool] = False

    def rows(self, dataset: Dataset, quality: np.ndarray | None) -> Dataset:
        """Return the human rows."""
        return dataset.human()


class HumanOnly(HumanAlone):
    """Fine-tune on the human rows alone."""

    kind: ClassVar[str] = "human_only"

    def stand_in(self, frozen: Frozen) -> Probe:
        """Return the regression on the human rows."""
        return frozen.human_only
