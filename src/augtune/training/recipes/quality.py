"""Quality: rows count by what a checker trained on human rows says of their label."""

from __future__ import annotations

from augtune.training.recipes.weighed import Weighed
from augtune.training.weightings import QualityWeights

__all__ = ["Quality"]


class Quality(QualityWeights, Weighed):
    """Weigh each row by checked quality alone, once, before training: IMP without its diversity checker.

    The quality checker is trained on human rows, cross-fitted, so that no row is scored by a model that saw it. The
    weight is q^gamma, at most 1. Human rows count 1 unless ``human: weighed``.
    """
