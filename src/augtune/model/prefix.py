"""Frozen lower layers, computed once: what comes out of them is kept, and epochs run on what was kept.

Where the lowest ``m`` layers are not trained, they give the same vectors for a text in every epoch (they run without
dropout), so a stage of several epochs computes them once, in large batches of like length, and afterwards only the
layers above. Shapes: ``N`` rows, ``B`` rows of a batch, ``T`` tokens, ``H`` hidden units.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from augtune.core.errors import InputError
from augtune.model.batching import Batch, Encoded, length_batches
from augtune.model.classifier import Classifier
from augtune.model.encoder import layers_of
from augtune.model.precision import Precision

__all__ = ["PrefixCache", "frozen_layers", "prefix_cache"]

# What may be kept, in bytes; a larger set of rows is computed anew in every step.
MOST_BYTES = 2 * 2**30
BATCH = 64


def frozen_layers(classifier: Classifier) -> int:
    """Return how many layers, counted from the lowest, lie below everything that is trained in the encoder."""
    if any(parameter.requires_grad for parameter in _below_layers(classifier)):
        return 0
    layers = list(layers_of(classifier.encoder))
    trained = [any(parameter.requires_grad for parameter in layer.parameters()) for layer in layers]
    return trained.index(True) if any(trained) else len(layers)


def _below_layers(classifier: Classifier) -> list[nn.Parameter]:
    """Return the encoder's parameters that are in no layer and no pooler: embeddings and what surrounds them."""
    encoder = classifier.encoder
    above = [layers_of(encoder), getattr(encoder, "pooler", None)]
    known = {id(parameter) for module in above if module is not None for parameter in module.parameters()}
    return [parameter for parameter in encoder.parameters() if id(parameter) not in known]


def prefix_cache(
    classifier: Classifier, encoded: Encoded, rows: np.ndarray, *, uses: int, precision: Precision
) -> PrefixCache | None:
    """Return what the frozen lower layers make of the given rows, or None where keeping it would not pay.

    Args:
        classifier: With ``requires_grad`` as it will be trained.
        encoded: ``N`` tokenised rows.
        rows: Positions of the rows that training will use.
        uses: Rows that training will compute, repetitions counted; keeping pays from the second time on.
        precision: Number format of the forward pass.
    """
    if uses <= len(rows) or all(parameter.requires_grad for parameter in classifier.parameters()):
        return None
    try:
        depth = frozen_layers(classifier)
    except InputError:  # a layout that is not known is trained without
        return None
    size = int(encoded.lengths[rows].sum()) * int(classifier.encoder.config.hidden_size) * 4
    if depth == 0 or size > MOST_BYTES:
        return None
    cache = PrefixCache(classifier, depth)
    cache.fill(encoded, rows, precision)
    return cache


class PrefixCache:
    """Hidden states below the first trained layer.

    Args:
        classifier: Whose encoder it stands in for.
        depth: Layers it replaces, counted from the lowest.
    """

    def __init__(self, classifier: Classifier, depth: int) -> None:
        self._classifier = classifier
        self._layers = layers_of(classifier.encoder)
        self._stand_in = _StandIn(self._layers[depth - 1])
        self._above = list(self._layers)[depth:]
        self._below = list(self._layers)[:depth]
        self._kept = torch.zeros(0)
        self._starts = np.zeros(0, dtype=np.int64)

    def fill(self, encoded: Encoded, rows: np.ndarray, precision: Precision) -> None:
        """Compute and keep the hidden states of the given rows."""
        lengths = np.zeros(len(encoded), dtype=np.int64)
        lengths[rows] = encoded.lengths[rows]
        self._starts = np.concatenate([[0], np.cumsum(lengths)])
        device = self._classifier.device
        last: list[torch.Tensor] = []

        def take(_module: nn.Module, _inputs: Any, output: Any) -> None:
            self._stand_in.beside = len(output) - 1 if isinstance(output, tuple) else None
            last.append(output[0] if isinstance(output, tuple) else output)

        hook = self._below[-1].register_forward_hook(take)
        try:
            with self._only(self._below), torch.no_grad(), precision.active(device):
                for chosen in length_batches(encoded.lengths[rows], batch_size=BATCH):
                    batch = encoded.batch(rows[chosen])
                    inputs = {name: tensor.to(device) for name, tensor in batch.inputs.items()}
                    self._classifier.encoder(**inputs)
                    self._keep(batch, last.pop())
        finally:
            hook.remove()

    def _keep(self, batch: Batch, hidden: torch.Tensor) -> None:
        if not len(self._kept):
            self._kept = hidden.new_zeros(int(self._starts[-1]), hidden.shape[-1])
        inside = batch.inputs["attention_mask"].bool().to(hidden.device)
        self._kept[self._places(batch.rows).to(hidden.device)] = hidden[inside]

    def _places(self, rows: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.concatenate([np.arange(self._starts[r], self._starts[r + 1]) for r in rows]))

    @contextmanager
    def serving(self, batch: Batch) -> Iterator[None]:
        """Let the encoder start from what was kept of a batch's rows, for as long as the block runs."""
        mask = batch.inputs["attention_mask"].bool().to(self._kept.device)
        hidden = self._kept.new_zeros(*mask.shape, self._kept.shape[-1])
        hidden[mask] = self._kept[self._places(batch.rows).to(self._kept.device)]
        self._stand_in.hidden = hidden
        with self._only([self._stand_in, *self._above]):
            yield

    @contextmanager
    def _only(self, layers: list[nn.Module]) -> Iterator[None]:
        """Make the encoder's list of layers the given ones; whichever of its modules holds that list."""
        encoder = self._classifier.encoder
        parent, name = next(
            (module, name)
            for module in encoder.modules()
            for name, child in module.named_children()
            if child is self._layers
        )
        setattr(parent, name, nn.ModuleList(layers))
        try:
            yield
        finally:
            setattr(parent, name, self._layers)


class _StandIn(nn.Module):
    """Takes the place of the frozen layers: whatever comes in, the kept hidden states come out.

    Args:
        layer: The highest frozen layer; what the encoder asks of a layer is asked of it.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        # Not registered as a child: its parameters are not those of the stand-in.
        object.__setattr__(self, "_layer", layer)
        self.hidden = torch.zeros(0)
        self.beside: int | None = None  # what a layer returns in a tuple after its hidden states, e.g. attention

    def forward(self, *_args: Any, **_kwargs: Any) -> Any:
        return self.hidden if self.beside is None else (self.hidden, *[None] * self.beside)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(object.__getattribute__(self, "_layer"), name)
