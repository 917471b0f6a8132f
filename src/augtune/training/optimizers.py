"""Optimizers: how a gradient moves the weights; each class is its settings. torch loads when one is made.

Learning rate and weight decay are train.lr, train.head_lr and train.weight_decay, the same for all of them; the fields
here are what is left. The names and defaults are torch's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from augtune.core.errors import SettingsError
from augtune.core.settings import Settings

if TYPE_CHECKING:
    import torch

__all__ = ["Adafactor", "Adagrad", "Adam", "AdamW", "Lion", "Optimizer", "RmsProp", "Sgd"]

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Optimizer(Settings):
    """Base of the optimizers."""

    decoupled: ClassVar[bool] = False
    """Weight decay shrinks the weights by itself; False: it is added to the gradient (L2)."""
    rowwise: ClassVar[bool] = True
    """A row of a table that has no gradient is not moved by other rows' gradients."""
    elementwise: ClassVar[bool] = True
    """How a number moves is told by its own gradients alone, so a part of a weight can be moved without the rest."""

    def make(self, groups: list[dict[str, Any]], device: torch.device) -> torch.optim.Optimizer:
        """Return the optimizer over the groups, in one fused pass where torch has it.

        Args:
            groups: Each with ``params``, ``lr`` and ``weight_decay``.
            device: Where the parameters are.
        """
        raise NotImplementedError

    def leaves_unused_rows(self, weight_decay: float) -> bool:
        """Return whether a table's row without gradient changes by decoupled weight decay at most."""
        return self.rowwise and (self.decoupled or weight_decay == 0)


class _Adams(Optimizer):
    """What adam and adamw share."""

    betas: tuple[Share, Share] = (0.9, 0.999)
    """Decay of the running means of the gradient and of its square."""
    eps: Positive = 1e-8
    """Added to the divisor."""


class AdamW(_Adams):
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019)."""

    kind: ClassVar[str] = "adamw"
    decoupled: ClassVar[bool] = True

    def make(self, groups: list[dict[str, Any]], device: torch.device) -> torch.optim.Optimizer:
        """Return torch's AdamW."""
        import torch

        return torch.optim.AdamW(groups, betas=self.betas, eps=self.eps, fused=_has_fused(device))


class Adam(_Adams):
    """Adam (Kingma and Ba, ICLR 2015); weight decay is added to the gradient."""

    kind: ClassVar[str] = "adam"

    def make(self, groups: list[dict[str, Any]], device: torch.device) -> torch.optim.Optimizer:
        """Return torch's Adam."""
        import torch

        return torch.optim.Adam(groups, betas=self.betas, eps=self.eps, fused=_has_fused(device))


class Sgd(Optimizer):
    """Gradient descent, with momentum unless it is set to 0; weight decay is added to the gradient."""

    kind: ClassVar[str] = "sgd"

    momentum: Share = 0.9
    """How much of the last step is taken again."""
    nesterov: bool = False
    """Look ahead along the momentum."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise SettingsError("nesterov: needs a momentum above 0, got 0")
        return self

    def make(self, groups: list[dict[str, Any]], device: torch.device) -> torch.optim.Optimizer:
        """Return torch's SGD."""
        import torch

        return torch.optim.SGD(
            groups, momentum=self.momentum, nesterov=self.nesterov, fused=_has_fused(device) and not _is_parted(groups)
        )


class Adagrad(Optimizer):
    """Adagrad (Duchi et al., JMLR 2011); weight decay is added to the gradient."""

    kind: ClassVar[str] = "adagrad"

    eps: Positive = 1e-10
    """Added to the divisor."""

    def make(self, groups: list[dict[str, Any]], device: torch.device) -> torch.optim.Optimizer:
        """Return torch's Adagrad."""
        import torch

        return torch.optim.Adagrad(
            groups, eps=self.eps, fused=(device.type == "cpu" and not _is_parted(groups)) or None
        )


class RmsProp(Optimizer):
    """RMSprop (Hinton, 2012); weight decay is added to the gradient."""

    kind: ClassVar[str] = "rmsprop"

    alpha: Share = 0.99
    """Decay of the running mean of the gradient's square."""
    momentum: Share = 0.0
    """How much of the last step is taken again."""
    centered: bool = False
    """Divide by the standard deviation of the gradient instead of its root mean square."""
    eps: Positive = 1e-8
    """Added to the divisor."""

    def make(self, groups: list[dict[str, Any]], device: torch.device) -> torch.optim.Optimizer:
        """Return torch's RMSprop."""
        import torch

        return torch.optim.RMSprop(
            groups, alpha=self.alpha, momentum=self.momentum, centered=self.centered, eps=self.eps
        )


class Adafactor(Optimizer):
    """Adafactor (Shazeer and Stern, ICML 2018): a running square per row and column instead of per weight.

    Its steps are measured against the size of each weight matrix, so lr is a relative rate; 1e-3 to 1e-2 is usual.
    """

    kind: ClassVar[str] = "adafactor"
    decoupled: ClassVar[bool] = True
    rowwise: ClassVar[bool] = False
    elementwise: ClassVar[bool] = False

    beta2_decay: float = Field(default=-0.8, lt=0, allow_inf_nan=False)
    """Power of the step at which the running squares forget."""
    clip: Positive = 1.0
    """Longest root mean square of an update."""

    def make(self, groups: list[dict[str, Any]], device: torch.device) -> torch.optim.Optimizer:
        """Return torch's Adafactor."""
        import torch

        return torch.optim.Adafactor(groups, beta2_decay=self.beta2_decay, d=self.clip)


class Lion(Optimizer):
    """Lion (Chen et al., NeurIPS 2023): steps of one size, in the direction of a mean of gradients.

    Its authors advise a learning rate 3 to 10 times lower than adamw's, and weight decay as much higher.
    """

    kind: ClassVar[str] = "lion"
    decoupled: ClassVar[bool] = True

    betas: tuple[Share, Share] = (0.9, 0.99)
    """Weight of the running mean in the step, and its decay."""

    def make(self, groups: list[dict[str, Any]], device: torch.device) -> torch.optim.Optimizer:
        """Return Lion."""
        from augtune.training.lion import LionOptimizer

        return LionOptimizer(groups, betas=self.betas)


def _has_fused(device: torch.device) -> bool:
    return device.type in ("cpu", "cuda")


def _is_parted(groups: list[dict[str, Any]]) -> bool:
    """Tell whether each process has a part of the parameters; torch's fused sgd and adagrad take only whole ones."""
    return any(hasattr(parameter, "full_tensor") for group in groups for parameter in group["params"])
