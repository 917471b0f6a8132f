"""Recipes: training as a list of stages, and the weights rows get in them. Loads without torch.

Adding one is a file here and a row in ``RECIPES``.
"""

from __future__ import annotations

from augtune.training.recipes.base import Recipe
from augtune.training.recipes.curriculum import Curriculum
from augtune.training.recipes.dimp import Dimp
from augtune.training.recipes.hu2019 import Hu2019
from augtune.training.recipes.imp import Imp
from augtune.training.recipes.quality import Quality
from augtune.training.recipes.stages import Stages, StageSettings
from augtune.training.recipes.sungen import SunGen
from augtune.training.recipes.two_stage import TwoStage
from augtune.training.recipes.vanilla import Vanilla

__all__ = [
    "Curriculum",
    "Dimp",
    "Hu2019",
    "Imp",
    "Quality",
    "Recipe",
    "StageSettings",
    "Stages",
    "SunGen",
    "TwoStage",
    "Vanilla",
]
