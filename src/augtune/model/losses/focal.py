"""Focal loss: easy rows fade."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from augtune.model.losses.base import Loss, LossBatch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Focal"]


class Focal(Loss):
    """Down-weigh rows the model finds easy by (1 - p)^gamma (Lin et al., ICCV 2017)."""

    kind: ClassVar[str] = "focal"

    gamma: float = Field(default=2.0, ge=0, allow_inf_nan=False)
    """How sharply easy rows fade; 0 is cross-entropy."""
    factor: Literal["attached", "detached"] = "attached"
    """Whether the gradient flows through (1 - p)^gamma, as in the paper, or takes it as a constant."""

    def per_class(self, logits: Tensor, batch: LossBatch) -> Tensor:
        """Return ``-(1 - p_k)^gamma log p_k``, ``(B, K)``."""
        logs = logits.float().log_softmax(dim=-1)
        # Below 1e-7 the factor is 0 for float32, and for gamma < 1 its slope would be infinite.
        factor = (-logs.expm1()).clamp_min(1e-7) ** self.gamma
        return -(factor.detach() if self.factor == "detached" else factor) * logs
