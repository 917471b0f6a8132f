"""A training in a process of its own that is killed at given steps, for the tests of checkpoints."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from augtune.core.dataset import Dataset
from augtune.model.fitted import Fitted
from augtune.training.running import Running
from augtune.training.settings import TrainSettings
from augtune.training.train import train
from training_rows import human_rows, synthetic_rows


def rows() -> Dataset:
    return human_rows() + synthetic_rows()


def trained(settings: dict, running: Running | None = None) -> Fitted:
    validation = human_rows(12, "other") if settings.get("keep") == "best" else None
    return train(rows(), settings=TrainSettings(**settings), validation=validation, seed=3, running=running)


def train_until(settings: dict, folder: Path, kill_at: int | None) -> None:
    """Train with checkpoints; kill this process with SIGKILL inside the given step, else save the model."""
    told = []

    def on_step(step: int, of: int, loss: float) -> None:
        if step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    running = Running(on_step=on_step, on_note=told.append, folder=folder / "checkpoints")
    trained(settings, running).save(folder / "model")
    (folder / "told.txt").write_text("\n".join(told))
