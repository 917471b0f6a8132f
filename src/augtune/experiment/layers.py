"""Whether an encoder has the layers that a training's settings are about, told from its configuration alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from augtune.core.encoders import locate
from augtune.core.errors import InputError, SettingsError

if TYPE_CHECKING:
    from augtune.training.settings import TrainSettings

__all__ = ["layer_problems"]

# Any number of steps: a plan's stages are the same whatever it is.
STEPS = 1000


def layer_problems(settings: TrainSettings) -> list[str]:
    """Return what is mixed in or trained of layers that the encoder has not, a line each; none where that is not known.

    Args:
        settings: Of the training.
    """
    depth = _depth(settings.encoder)
    if depth is None:
        return []
    problems: list[str] = []
    if settings.mix is not None:
        try:
            settings.mix.places(depth)
        except SettingsError as error:
            problems.extend(error.problems)
    for stage in settings.recipe.plan(settings, STEPS):
        if isinstance(stage.trainable, int) and stage.trainable > depth:
            problems.append(
                f"trainable: stage {stage.name!r} asks for the top {stage.trainable} layers, and the encoder has "
                f"{depth}; lower it, or top_layers of the recipe"
            )
    return problems


def _depth(encoder: str) -> int | None:
    """Return how many layers an encoder has, from its configuration; None where that is not here or does not say."""
    try:
        config = json.loads((Path(locate(encoder)) / "config.json").read_text(encoding="utf-8"))
        return int(config.get("num_hidden_layers") or config["n_layers"])
    except (InputError, OSError, ValueError, KeyError, TypeError):
        return None
