"""Pooled: an encoder with a head that pools, and the parts such a head is made of.

Shapes: ``B`` rows, ``T`` tokens, ``H`` hidden units of the encoder, ``W`` of a hidden layer, ``K`` classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from augtune.model.heads import Activation, Mean, PoolingHead

__all__ = ["AttentionPool", "Hidden", "Pooled", "SwiGlu", "cls_pool", "max_pool", "mean_pool"]

# Dropout of the head where none is asked for and the encoder's configuration names none.
HEAD_DROPOUT = 0.1


def mean_pool(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean of the token vectors, ``(B, H)`` float32, of ``(B, T, H)`` and the ``(B, T)`` mask."""
    inside = mask.unsqueeze(-1).float()
    return (hidden.float() * inside).sum(dim=1) / inside.sum(dim=1)


def cls_pool(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the first token's vector, ``(B, H)`` float32, of ``(B, T, H)`` and the ``(B, T)`` mask."""
    return hidden[:, 0].float()


def max_pool(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return each unit's largest value over the tokens, ``(B, H)`` float32; padding is -inf, so it never wins."""
    outside = mask.unsqueeze(-1) == 0
    return hidden.float().masked_fill(outside, -torch.inf).amax(dim=1)


class AttentionPool(nn.Module):
    """A mean weighted by the softmax over a text's tokens of their scaled product with a learned vector.

    Args:
        units: ``H``.
    """

    def __init__(self, units: int) -> None:
        super().__init__()
        # At zero all tokens count the same: training starts from the mean.
        self.query = nn.Parameter(torch.zeros(units))

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return ``(B, H)`` float32 of ``(B, T, H)`` and the ``(B, T)`` mask."""
        exact = hidden.float()
        scores = (exact * self.query).sum(dim=-1) / math.sqrt(exact.shape[-1])
        shares = scores.masked_fill(mask == 0, -torch.inf).softmax(dim=-1)
        return (exact * shares.unsqueeze(-1)).sum(dim=1)


class SwiGlu(nn.Module):
    """``a · silu(g)`` where ``[a | g]`` are the halves of a linear layer's output (Shazeer, 2020, with a bias).

    Args:
        width: ``W``, of input and output.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, 2 * width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``(B, W)`` of ``(B, W)``."""
        value, gate = self.projection(x).chunk(2, dim=-1)
        gated: torch.Tensor = value * nn.functional.silu(gate)
        return gated


ACTIVATIONS: Mapping[Activation, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "identity": nn.Identity,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "swish": nn.SiLU,
}
POOLS: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "mean": mean_pool,
    "cls": cls_pool,
    "max": max_pool,
}


class Hidden(nn.Module):
    """The hidden layers of a head: linear, activation, dropout, as often as asked.

    Args:
        units: ``H``, of what comes in.
        width: ``W``, of every layer.
        head: How many layers, their activation, and whether they share it.
        dropout: After each layer.
    """

    def __init__(self, units: int, width: int, head: PoolingHead, dropout: float) -> None:
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(units if i == 0 else width, width) for i in range(head.layers))
        glus = (1 if head.shared else head.layers) if head.activation == "swiglu" else 0
        self.glus = nn.ModuleList(SwiGlu(width) for _ in range(glus))
        self.plain = None if glus else ACTIVATIONS[head.activation]()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``(B, W)`` of ``(B, H)``."""
        for place, linear in enumerate(self.linears):
            activation = self.plain if self.plain is not None else self.glus[min(place, len(self.glus) - 1)]
            x = self.dropout(activation(linear(x)))
        return x


class Pooled(nn.Module):
    """An encoder, pooling, and a linear layer or several.

    Args:
        encoder: A bare encoder.
        classes: ``K``.
        head: How it pools, and its hidden layers.
        dropout: Where the head names none; None: the encoder's own.
    """

    def __init__(self, encoder: Any, classes: int, head: PoolingHead, dropout: float | None = None) -> None:
        super().__init__()
        if getattr(encoder, "pooler", None) is not None:
            encoder.pooler = None  # would be computed, saved and left untrained
        self.encoder = encoder
        self.how = head.kind
        self.unit = isinstance(head, Mean) and head.unit
        rate = next(
            rate
            for rate in (head.dropout, dropout, getattr(encoder.config, "hidden_dropout_prob", None), HEAD_DROPOUT)
            if rate is not None
        )
        units = int(encoder.config.hidden_size)
        width = head.width or units
        self.attention = AttentionPool(units) if head.kind == "attention" else None
        self.hidden = Hidden(units, width, head, rate) if head.layers else None
        self.dropout = nn.Dropout(0.0 if head.layers else rate)
        self.out = nn.Linear(width if head.layers else units, classes)
        nn.init.normal_(self.out.weight, std=0.02)
        nn.init.zeros_(self.out.bias)

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return class scores ``(B, K)`` of token ids, mask and segments ``(B, T)``."""
        return self.score(self.encoder(**inputs).last_hidden_state, inputs["attention_mask"])

    def score(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return class scores ``(B, K)`` of the encoder's last hidden states ``(B, T, H)`` and the mask ``(B, T)``."""
        vectors = self.pool(hidden, mask)
        if self.hidden is not None:
            vectors = self.hidden(vectors)
        scores: torch.Tensor = self.out(self.dropout(vectors))
        return scores

    def pool(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return one vector per text, ``(B, H)`` float32, blind to padding and to the rest of the batch."""
        pooling = POOLS[self.how] if self.attention is None else self.attention
        vectors: torch.Tensor = pooling(hidden, mask)
        return nn.functional.normalize(vectors, dim=-1) if self.unit else vectors

    def head_state(self) -> dict[str, torch.Tensor]:
        """Return the head's own weights by name, on the processor."""
        return {
            name: tensor.detach().cpu().contiguous()
            for name, tensor in self.state_dict().items()
            if not name.startswith("encoder.")
        }

    def load_head_state(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put the head's own weights back.

        Args:
            tensors: What ``head_state`` gave, or just ``weight`` and ``bias`` of the linear layer, as folders of
                format 1 held them before heads had hidden layers.

        Raises:
            RuntimeError: If a weight is missing, unknown or of another shape.
        """
        named = {f"out.{name}" if name in ("weight", "bias") else name: tensor for name, tensor in tensors.items()}
        own = {f"encoder.{name}": tensor for name, tensor in self.encoder.state_dict().items()}
        self.load_state_dict({**own, **named})
