"""Texts to batches: tokenised once, rows of like length side by side, padded to the longest of the batch only.

Shapes: ``N`` rows, ``B`` rows of a batch, ``T`` tokens of its longest row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from augtune.core.errors import DataError

__all__ = ["Batch", "Encoded", "encode", "length_batches", "training_batches"]

# Rows are sorted by length inside windows of this many batches: near the least padding there can be, while which
# rows meet in a batch still changes every epoch.
WINDOW_BATCHES = 16


@dataclass(frozen=True, slots=True)
class Batch:
    """Model inputs of some rows.

    Args:
        rows: ``(B,)`` positions in the dataset.
        inputs: ``input_ids``, ``attention_mask`` and, where the model knows them, ``token_type_ids``: ``(B, T)`` each.
    """

    rows: np.ndarray
    inputs: dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Tokenised rows, end to end in flat arrays.

    Args:
        tokens: Token ids of all rows.
        types: Segment of each token, or None where the model knows no segments.
        starts: ``(N + 1,)`` where each row's tokens start.
        truncated: ``(N,)`` True for a row that was longer than the model.
        pad_id: Token id to pad with.
        max_length: Longest row allowed, in tokens.
    """

    tokens: np.ndarray
    types: np.ndarray | None
    starts: np.ndarray
    truncated: np.ndarray
    pad_id: int
    max_length: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, ``(N,)``."""
        return np.diff(self.starts)

    def batch(self, rows: np.ndarray, *, multiple: int = 1) -> Batch:
        """Return the given rows as one batch.

        Args:
            rows: ``(B,)`` positions.
            multiple: Pad to a multiple of this many tokens (GPUs like 8), never beyond ``max_length``.
        """
        lengths = self.lengths[rows]
        longest = int(lengths.max())
        width = max(longest, min(-(-longest // multiple) * multiple, self.max_length))
        inside = np.arange(width) < lengths[:, None]
        places = np.concatenate([np.arange(self.starts[r], self.starts[r + 1]) for r in rows])
        tokens = np.full(inside.shape, self.pad_id, dtype=np.int64)
        tokens[inside] = self.tokens[places]
        inputs = {"input_ids": torch.from_numpy(tokens), "attention_mask": torch.from_numpy(inside.astype(np.int64))}
        if self.types is not None:
            types = np.zeros(inside.shape, dtype=np.int64)
            types[inside] = self.types[places]
            inputs["token_type_ids"] = torch.from_numpy(types)
        return Batch(rows, inputs)


def encode(
    tokenizer: Any, texts: Sequence[str], pairs: Sequence[str | None] | None = None, *, max_length: int
) -> Encoded:
    """Tokenise all rows at once; a row that is too long loses tokens from the end of its longer text.

    Args:
        tokenizer: Of the encoder.
        texts: ``N`` first texts.
        pairs: Second texts; None for single texts.
        max_length: Tokens to keep at most, special ones included.

    Raises:
        DataError: If some rows have a second text and others have none.
    """
    second = _second_texts(pairs)
    segments = "token_type_ids" in tokenizer.model_input_names
    tokens, types = _tokenise(tokenizer, list(texts), second, None, segments)
    long = [i for i, row in enumerate(tokens) if len(row) > max_length]
    if long:
        cut = _tokenise(tokenizer, [texts[i] for i in long], second and [second[i] for i in long], max_length, segments)
        for place, row, row_types in zip(long, *cut, strict=True):
            tokens[place], types[place] = row, row_types
    truncated = np.zeros(len(texts), dtype=bool)
    truncated[long] = True
    return Encoded(
        tokens=_flat(tokens),
        types=_flat(types) if segments else None,
        starts=np.concatenate([[0], np.cumsum([len(row) for row in tokens], dtype=np.int64)]),
        truncated=truncated,
        pad_id=int(tokenizer.pad_token_id),
        max_length=max_length,
    )


def _second_texts(pairs: Sequence[str | None] | None) -> list[str] | None:
    if pairs is None or all(pair is None for pair in pairs):
        return None
    texts = [pair for pair in pairs if pair is not None]
    if len(texts) != len(pairs):
        row = next(i for i, pair in enumerate(pairs) if pair is None)
        raise DataError(f"row {row} has no second text, others have one; a task is either on pairs or on single texts.")
    return texts


def _tokenise(
    tokenizer: Any, texts: list[str], pairs: list[str] | None, limit: int | None, segments: bool
) -> tuple[list[list[int]], list[list[int]]]:
    if not texts:
        return [], []
    cut: dict[str, Any] = {} if limit is None else {"truncation": "longest_first", "max_length": limit}
    found = tokenizer(
        texts, pairs, add_special_tokens=True, return_attention_mask=False, return_token_type_ids=segments,
        verbose=False, **cut,
    )  # fmt: skip
    tokens = list(found["input_ids"])
    return tokens, list(found["token_type_ids"]) if segments else [[] for _ in tokens]


def _flat(rows: list[list[int]]) -> np.ndarray:
    return np.concatenate([np.asarray(row, dtype=np.int32) for row in rows]) if rows else np.zeros(0, dtype=np.int32)


def training_batches(
    lengths: np.ndarray, *, batch_size: int, steps: int, generator: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yield exactly ``steps`` batches of exactly ``batch_size`` rows, epoch after epoch, each shuffled anew.

    Every epoch visits every row once. It is cut into windows, a window is sorted by length and cut into batches, and
    the batches come in random order; what does not fill a batch opens the next epoch.

    Args:
        lengths: ``(N,)`` tokens of each row.
        batch_size: ``B``.
        steps: Batches to yield.
        generator: Where chance comes from.

    Yields:
        ``(B,)`` row positions.
    """
    left = np.zeros(0, dtype=np.int64)
    done = 0
    while done < steps:
        epoch = np.concatenate([left, generator.permutation(len(lengths))])
        full = len(epoch) // batch_size * batch_size
        left = epoch[full:]
        batches = _windows(epoch[:full], lengths, batch_size)
        for place in generator.permutation(len(batches))[: steps - done]:
            yield batches[place]
            done += 1


def _windows(rows: np.ndarray, lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    batches: list[np.ndarray] = []
    for start in range(0, len(rows), batch_size * WINDOW_BATCHES):
        window = rows[start : start + batch_size * WINDOW_BATCHES]
        window = window[np.argsort(lengths[window], kind="stable")]
        batches.extend(window[i : i + batch_size] for i in range(0, len(window), batch_size))
    return batches


def length_batches(lengths: np.ndarray, *, batch_size: int) -> list[np.ndarray]:
    """Return every row once, in batches of like length, longest first (so memory runs out early or never)."""
    order = np.argsort(-lengths, kind="stable")
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
