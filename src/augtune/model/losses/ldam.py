"""LDAM: a wider margin for rarer classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from augtune.model.losses.base import ClassWeighting, Loss, LossBatch
from augtune.model.losses.classes import class_margins

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Ldam"]


class Ldam(Loss):
    """Ask rarer classes for a wider margin, m = max_margin (n_min / n)^(1/4) (Cao et al., NeurIPS 2019).

    The margin is taken off the label's logit, in a soft target off each logit by its share. Together with the
    effective-number weights, its default here, this is the stage-1 loss of two-stage fine-tuning.
    """

    kind: ClassVar[str] = "ldam"

    class_weights: ClassWeighting = "effective"
    """Weigh classes by their training rows: none, inverse (count^-power) or effective (Cui et al., CVPR 2019)."""
    max_margin: float = Field(default=0.5, gt=0, allow_inf_nan=False)
    """Margin of the rarest class, in units of a logit."""
    scale: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """What logits are multiplied by after the margin; 1 suits raw logits, 30 cosine ones."""

    def per_class(self, logits: Tensor, batch: LossBatch) -> Tensor:
        """Return ``-log softmax(scale (z - t m))``, ``(B, K)``."""
        margins = class_margins(self._counts(batch), self.max_margin).to(logits.device)
        return -(self.scale * (logits.float() - batch.targets.float() * margins)).log_softmax(dim=-1)
