"""Heads: how a text's token vectors become class scores; each class is its settings. Loads without torch.

A head that pools makes one vector of a text's tokens and scores the classes by one linear layer, or by hidden layers
and a linear one. What computes it is in ``pooled.py``.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from augtune.core.errors import SettingsError
from augtune.core.settings import Settings

__all__ = ["Activation", "Attention", "Cls", "Head", "Max", "Mean", "Own", "PoolingHead"]

Activation = Literal["tanh", "relu", "sigmoid", "identity", "leaky_relu", "gelu", "silu", "swish", "swiglu"]


class Head(Settings):
    """Base of the heads."""


class Own(Head):
    """The head transformers gives this encoder, so that its text-classification pipeline reads a saved folder."""

    kind: ClassVar[str] = "own"


class PoolingHead(Head):
    """Base of the heads that pool: one vector per text, then hidden layers if wanted, then a linear layer.

    With ``layers: 2, width: 1024, activation: swiglu, shared: true, dropout: 0.3`` a ``mean`` head is that of the
    published ELECTRA sentiment classifiers.
    """

    layers: int = Field(default=0, ge=0)
    """Hidden layers between the pooled vector and the scores; 0: one linear layer."""
    width: int | None = Field(default=None, ge=1)
    """Units of each hidden layer; None: as many as the encoder has."""
    activation: Activation = "gelu"
    """What follows each hidden layer; swiglu: a · silu(g) with [a | g] = a linear layer to twice the width."""
    shared: bool = False
    """One swiglu layer for all hidden layers instead of one for each."""
    dropout: float | None = Field(default=None, ge=0, lt=1)
    """Dropout after each hidden layer, or on the pooled vector if there is none; None: train.dropout."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not self.layers and (self.width is not None or self.activation != "gelu" or self.shared):
            raise SettingsError("layers: width, activation and shared need at least 1 hidden layer, got 0")
        if self.shared and self.activation != "swiglu":
            raise SettingsError(f"shared: only swiglu has weights that layers can share, not {self.activation}")
        return self


class Mean(PoolingHead):
    """The mean of the token vectors."""

    kind: ClassVar[str] = "mean"

    unit: bool = False
    """Scale the mean to length 1, as sentence encoders do."""


class Cls(PoolingHead):
    """The first token's vector."""

    kind: ClassVar[str] = "cls"


class Max(PoolingHead):
    """The largest value of each unit over the tokens."""

    kind: ClassVar[str] = "max"


class Attention(PoolingHead):
    """A mean weighted by how well each token vector agrees with a learned one; it starts as the plain mean."""

    kind: ClassVar[str] = "attention"
