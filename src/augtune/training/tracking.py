"""Trackers: where losses, rates and measures are drawn while training runs; off unless asked for.

They are accelerate's (tensorboard, wandb, mlflow, trackio). Each sends or writes as its own configuration says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from augtune.core.extras import need

if TYPE_CHECKING:
    from accelerate import Accelerator

    from augtune.training.running import Running

__all__ = ["Tracker", "Tracking", "check_tracker"]

Tracker = Literal["tensorboard", "wandb", "mlflow", "trackio"]


def check_tracker(name: Tracker | None) -> None:
    """Raise an ExtraError if a tracker is asked for whose package is not installed."""
    if name is not None:
        need(name, extra="track", to=f"track training with {name}")


class Tracking:
    """Tells a tracker of a training's steps.

    Args:
        accelerator: Was made to log with the tracker.
        running: Knows what the training is called.
        settings: Of the training, as plain values.
    """

    def __init__(self, accelerator: Accelerator, running: Running, settings: Mapping[str, Any]) -> None:
        self._accelerator = accelerator
        name = running.about or "training"
        options = {
            "wandb": {"name": name, "dir": None if running.logs is None else str(running.logs)},
            "mlflow": {"run_name": name},
            "trackio": {"name": name},
        }
        # tensorboard's runs are folders, and its table of settings takes no nested ones.
        asked = settings.get("tracker")
        project = re.sub(r"[^\w .+-]", "_", name) if asked == "tensorboard" else "augtune"
        plain = {key: value if isinstance(value, bool | int | float) else str(value) for key, value in settings.items()}
        own = {str(asked): options[asked]} if asked in options else {}
        accelerator.init_trackers(project, config=plain, init_kwargs=own)

    def log(self, row: Mapping[str, Any]) -> None:
        """Tell of one row of the history: its numbers, by step."""
        values = {name: value for name, value in row.items() if isinstance(value, int | float) and name != "step"}
        self._accelerator.log(values, step=int(row["step"]))

    def end(self) -> None:
        """Write what is not written yet."""
        # Not accelerate's own end: that ends the processes' group too, which the next training needs.
        for tracker in self._accelerator.trackers:
            tracker.finish()
