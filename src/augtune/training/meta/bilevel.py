"""Bilevel weights (SunGen): rows count more if training on them lowers a loss that forgives wrong labels.

Inner loop: a small classifier, drawn anew, is trained on the weighted rows. Outer loop: a virtual Adam step of that
classifier is differentiated, second order, with respect to every row's weight.

Shapes: ``N`` rows, ``M`` rows of the outer loss, ``K`` classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from augtune.training.meta.virtual import Moments, adam_step, moments_of

__all__ = ["Bilevel", "outer_loss"]

# The target of the outer loss: a softmax over the label's one-hot row times this.
SHARPNESS = 10.0


def outer_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return SunGen's noise-robust loss of each row, reverse cross-entropy ``-sum_k p_k log t_k``.

    ``t`` is the softmax of 10 times the target, so a row costs about 10 times the probability its label does not get:
    at most 10, however wrong the label.

    Args:
        logits: ``(M, K)``.
        targets: ``(M, K)`` rows that sum to 1.

    Returns:
        ``(M,)``.
    """
    return -(logits.softmax(dim=-1) * (SHARPNESS * targets).log_softmax(dim=-1)).sum(dim=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Bilevel:
    """How weights are learned.

    Args:
        make: Returns a new inner classifier, drawn from torch's current random state.
        inputs: ``(N, ...)`` what it sees of the weighted rows.
        targets: ``(N, K)`` their labels.
        outer_inputs: ``(M, ...)`` what it sees of the rows of the outer loss.
        outer_targets: ``(M, K)`` their labels.
        lr: Learning rate of the inner classifier's Adam.
        epochs: Passes of the inner training.
        batch_size: Rows per inner step.
    """

    make: Callable[[], nn.Module]
    inputs: torch.Tensor
    targets: torch.Tensor
    outer_inputs: torch.Tensor
    outer_targets: torch.Tensor
    lr: float = 1e-3
    epochs: int = 1
    batch_size: int = 64

    def trained(self, weights: torch.Tensor, chance: torch.Generator) -> tuple[nn.Module, list[Moments]]:
        """Return a new inner classifier trained on the weighted rows, and what its Adam remembers."""
        model = self.make().train()
        parameters = list(model.parameters())
        optimizer = torch.optim.Adam(parameters, lr=self.lr)
        for _ in range(self.epochs):
            order = torch.randperm(len(self.inputs), generator=chance)
            for rows in torch.split(order, self.batch_size):
                loss = (weights[rows] * self._costs(model(self.inputs[rows]), rows)).mean()
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
        return model, moments_of(optimizer, parameters)

    def _costs(self, logits: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return -(self.targets[rows] * logits.log_softmax(dim=-1)).sum(dim=-1)

    def gradient(
        self, weights: torch.Tensor, model: nn.Module, moments: list[Moments], rows: torch.Tensor, outer: torch.Tensor
    ) -> torch.Tensor:
        """Return the gradient of the outer loss in the weights of some rows, through one virtual step on those rows.

        Args:
            weights: ``(N,)``.
            model: The inner classifier.
            moments: Of its parameters.
            rows: Rows the virtual step is taken on.
            outer: Rows of the outer loss.
        """
        chosen = weights[rows].detach().requires_grad_()
        named = dict(model.named_parameters())
        inner = (chosen * self._costs(model(self.inputs[rows]), rows)).mean()
        gradients = torch.autograd.grad(inner, list(named.values()), create_graph=True)
        moved = {
            name: parameter.detach() + adam_step(gradient, memory, lr=self.lr)
            for (name, parameter), gradient, memory in zip(named.items(), gradients, moments, strict=True)
        }
        logits = torch.func.functional_call(model, moved, (self.outer_inputs[outer],))
        loss = outer_loss(logits, self.outer_targets[outer]).mean()
        return torch.autograd.grad(loss, chosen)[0]
