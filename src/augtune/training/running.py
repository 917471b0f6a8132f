"""Running: where and under whose eyes a training runs. Nothing of it changes what comes out. Loads without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Running"]


@dataclass(frozen=True, slots=True)
class Running:
    """What a training is run with, besides its rows and settings.

    Args:
        on_step: Called after each step with step, steps and loss.
        on_note: Called with each sentence its user has to know of; ``Fitted.notes`` holds them too.
    """

    on_step: Callable[[int, int, float], None] | None = None
    on_note: Callable[[str], None] | None = None
