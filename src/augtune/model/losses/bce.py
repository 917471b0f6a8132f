"""Binary cross-entropy of every label by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from augtune.core.task import TaskName
from augtune.model.losses.base import Loss, LossBatch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Bce"]


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
