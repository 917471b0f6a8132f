"""Training: recipes as lists of stages, the checkers some of them need, and the loop that runs a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augtune.core.catalog import Catalog, Row

if TYPE_CHECKING:
    from augtune.training.recipes import Dimp, Imp, Recipe, TwoStage, Vanilla
    from augtune.training.settings import TrainSettings
    from augtune.training.tables import Checkers
    from augtune.training.train import train

__all__ = ["RECIPES", "Checkers", "Dimp", "Imp", "Recipe", "TrainSettings", "TwoStage", "Vanilla", "train"]

RECIPES: Catalog[Recipe] = Catalog(
    "recipe",
    {
        "vanilla": Row("augtune.training.recipes:Vanilla", "One stage on all rows, everything trained."),
        "two_stage": Row(
            "augtune.training.recipes:TwoStage",
            "The top on the synthetic rows first, then everything on the human rows.",
        ),
        "imp": Row("augtune.training.recipes:Imp", "Weigh synthetic rows by checked quality over checked diversity."),
        "dimp": Row(
            "augtune.training.recipes:Dimp", "Weigh synthetic rows by checked quality over the model's own confidence."
        ),
    },
)

_HOME = {
    "Checkers": "tables",
    "Dimp": "recipes",
    "Imp": "recipes",
    "Recipe": "recipes",
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
