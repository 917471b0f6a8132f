"""Heads: how a text's token vectors become class scores.

Shapes: ``B`` rows, ``T`` tokens, ``H`` hidden units, ``K`` classes.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn

__all__ = ["Pooled", "pool"]


def pool(hidden: torch.Tensor, mask: torch.Tensor, how: Literal["mean", "cls"]) -> torch.Tensor:
    """Return one vector per text, blind to padding and to the rest of the batch.

    Args:
        hidden: ``(B, T, H)`` last hidden states.
        mask: ``(B, T)`` 1 for a token, 0 for padding.
        how: ``mean`` of the tokens or the first token's vector.

    Returns:
        ``(B, H)`` float32.
    """
    if how == "cls":
        return hidden[:, 0].float()
    inside = mask.unsqueeze(-1).float()
    return (hidden.float() * inside).sum(dim=1) / inside.sum(dim=1)


class Pooled(nn.Module):
    """An encoder, pooling, dropout and one linear layer.

    Args:
        encoder: A bare encoder.
        classes: ``K``.
        how: ``mean`` or ``cls``.
        dropout: Dropout before the linear layer.
    """

    def __init__(self, encoder: Any, classes: int, how: Literal["mean", "cls"], dropout: float) -> None:
        super().__init__()
        if getattr(encoder, "pooler", None) is not None:
            encoder.pooler = None  # would be computed, saved and left untrained
        self.encoder = encoder
        self.how = how
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(encoder.config.hidden_size, classes)
        nn.init.normal_(self.out.weight, std=0.02)
        nn.init.zeros_(self.out.bias)

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return class scores ``(B, K)`` of token ids, mask and segments ``(B, T)``."""
        hidden = self.encoder(**inputs).last_hidden_state
        scores: torch.Tensor = self.out(self.dropout(pool(hidden, inputs["attention_mask"], self.how)))
        return scores
