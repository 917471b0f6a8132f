"""Training: recipes as lists of stages, the checkers some of them need, and the loop that runs a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augtune.core.catalog import Catalog, Row

if TYPE_CHECKING:
    from augtune.training.optimizers import Optimizer
    from augtune.training.recipes import (
        Curriculum,
        Dimp,
        Hu2019,
        Imp,
        Quality,
        Recipe,
        Stages,
        SunGen,
        TwoStage,
        Vanilla,
    )
    from augtune.training.schedules import Schedule
    from augtune.training.settings import TrainSettings
    from augtune.training.tables import Checkers
    from augtune.training.train import train
    from augtune.training.weightings import Weighting

__all__ = [
    "OPTIMIZERS",
    "RECIPES",
    "SCHEDULES",
    "WEIGHTINGS",
    "Checkers",
    "Curriculum",
    "Dimp",
    "Hu2019",
    "Imp",
    "Quality",
    "Recipe",
    "Stages",
    "SunGen",
    "TrainSettings",
    "TwoStage",
    "Vanilla",
    "train",
]

RECIPES: Catalog[Recipe] = Catalog(
    "recipe",
    {
        "vanilla": Row("augtune.training.recipes.vanilla:Vanilla", "One stage on all rows, everything trained."),
        "two_stage": Row(
            "augtune.training.recipes.two_stage:TwoStage",
            "The top on the synthetic rows first, then everything on the human rows.",
        ),
        "curriculum": Row(
            "augtune.training.recipes.curriculum:Curriculum",
            "Synthetic rows first and human ones last, in phases or by a rising share.",
        ),
        "quality": Row("augtune.training.recipes.quality:Quality", "Weigh synthetic rows by checked quality alone."),
        "imp": Row(
            "augtune.training.recipes.imp:Imp", "Weigh synthetic rows by checked quality over checked diversity."
        ),
        "dimp": Row(
            "augtune.training.recipes.dimp:Dimp",
            "Weigh synthetic rows by checked quality over the model's own confidence.",
        ),
        "hu2019": Row(
            "augtune.training.recipes.hu2019:Hu2019",
            "Learn each row's weight beside training, from what its step does to the loss of trusted human rows.",
        ),
        "sungen": Row(
            "augtune.training.recipes.sungen:SunGen",
            "Weigh synthetic rows by what they do to a loss that forgives wrong labels; needs no human rows.",
        ),
        "stages": Row("augtune.training.recipes.stages:Stages", "A list of stages that you write."),
    },
)

WEIGHTINGS: Catalog[Weighting] = Catalog(
    "weighting",
    {
        "quality": Row("augtune.training.weightings:QualityWeights", "Checked quality, before training."),
        "imp": Row("augtune.training.weightings:ImpWeights", "Checked quality over diversity, before training."),
        "dimp": Row("augtune.training.weightings:DimpWeights", "Quality over own confidence, in each step."),
    },
)

OPTIMIZERS: Catalog[Optimizer] = Catalog(
    "optimizer",
    {
        "adamw": Row("augtune.training.optimizers:AdamW", "Adam with decoupled weight decay."),
        "adam": Row("augtune.training.optimizers:Adam", "Adam; weight decay is added to the gradient."),
        "sgd": Row("augtune.training.optimizers:Sgd", "Gradient descent with momentum."),
        "adagrad": Row("augtune.training.optimizers:Adagrad", "Divide by all squared gradients so far."),
        "rmsprop": Row("augtune.training.optimizers:RmsProp", "Divide by recent squared gradients."),
        "adafactor": Row("augtune.training.optimizers:Adafactor", "Adam's idea in little memory; lr is relative."),
        "lion": Row("augtune.training.optimizers:Lion", "Steps of one size along a mean of gradients."),
    },
)

SCHEDULES: Catalog[Schedule] = Catalog(
    "schedule",
    {
        "linear": Row("augtune.training.schedules:Linear", "In equal steps to 0."),
        "cosine": Row("augtune.training.schedules:Cosine", "Along half a cosine to 0."),
        "constant": Row("augtune.training.schedules:Constant", "Stays."),
        "step": Row("augtune.training.schedules:Step", "Falls by a factor at equal distances."),
        "multi_step": Row("augtune.training.schedules:MultiStep", "Falls by a factor at given places."),
        "exponential": Row("augtune.training.schedules:Exponential", "By the same factor in every step."),
        "cosine_restarts": Row("augtune.training.schedules:CosineRestarts", "Along half a cosine, several times."),
        "polynomial": Row("augtune.training.schedules:Polynomial", "Along a power of what is left, to 0."),
        "inverse_sqrt": Row("augtune.training.schedules:InverseSqrt", "With the square root of the steps."),
        "reduce_on_plateau": Row(
            "augtune.training.schedules:ReduceOnPlateau", "Falls by a factor when validation shows no progress."
        ),
        "cyclic": Row("augtune.training.schedules:Cyclic", "Rises and falls in straight lines, several times."),
    },
)

_HOME = {
    "Checkers": "tables",
    "Curriculum": "recipes",
    "Dimp": "recipes",
    "Hu2019": "recipes",
    "Imp": "recipes",
    "Quality": "recipes",
    "Recipe": "recipes",
    "Stages": "recipes",
    "SunGen": "recipes",
    "TrainSettings": "settings",
    "TwoStage": "recipes",
    "Vanilla": "recipes",
}


def __getattr__(name: str) -> object:
    """Load a public name the first time it is asked for."""
    import importlib

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
