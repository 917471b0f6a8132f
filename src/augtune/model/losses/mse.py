"""Squared error on the scale of ordered labels."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Literal

from augtune.core.errors import SettingsError
from augtune.core.task import TaskName
from augtune.model.losses.base import Loss, LossBatch

if TYPE_CHECKING:
    from torch import Tensor

    from augtune.core.labels import Labels

__all__ = ["Mse"]


class Mse(Loss):
    """Squared error on a scale, for labels with an order: far misses cost more than near ones.

    A label's position is its own number where all labels are numbers (1 to 5 stars), else its place among them.
    """

    kind: ClassVar[str] = "mse"
    tasks: ClassVar[tuple[TaskName, ...]] = ("ordinal",)

    squared: Literal["expectation", "cdf"] = "expectation"
    """What is squared: the distance between the expected positions of prediction and target, or, summed over the gaps
    of the scale, between their cumulative probabilities (ranked probability score, Epstein 1969). expectation leaves
    open how the probability is spread around its mean, so that the most probable label says little and the expected
    position is what to use; cdf trains both."""
    positions: tuple[float, ...] | None = None
    """Position of each label; None: the labels' own numbers, else 0, 1, 2 and so on."""

    def bound(self, labels: Labels) -> Loss:
        """Return the loss with the positions of these labels.

        Raises:
            SettingsError: If the task is another, or there are not as many positions as labels, in rising order.
        """
        fitting = super().bound(labels)
        given = labels.positions if self.positions is None else self.positions
        if len(given) != len(labels) or any(low >= high for low, high in pairwise(given)):
            raise SettingsError(
                f"loss mse: positions: expected {len(labels)} rising numbers, one for each of {labels}; "
                f"got {list(given)}"
            )
        return fitting.model_copy(update={"positions": given})

    def per_class(self, logits: Tensor, batch: LossBatch) -> Tensor:
        """Return ``(B, K)`` float32: what the row costs, in every column."""
        import torch

        chances, targets = logits.float().softmax(dim=-1), batch.targets.float()
        classes = targets.shape[-1]
        at = torch.arange(classes) if self.positions is None else torch.tensor(self.positions)
        at = at.to(targets.device, torch.float32)
        if self.squared == "expectation":
            costs = (((chances - targets) * at).sum(dim=-1)) ** 2
        else:
            apart = (chances - targets).cumsum(dim=-1)[:, :-1]
            costs = (apart**2 * at.diff()).sum(dim=-1)
        return costs.unsqueeze(-1).expand(-1, classes)
