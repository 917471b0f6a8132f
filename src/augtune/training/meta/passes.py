"""Losses of some rows and their gradients in some parameters, as often as wanted, with the encoder run once if it may.

Shapes: ``M`` rows, ``C`` of them, ``K`` classes, ``P`` a parameter's own shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from augtune.model.batching import Encoded, length_batches
from augtune.model.classifier import Classifier
from augtune.model.losses import Loss, LossBatch
from augtune.model.precision import Precision

__all__ = ["Cost", "KnownRows", "Passes"]

# Rows computed at once.
BATCH = 64


@dataclass(frozen=True, slots=True)
class KnownRows:
    """Some tokenised rows and their targets.

    Args:
        encoded: Tokenised rows.
        targets: ``(rows, K)`` of all of ``encoded``.
        positions: ``(M,)`` which of them are meant.
    """

    encoded: Encoded
    targets: torch.Tensor
    positions: np.ndarray


@dataclass(frozen=True, slots=True)
class Cost:
    """What a row costs.

    Args:
        loss: The loss.
        counts: ``(K,)`` class counts it may need.
        precision: Number format of the encoder, where it is run once.
    """

    loss: Loss
    counts: torch.Tensor
    precision: Precision


class Passes:
    """Losses and gradients of rows.

    Args:
        classifier: In evaluation mode, with gradients asked for of the parameters meant.
        known: The ``M`` rows.
        cost: What each costs.
        encoded_once: Whether the encoder's output is kept, because none of its parameters will move.
    """

    def __init__(self, classifier: Classifier, known: KnownRows, cost: Cost, *, encoded_once: bool) -> None:
        self._classifier, self._known, self._cost = classifier, known, cost
        self._encoded_once, self._device = encoded_once, classifier.device
        batches = length_batches(known.encoded.lengths[known.positions], batch_size=BATCH)
        self._parts = [(places, self._inputs(places)) for places in batches]
        self._outputs = [self._output(inputs) if encoded_once else None for _, inputs in self._parts]

    def _inputs(self, places: np.ndarray) -> dict[str, torch.Tensor]:
        inputs = self._known.encoded.batch(self._known.positions[places]).inputs
        return {name: tensor.to(self._device) for name, tensor in inputs.items()}

    def _output(self, inputs: dict[str, torch.Tensor]) -> Any:
        """Return the encoder's output in float32, without a graph."""
        kept: list[Any] = []
        hook = self._classifier.encoder.register_forward_hook(lambda _module, _given, output: kept.append(output))
        try:
            with torch.no_grad(), self._cost.precision.active(self._device):
                self._classifier(inputs)
        finally:
            hook.remove()
        output = kept[0]
        for name, value in output.items():
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                output[name] = value.float()
        return output

    def _costs(self, places: np.ndarray, inputs: dict[str, torch.Tensor], output: Any = None) -> torch.Tensor:
        with nullcontext() if output is None else _serving(self._classifier.encoder, output):
            logits = self._classifier(inputs)
        targets = self._known.targets[torch.from_numpy(self._known.positions[places])].to(self._device)
        return self._cost.loss.per_row(logits, LossBatch(targets=targets, class_counts=self._cost.counts))

    def gradients_by_row(self, chosen: np.ndarray, parameters: list[nn.Parameter]) -> list[torch.Tensor]:
        """Return each row's own gradient, ``(C, P)`` for each parameter.

        Args:
            chosen: ``(C,)`` places among the rows, rising.
            parameters: Of what.
        """
        if not self._encoded_once:
            alone = [_gradients(self._costs(one, self._inputs(one)).sum(), parameters) for one in chosen[:, None]]
            return [torch.stack(found) for found in zip(*alone, strict=True)]
        found: list[list[torch.Tensor]] = [[] for _ in parameters]
        order: list[np.ndarray] = []
        for (places, inputs), output in zip(self._parts, self._outputs, strict=True):
            inside = np.flatnonzero(np.isin(places, chosen))
            if not len(inside):
                continue
            costs = self._costs(places, inputs, output)[torch.from_numpy(inside)]
            each = torch.eye(len(inside), dtype=costs.dtype, device=costs.device)
            for kept, gradient in zip(found, _gradients(costs, parameters, each), strict=True):
                kept.append(gradient)
            order.append(places[inside])
        back = torch.from_numpy(np.argsort(np.concatenate(order))).to(self._device)
        return [torch.cat(kept)[back] for kept in found]

    def gradient(self, parameters: list[nn.Parameter]) -> list[torch.Tensor]:
        """Return the gradient of the mean loss of all rows, ``P`` for each parameter."""
        totals = [torch.zeros_like(parameter) for parameter in parameters]
        for (places, inputs), output in zip(self._parts, self._outputs, strict=True):
            cost = self._costs(places, inputs, output).sum() / len(self._known.positions)
            for total, gradient in zip(totals, _gradients(cost, parameters), strict=True):
                total.add_(gradient)
        return totals


def _gradients(
    costs: torch.Tensor, parameters: list[nn.Parameter], each: torch.Tensor | None = None
) -> tuple[torch.Tensor, ...]:
    """Return gradients of a scalar, or by row of several; zeros for a parameter that has no part in it."""
    return torch.autograd.grad(
        costs, parameters, each, is_grads_batched=each is not None, allow_unused=True, materialize_grads=True
    )


@contextmanager
def _serving(encoder: nn.Module, output: Any) -> Iterator[None]:
    """Have the encoder return what it returned before, whatever it is given."""
    encoder.forward = lambda *_given, **_named: output
    try:
        yield
    finally:
        del encoder.forward
