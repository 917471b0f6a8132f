"""Stage: one stretch of training with its own rows, loss, trained parts, optimizer and schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset
    from augtune.model.losses import Loss

__all__ = ["RowChoice", "Stage", "select"]

RowChoice = Literal["human", "synthetic", "all"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stretch of training; it starts with a fresh optimizer, and its schedule ends at its own last step.

    Args:
        name: What history and messages call it.
        rows: Which rows it trains on, by who wrote them.
        steps: Optimizer steps.
        lr: Highest learning rate.
        loss: What a row costs.
        trainable: ``all``; ``head``; or ``k``: head, pooler and the top ``k`` layers.
    """

    name: str
    rows: RowChoice
    steps: int
    lr: float
    loss: Loss
    trainable: Literal["all", "head"] | int = "all"


def select(dataset: Dataset, rows: RowChoice) -> list[int]:
    """Return the positions of the rows a stage trains on."""
    if rows == "all":
        return list(range(len(dataset)))
    return [i for i, origin in enumerate(dataset.origins) if (origin == "human") == (rows == "human")]
