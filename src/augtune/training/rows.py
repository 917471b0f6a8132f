"""The rows of a dataset as training sees them, and what they counted while it ran.

Shapes: ``N`` rows of the dataset, ``B`` rows of a batch, ``K`` classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from augtune.model.batching import Encoded
from augtune.model.losses import LossBatch

__all__ = ["TrainingRows", "WeightsSeen"]


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """The rows of a dataset as the loop sees them.

    Args:
        ids: ``N`` row ids, for messages.
        encoded: Their tokens.
        targets: ``(N, K)`` float32.
        human: ``(N,)`` True for rows a human wrote.
        weights: ``(N,)`` float32 how much each counts, or None.
        quality: ``(N,)`` float32 what a checker says of each label, NaN for trusted rows, or None.
        ease: ``(N,)`` what decides the order of rows, the first highest, or None.
    """

    ids: tuple[str, ...]
    encoded: Encoded
    targets: torch.Tensor
    human: np.ndarray
    weights: torch.Tensor | None = None
    quality: torch.Tensor | None = None
    ease: np.ndarray | None = None

    def loss_batch(self, rows: np.ndarray, counts: torch.Tensor, device: torch.device) -> LossBatch:
        """Return what a loss may know of the given rows."""
        at = torch.from_numpy(rows)
        return LossBatch(
            targets=self.targets[at].to(device),
            weights=None if self.weights is None else self.weights[at].to(device),
            quality=None if self.quality is None else self.quality[at].to(device),
            class_counts=counts,
        )


class WeightsSeen:
    """Mean of the weights each row had in the steps that used it.

    Args:
        rows: ``N``.
    """

    def __init__(self, rows: int) -> None:
        self._sums = np.zeros(rows)
        self._counts = np.zeros(rows, dtype=np.int64)

    def add(self, rows: np.ndarray, weights: np.ndarray) -> None:
        """Note the weights of one batch, ``(B,)`` each."""
        np.add.at(self._sums, rows, weights)
        np.add.at(self._counts, rows, 1)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the sums and counts so far."""
        return {"sums": torch.from_numpy(self._sums), "counts": torch.from_numpy(self._counts)}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Put back what ``state_dict`` returned."""
        self._sums, self._counts = state["sums"].numpy().copy(), state["counts"].numpy().copy()

    def means(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions of the rows that were used and their mean weights."""
        used = np.flatnonzero(self._counts)
        return used, self._sums[used] / self._counts[used]
