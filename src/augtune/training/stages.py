"""Stage: one stretch of training with its own rows, weights, loss, trained parts, optimizer and schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from augtune.core.errors import SettingsError

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset
    from augtune.model.losses import Loss
    from augtune.training.weightings import Weighting

__all__ = ["Order", "RowChoice", "Stage", "select", "share_out"]

RowChoice = Literal["human", "synthetic", "all"]
Order = Literal["random", "easiest_first"]


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
        weighting: What its rows count by the checkers' opinion; None: every row counts 1.
        order: ``random``, or the rows whose label the quality checker finds likeliest first.
        human_share: Share of human rows in its first step and in its last; None: as many as there are.
    """

    name: str
    rows: RowChoice
    steps: int
    lr: float
    loss: Loss
    trainable: Literal["all", "head"] | int = "all"
    weighting: Weighting | None = None
    order: Order = "random"
    human_share: tuple[float, float] | None = None


def select(dataset: Dataset, rows: RowChoice) -> list[int]:
    """Return the positions of the rows a stage trains on."""
    if rows == "all":
        return list(range(len(dataset)))
    return [i for i, origin in enumerate(dataset.origins) if (origin == "human") == (rows == "human")]


def share_out(shares: Sequence[float], steps: int) -> list[int]:
    """Return how many steps each stage takes: their sum is ``steps``, and every one takes a step at least.

    Args:
        shares: Of each stage; they sum to 1.
        steps: To share out.

    Raises:
        SettingsError: If there are fewer steps than stages.
    """
    if steps < len(shares):
        raise SettingsError(f"steps: expected {len(shares)} at least, one for each stage; got {steps}")
    ends, done, least = [], 0.0, 0
    for i, share in enumerate(shares):
        done += share
        least = min(max(least + 1, round(done * steps)), steps - (len(shares) - 1 - i))
        ends.append(least)
    ends[-1] = steps
    return [end - start for start, end in zip([0, *ends[:-1]], ends, strict=True)]
