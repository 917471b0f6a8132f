"""Cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from augtune.core.task import TaskName
from augtune.model.losses.base import Loss, LossBatch
from augtune.model.losses.bce import Bce

if TYPE_CHECKING:
    from torch import Tensor

    from augtune.core.labels import Labels

__all__ = ["CrossEntropy"]


class CrossEntropy(Loss):
    """Cross-entropy with soft targets; with weights from outside (IMP, quality only) it is those methods' loss."""

    kind: ClassVar[str] = "cross_entropy"

    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of each target that is spread evenly over all classes."""
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal", "multi_label")

    def bound(self, labels: Labels) -> Loss:
        """Return itself; where a row may have several labels, the cross-entropy of each by itself, ``bce``."""
        if not labels.has_many:
            return super().bound(labels)
        return Bce(**{name: getattr(self, name) for name in self.model_fields_set}).bound(labels)

    def targets(self, batch: LossBatch) -> Tensor:
        """Return the targets after smoothing, ``(B, K)``."""
        targets = batch.targets.float()
        if self.label_smoothing == 0:
            return targets
        return (1 - self.label_smoothing) * targets + self.label_smoothing / targets.shape[-1]
