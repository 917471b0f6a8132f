"""Losses of tasks whose labels are more than one of several names: ordered ones, and several per row.

Shapes: ``B`` rows of a batch, ``K`` labels. torch is imported when a loss is computed, so settings load without it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from augtune.core.errors import SettingsError
from augtune.core.task import TaskName
from augtune.model.losses import Loss, LossBatch

if TYPE_CHECKING:
    from torch import Tensor

    from augtune.core.labels import Labels

__all__ = ["Bce", "Mse"]


class Bce(Loss):
    """Binary cross-entropy of every label by itself, for rows with any number of labels; a row costs the mean.

    Targets may be soft, each number in [0, 1] by itself. Class weights multiply what a row costs that has the label,
    not what one costs that has it not, as ``pos_weight`` does in torch: rare labels are then found more often.
    """

    kind: ClassVar[str] = "bce"
    tasks: ClassVar[tuple[TaskName, ...]] = ("multi_label",)

    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """How far each target is moved towards one half: 0.1 makes 1 a 0.95 and 0 a 0.05."""

    def targets(self, batch: LossBatch) -> Tensor:
        """Return the targets after smoothing, ``(B, K)``."""
        targets = batch.targets.float()
        if self.label_smoothing == 0:
            return targets
        return (1 - self.label_smoothing) * targets + self.label_smoothing / 2

    def per_class(self, logits: Tensor, batch: LossBatch) -> Tensor:
        """Return ``(B, K)`` float32: -w_k t log p - (1 - t) log(1 - p) of each label, p the sigmoid of its logit."""
        from torch.nn.functional import logsigmoid

        scores, targets = logits.float(), self.targets(batch)
        weights = self._class_factors(batch)
        has = targets if weights is None else targets * weights
        return -(has * logsigmoid(scores) + (1 - targets) * logsigmoid(-scores))

    def per_row(self, logits: Tensor, batch: LossBatch) -> Tensor:
        """Return the mean over labels of each row's loss, ``(B,)`` float32.

        Args:
            logits: ``(B, K)``, of any float type.
            batch: Targets and, for class weights, the rows that have each label.

        Raises:
            SettingsError: If the batch lacks what the loss needs, or its shape is not that of the logits.
        """
        self._check_shapes(logits, batch)
        return self.per_class(logits, batch).mean(dim=-1)

    def shares(self, logits: Tensor, batch: LossBatch) -> Tensor:
        """Return 1 for each row, ``(B,)``: class weights do not enter the divisor, as in torch."""
        return batch.targets.new_ones(len(batch.targets)).float()


class Mse(Loss):
    """Squared error on a scale, for labels with an order: far misses cost more than near ones.

    A label's position is its own number where all labels are numbers (1 to 5 stars), else its place among them.
    """

    kind: ClassVar[str] = "mse"
    tasks: ClassVar[tuple[TaskName, ...]] = ("ordinal",)

    squared: Literal["expectation", "cdf"] = "expectation"
    """What is squared: the distance between the expected positions of prediction and target, or, summed over the gaps
    of the scale, between their cumulative probabilities (ranked probability score, Epstein 1969). expectation leaves
    open how the probability is spread around its mean; cdf also rewards a prediction that is sure of a label."""
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
