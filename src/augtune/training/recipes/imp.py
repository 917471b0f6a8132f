"""IMP: quality over diversity, once, before training."""

from __future__ import annotations

from augtune.training.recipes.weighed import Weighed
from augtune.training.weightings import ImpWeights

__all__ = ["Imp"]


class Imp(ImpWeights, Weighed):
    """Weigh each row by checked quality over checked diversity, once, before training (Kuo et al., ICLR 2025).

    The quality checker is trained on human rows, the diversity checker on synthetic ones; both are cross-fitted, so
    that no row is scored by a model that saw it. The weight is (q / d)^gamma, taken in log space and clamped.
    """
