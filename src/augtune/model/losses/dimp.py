"""DIMP: checked quality over the model's own confidence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from augtune.core.errors import SettingsError
from augtune.model.losses.base import Loss, LossBatch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Dimp"]

# e^40 is 2e17: with it a weight, its gradient and the gradient's square all fit float32.
MAX_LOG_WEIGHT = 40.0
TINY = 1e-30


class Dimp(Loss):
    """Weigh each row by its quality over the model's own confidence (Kuo et al., ICLR 2025).

    A row counts more when a checker trained on trusted rows finds its label likely, and less once the model finds it
    easy: weight (q / p)^gamma, a constant to the gradient. Unbounded, this is the gradient of the mean of q / p, so
    one mislabelled row the model is sure about would own its batch; hence ``clamp``. For a soft target q and p are
    expected probabilities, sum_k t_k p_k. A row whose quality is NaN weighs 1.
    """

    kind: ClassVar[str] = "dimp"
    takes_mixed: ClassVar[bool] = False
    needs_quality: ClassVar[bool] = True

    form: Literal["ratio", "additive"] = "ratio"
    """The weight: (q / p)^gamma, or the bounded 1 - p + q, to which gamma, floor and clamp do not apply."""
    gamma: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Exponent of the ratio; 1 is the paper's, below 1 evens weights out."""
    floor: float | None = Field(default=None, gt=0, lt=1)
    """Smallest model probability divided by; None for no floor."""
    clamp: Annotated[float, Field(gt=0)] | Literal["auto"] | None = "auto"
    """Largest weight. auto: 5 times the number of classes K, since a surely right row weighs K before the model knows
    anything, so a label has to be 5 times less likely than chance to be held back. None: the paper's, without bound
    (but for e^40, which keeps float32 finite)."""

    normalise: bool = False
    """Divide by the sum of the step's weights instead of its rows: self-normalised importance sampling, which keeps the
    size of a step while the weights rise and fall."""

    def row_weights(self, logits: Tensor, batch: LossBatch) -> Tensor:
        """Return the ``(B,)`` weights, without gradient.

        Raises:
            SettingsError: If the batch carries no quality.
        """
        import torch

        if batch.quality is None:
            raise SettingsError(
                "loss dimp: the batch carries no quality, the checker's probability of each row's label.",
                hint="Use recipe: dimp, which trains the checker.",
            )
        with torch.no_grad():
            quality = batch.quality.float()
            logs = logits.float().log_softmax(dim=-1)
            own = (logs + batch.targets.float().log()).logsumexp(dim=-1)
            weights = (
                1 - own.exp() + quality if self.form == "additive" else self._ratio(quality, own, logits.shape[-1])
            )
            return torch.where(quality.isnan(), torch.ones_like(weights), weights)

    def _ratio(self, quality: Tensor, own: Tensor, classes: int) -> Tensor:
        if self.floor is not None:
            own = own.clamp_min(math.log(self.floor))
        weights: Tensor = (self.gamma * (quality.log() - own)).clamp_max(MAX_LOG_WEIGHT).exp()
        bound = 5.0 * classes if self.clamp == "auto" else self.clamp
        return weights if bound is None else weights.clamp_max(bound)

    def shares(self, logits: Tensor, batch: LossBatch) -> Tensor:
        """Return what each row adds to the divisor of the mean, ``(B,)``; with ``normalise`` times its own weight."""
        shares = super().shares(logits, batch)
        # A step whose rows all weigh 0 costs 0, not 0 / 0.
        return shares * self.row_weights(logits, batch).clamp_min(TINY) if self.normalise else shares
