"""How many tokens training rows have: by the model's own tokenizer where there is one, else estimated and said so."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augtune.collaboration.tune.data import Record
from augtune.collaboration.tune.settings import TuneSettings
from augtune.core.errors import InputError
from augtune.core.extras import need

__all__ = ["Count", "count_tokens"]

BYTES_PER_TOKEN = 4
PER_MESSAGE, PER_ROW = 3, 3  # OpenAI's chat frame: three tokens a message, and three that begin the reply


@dataclass(frozen=True, slots=True)
class Count:
    """Tokens of training rows.

    Args:
        rows: Tokens of each row, its label and the chat's frame included.
        by: What counted them: a tokenizer's name, or ``estimate``.
    """

    rows: tuple[int, ...]
    by: str

    @property
    def is_exact(self) -> bool:
        """Whether a tokenizer counted them."""
        return self.by != "estimate"

    @property
    def total(self) -> int:
        """Tokens of all rows."""
        return sum(self.rows)


def count_tokens(made: Sequence[Record], settings: TuneSettings) -> Count:
    """Return the tokens of each row.

    Raises:
        InputError: If a tokenizer is named and cannot be loaded.
    """
    name = settings.tokenizer or (settings.model.removeprefix("local/") if settings.is_local else None)
    if name is not None:
        count = _by_template(name)
        return Count(tuple(count(row) for row in made), Path(name).name)
    found = _by_tiktoken(settings.model.rpartition("/")[2])
    if found is not None:
        return Count(tuple(found(row) for row in made), "tiktoken")
    return Count(tuple(_estimate(row) for row in made), "estimate")


def _estimate(row: Record) -> int:
    content = sum(len(turn["content"].encode()) for turn in row["messages"])
    return -(-content // BYTES_PER_TOKEN) + (PER_MESSAGE + 1) * len(row["messages"]) + PER_ROW


def _by_template(name: str) -> Callable[[Record], int]:
    transformers = need("transformers", extra="train", to="count tokens with the model's tokenizer")
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise InputError(f"finetune.tokenizer: no tokenizer could be loaded from {name!r}.") from error

    def count(row: Record) -> int:
        if not tokenizer.chat_template:
            text = "\n\n".join(turn["content"] for turn in row["messages"])
            return len(tokenizer(text)["input_ids"]) + 1
        text = tokenizer.apply_chat_template(row["messages"], tokenize=False)
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    return count


def _by_tiktoken(model: str) -> Callable[[Record], int] | None:
    """Return a counter, or None if tiktoken is not here, does not know the model or cannot get its vocabulary."""
    if importlib.util.find_spec("tiktoken") is None:
        return None
    tiktoken: Any = importlib.import_module("tiktoken")
    try:
        encoding = tiktoken.encoding_for_model(model)
    except (KeyError, OSError):
        return None

    def count(row: Record) -> int:
        turns = row["messages"]
        words = sum(len(encoding.encode(part, disallowed_special=())) for turn in turns for part in turn.values())
        return int(words) + PER_MESSAGE * len(turns) + PER_ROW

    return count
