"""Training with the part of the vocabulary that the texts use: same result, without the cost of the rest.

The word table is half of a small encoder. A row no text uses gets no gradient, so all that AdamW does to it is weight
decay, a known factor; yet dense gradients and optimizer state for it are half of a step's memory traffic (on two cores
26% of a MiniLM step goes to zeroing its gradient). Here only the rows in use are there while training runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from augtune.model.batching import Encoded
from augtune.model.classifier import Classifier

__all__ = ["SmallVocabulary", "small_vocabulary"]

# Ids up to the padding token's keep their place; with a padding token further up there is nothing to gain.
HIGHEST_PAD_ID = 1000


@dataclass
class SmallVocabulary:
    """The word table in use.

    Args:
        used: ``(V,)`` token ids in use, ascending; None: the whole table stays.
        table: The module that holds the table while training runs; None: the whole table stays. A copy of the
            classifier that is trained in its place has another.
        kept: What the rows not in use have been multiplied by so far.
    """

    used: np.ndarray | None
    table: nn.Embedding | None
    kept: float = 1.0

    def renumbered(self, encoded: Encoded) -> Encoded:
        """Return the same rows, each token by its place in the table in use."""
        if self.used is None:
            return encoded
        return replace(encoded, tokens=np.searchsorted(self.used, encoded.tokens).astype(encoded.tokens.dtype))

    def decay(self, groups: Sequence[Mapping[str, Any]]) -> None:
        """Note that an optimizer step decayed the table, if it is trained.

        Args:
            groups: The optimizer's, with the learning rates of the step.
        """
        if self.table is None:
            return
        for group in groups:
            if any(parameter is self.table.weight for parameter in group["params"]):
                self.kept *= 1 - group["lr"] * group["weight_decay"]


@contextmanager
def small_vocabulary(
    classifier: Classifier, texts: Sequence[Encoded], *, cut: bool = True
) -> Iterator[SmallVocabulary]:
    """Cut the word table down to the tokens of the given texts for as long as the block runs.

    Args:
        classifier: Its table is cut, and at the end put back with the rows as they were trained.
        texts: All rows that will be computed meanwhile; ``renumbered`` turns them into what the table takes.
        cut: False leaves the table whole: for an optimizer that does more to a row without gradient than decay it.
    """
    table = classifier.encoder.get_input_embeddings()
    whole = getattr(table, "weight", None)
    if not cut or not isinstance(table, nn.Embedding) or whole is None or texts[0].pad_id > HIGHEST_PAD_ID:
        yield SmallVocabulary(None, None)
        return
    low = np.arange(texts[0].pad_id + 1, dtype=np.int64)
    used = np.unique(np.concatenate([low, *(encoded.tokens for encoded in texts)]))
    places = torch.from_numpy(used).to(whole.device)
    table.weight = nn.Parameter(whole.detach()[places], requires_grad=whole.requires_grad)
    small = SmallVocabulary(used, table)
    try:
        yield small
    finally:
        with torch.no_grad():
            whole.mul_(small.kept)
            whole[places] = table.weight.detach()
        table.weight = whole
