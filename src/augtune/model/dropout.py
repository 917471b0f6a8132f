"""Dropout on a processor: masks from a fast, named random stream instead of torch's one number at a time.

On two cores torch spends 11% of a MiniLM training step on drawing dropout masks, in one thread. Here one 64-bit draw
of numpy's SFC64 decides over four units, at the wanted probability to within 1/65536, and is part of no global state.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

__all__ = ["MaskSource", "StreamDropout", "stream_dropout"]

NAME = "augtune_sdpa"
LEVELS = 2**16


class MaskSource:
    """Where dropout masks come from.

    Args:
        seed: Of the stream.
    """

    def __init__(self, seed: int) -> None:
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Start another stream."""
        self._bits = np.random.SFC64(seed)

    @property
    def state(self) -> np.ndarray:
        """Where the stream stands, ``(4,)`` int64: the same state, the same masks from there on."""
        words: np.ndarray = self._bits.state["state"]["state"]
        return words.view(np.int64).copy()

    @state.setter
    def state(self, words: np.ndarray) -> None:
        whole = self._bits.state
        self._bits.state = {**whole, "state": {"state": np.asarray(words, dtype=np.int64).view(np.uint64)}}

    def mask(self, like: torch.Tensor, p: float) -> torch.Tensor:
        """Return a tensor of the given shape and type: 0 with probability ``p``, else 1 over the share kept."""
        count = like.numel()
        draws = self._bits.random_raw(-(-count // 4)).view(np.uint16)[:count]
        level = round(p * LEVELS)
        kept = torch.from_numpy(draws >= level).view(like.shape)
        return kept.to(like.dtype).mul_(LEVELS / (LEVELS - level))


class StreamDropout(nn.Module):
    """Dropout whose masks come from a ``MaskSource``.

    Args:
        p: Probability of 0.
        source: Where masks come from.
    """

    def __init__(self, p: float, source: MaskSource) -> None:
        super().__init__()
        self.p = p
        self.source = source

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``x`` with units dropped in training, as it is otherwise."""
        if not self.training or self.p == 0:
            return x
        return x * self.source.mask(x, self.p)


def _attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **rest: Any,
) -> tuple[torch.Tensor, None]:
    """Attend as transformers' ``sdpa`` does, but for the source of the dropout mask; without dropout, by ``sdpa``.

    Query, key and value are ``(B, heads, T, H / heads)``; returns ``(B, T, heads, H / heads)``.
    """
    drop = getattr(module, "dropout", None)
    plain = not any(rest.get(name) is not None for name in ("position_bias", "softcap", "cache"))
    if not plain or scaling is None or dropout == 0 or not isinstance(drop, StreamDropout) or key.shape != query.shape:
        found: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **rest
        )
        return found
    scores = torch.matmul(query * scaling, key.transpose(2, 3)).float()
    if attention_mask is not None and attention_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
    elif attention_mask is not None:
        scores = scores + attention_mask
    shares = scores.softmax(dim=-1).to(value.dtype)
    shares = shares * drop.source.mask(shares, dropout)
    return torch.matmul(shares, value).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, _attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


@contextmanager
def stream_dropout(net: Any, encoder: Any, source: MaskSource) -> Iterator[None]:
    """Draw the dropout masks of a model from ``source`` for as long as the block runs.

    Args:
        net: Every ``nn.Dropout`` in it is exchanged, and put back at the end.
        encoder: The encoder in it; one whose attention is exchangeable gets masks for attention too.
        source: Where masks come from.
    """
    swapped = [
        (parent, name, child)
        for parent in net.modules()
        for name, child in parent.named_children()
        if type(child) is nn.Dropout
    ]
    own_attention = (
        getattr(encoder, "_supports_attention_backend", False) and encoder.config._attn_implementation == "sdpa"
    )
    for parent, name, child in swapped:
        setattr(parent, name, StreamDropout(child.p, source).train(child.training))
    try:
        if own_attention:
            encoder.set_attn_implementation(NAME)
        yield
    finally:
        if own_attention:
            encoder.set_attn_implementation("sdpa")
        for parent, name, child in swapped:
            setattr(parent, name, child)
