"""Mixing: two rows become one inside the encoder, and their targets with them. Loads without torch.

Each class is its settings and draws what is mixed with what; ``model/mixed.py`` does it to a batch.

Shapes: ``B`` rows of a batch, ``L`` layers of the encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from augtune.core.errors import SettingsError
from augtune.core.settings import Settings

__all__ = ["INPUT", "Mix", "Mixing", "Mixup", "TMix"]

# The place below layer 0: what the embeddings hand to it.
INPUT = -1
# Of 12 layers MixText mixes after the 7th, 9th and 12th, counted from 1.
MIXTEXT_LAYERS, MIXTEXT_DEPTH = (7, 9, 12), 12


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """What is mixed with what in one batch.

    Args:
        partners: ``(B,)`` place in the batch of each row's partner.
        shares: ``(B,)`` float32 in [0, 1], what each row keeps of itself (lambda); the partner has the rest.
        layer: The layer, from 0, whose output is mixed; -1: what goes into layer 0.
    """

    partners: np.ndarray
    shares: np.ndarray
    layer: int


class Mixing(Settings):
    """Base of the ways of mixing: who meets whom, and in which shares."""

    alpha: float = Field(default=0.75, gt=0, allow_inf_nan=False)
    """A row's share is drawn from Beta(alpha, alpha): near 0 it is all or nothing, at 1 uniform, large near a half."""
    draws: Literal["row", "batch"] = "row"
    """Draw a share for each row, or one for the whole batch, as MixText does."""
    keep_larger: bool = True
    """Take the larger of share and rest, as MixText does, so that every row stays mostly itself."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Share of the rows that are mixed; the others are trained on as they are."""

    def places(self, depth: int) -> tuple[int, ...]:
        """Return the places to choose from: layers from 0 whose output is mixed, or -1, the input of layer 0.

        Args:
            depth: ``L``.

        Raises:
            SettingsError: If a place asked for is not in the encoder.
        """
        raise NotImplementedError

    def draw(self, rows: int, depth: int, chance: np.random.Generator) -> Mix:
        """Return what is mixed in a batch.

        Args:
            rows: ``B``.
            depth: ``L``.
            chance: Where chance comes from.
        """
        places = self.places(depth)
        layer = places[int(chance.integers(len(places)))]
        partners = chance.permutation(rows)
        drawn = chance.beta(self.alpha, self.alpha, size=rows if self.draws == "row" else 1)
        shares = np.broadcast_to(np.maximum(drawn, 1 - drawn) if self.keep_larger else drawn, rows)
        if self.share < 1:
            shares = np.where(chance.random(rows) < self.share, shares, 1.0)
        return Mix(partners, shares.astype(np.float32), layer)


class TMix(Mixing):
    """Mix the hidden states of two rows in a layer drawn anew for each batch (Chen et al., MixText, ACL 2020).

    State and target are both lambda times the row's and 1 - lambda times its partner's.
    """

    kind: ClassVar[str] = "tmix"

    layers: Literal["auto"] | list[Annotated[int, Field(ge=0)]] = "auto"
    """Layers whose output may be mixed, counted from 0, so the last of 12 is 11. auto: as high in the encoder as
    MixText's 7th, 9th and 12th of 12 layers."""

    @field_validator("layers")
    @classmethod
    def _some(cls, value: str | list[int]) -> str | list[int]:
        if not value:
            raise ValueError("expected auto or at least one layer")
        return value

    def places(self, depth: int) -> tuple[int, ...]:
        """Return the layers to choose from.

        Raises:
            SettingsError: If one is beyond the last.
        """
        if isinstance(self.layers, str):
            return tuple(sorted({-(-layer * depth // MIXTEXT_DEPTH) - 1 for layer in MIXTEXT_LAYERS}))
        beyond = [layer for layer in self.layers if layer >= depth]
        if beyond:
            raise SettingsError(
                f"mix.layers: the encoder has {depth} layers, counted from 0: expected 0 to {depth - 1}, "
                f"got {', '.join(map(str, beyond))}"
            )
        return tuple(self.layers)


class Mixup(Mixing):
    """Mix the embeddings of two rows, token by token, before the first layer (Guo et al., 2019; Zhang et al., 2018)."""

    kind: ClassVar[str] = "mixup"

    def places(self, depth: int) -> tuple[int, ...]:
        """Return the one place: what goes into layer 0."""
        return (INPUT,)
