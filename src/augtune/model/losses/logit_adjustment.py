"""Logit adjustment: class shares enter the logits in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from augtune.model.losses.base import Loss, LossBatch
from augtune.model.losses.classes import filled

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LogitAdjustment"]


class LogitAdjustment(Loss):
    """Add tau times the log class shares to the logits in training (Menon et al., ICLR 2021).

    Prediction uses the bare logits, which then treat classes as if all were equally common.
    """

    kind: ClassVar[str] = "logit_adjustment"

    tau: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """Strength; 0 is cross-entropy, 1 aims at the best balanced accuracy."""

    def per_class(self, logits: Tensor, batch: LossBatch) -> Tensor:
        """Return ``-log softmax(z + tau log share)``, ``(B, K)``."""
        counts = filled(self._counts(batch))
        priors = (counts / counts.sum()).log().float().to(logits.device)
        return -(logits.float() + self.tau * priors).log_softmax(dim=-1)
