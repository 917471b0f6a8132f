"""DIMP: quality over the model's own confidence, in each step."""

from __future__ import annotations

from augtune.training.recipes.weighed import Weighed
from augtune.training.weightings import DimpWeights

__all__ = ["Dimp"]


class Dimp(DimpWeights, Weighed):
    """Weigh each row by checked quality over the model's own confidence, anew in each step (Kuo et al., ICLR 2025).

    The quality checker is trained on human rows and scores every row once; a step then costs what one of
    cross-entropy costs. A row counts less once the model finds it easy. Human rows count 1 unless ``human: weighed``.
    """
