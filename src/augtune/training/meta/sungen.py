"""SunGen's weights for the rows of a dataset: inner classifiers and outer loop (Gao et al., ICLR 2023).

Shapes: ``N`` rows, ``H`` features, ``T`` tokens, ``K`` classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from augtune.core.dataset import Dataset
from augtune.core.seeds import derive
from augtune.model.batching import encode
from augtune.model.encoder import load_tokenizer
from augtune.training.meta.bilevel import Bilevel
from augtune.training.probe import features

if TYPE_CHECKING:
    from augtune.training.recipes.sungen import SunGen

__all__ = ["Lstm", "learn"]

# What the paper clips the gradient of the weights to.
MOST_GRADIENT = 3.0
EMBEDDING, HIDDEN = 100, 300
MLP_HIDDEN = 64
# Tokens the bi-LSTM reads of a text.
LSTM_TOKENS = 64


class Lstm(nn.Module):
    """SunGen's inner classifier: a bi-LSTM over word pieces, its states averaged over the text.

    Args:
        words: Size of the vocabulary.
        classes: ``K``.
        padding: Token id of padding.
    """

    def __init__(self, words: int, classes: int, padding: int) -> None:
        super().__init__()
        self.padding = padding
        self.words = nn.Embedding(words, EMBEDDING)
        self.lstm = nn.LSTM(EMBEDDING, HIDDEN, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * HIDDEN, classes)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return class scores ``(B, K)`` of token ids ``(B, T)``."""
        inside = tokens != self.padding
        packed = pack_padded_sequence(
            self.words(tokens), inside.sum(dim=1), batch_first=True, enforce_sorted=False
        )  # fmt: skip
        states, lengths = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        pooled = states.sum(dim=1) / lengths[:, None]
        scores: torch.Tensor = self.out(pooled)
        return scores


def learn(recipe: SunGen, weighed: Dataset, outer: Dataset, encoder: str, seed: int) -> np.ndarray:
    """Return the learned weight of each row, ``(N,)`` in [0, 1], or in [0, upper] without the sigmoid.

    Args:
        recipe: How.
        weighed: The ``N`` rows.
        outer: Rows of the outer loss.
        encoder: Whose sentence vectors, or whose word pieces, the inner classifier sees.
        seed: Of the training.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "sungen"))
        chance = torch.Generator().manual_seed(derive(seed, "sungen", "rows"))
        task = _task(recipe, weighed, outer, encoder)
        start = torch.zeros(len(weighed)) if recipe.sigmoid else torch.ones(len(weighed))
        theta = start.requires_grad_()
        optimizer = torch.optim.Adam([theta], lr=recipe.outer_lr)
        for _ in range(recipe.iterations):
            weights = theta.detach().sigmoid() if recipe.sigmoid else theta.detach()
            model, moments = task.trained(weights, chance)
            rows, tested = (_some(len(part), recipe.outer_rows, chance) for part in (weighed, outer))
            gradient = torch.zeros_like(weights)
            gradient[rows] = task.gradient(weights, model, moments, rows, tested)
            theta.grad = gradient * weights * (1 - weights) if recipe.sigmoid else gradient
            nn.utils.clip_grad_norm_([theta], MOST_GRADIENT)
            optimizer.step()
            if not recipe.sigmoid:
                theta.data.clamp_(0, recipe.upper)
        found = theta.detach().sigmoid() if recipe.sigmoid else theta.detach()
    return np.asarray(found.double().numpy())


def _some(rows: int, most: int | None, chance: torch.Generator) -> torch.Tensor:
    order = torch.randperm(rows, generator=chance)
    return order if most is None else order[:most]


def _task(recipe: SunGen, weighed: Dataset, outer: Dataset, encoder: str) -> Bilevel:
    classes = len(weighed.labels)
    both = (weighed, outer)
    if recipe.inner == "lstm":
        tokenizer = load_tokenizer(encoder)
        tables = [_tokens(tokenizer, rows) for rows in both]
        words, padding = len(tokenizer), int(tokenizer.pad_token_id)
    else:
        # Vectors of length 1 have units of 1 / sqrt(H); Adam's steps are for units of about 1.
        tables = [torch.from_numpy(_scaled(features(rows, encoder))).float() for rows in both]
        words = padding = 0
    width = tables[0].shape[1]

    def make() -> nn.Module:
        if recipe.inner == "lstm":
            return Lstm(words, classes, padding)
        if recipe.inner == "mlp":
            return nn.Sequential(nn.Linear(width, MLP_HIDDEN), nn.ReLU(), nn.Linear(MLP_HIDDEN, classes))
        return nn.Linear(width, classes)

    targets = [torch.from_numpy(rows.targets()).float() for rows in both]
    return Bilevel(
        make, tables[0], targets[0], tables[1], targets[1],
        lr=recipe.inner_lr, epochs=recipe.inner_epochs, batch_size=recipe.inner_batch,
    )  # fmt: skip


def _scaled(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors * np.sqrt(vectors.shape[1]))


def _tokens(tokenizer: object, rows: Dataset) -> torch.Tensor:
    encoded = encode(tokenizer, rows.texts, rows.text_pairs, max_length=LSTM_TOKENS)
    return encoded.batch(np.arange(len(rows))).inputs["input_ids"]
