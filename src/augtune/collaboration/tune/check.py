"""Before anything is sent: whether the data can be, and what it will cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from augtune.collaboration.tune.count import Count
from augtune.collaboration.tune.data import Record
from augtune.collaboration.tune.settings import TuneSettings
from augtune.core.labels import Labels
from augtune.evaluation.cost import token_usd

__all__ = ["TunePrice", "price_of", "problems_of"]

DEFAULT_EPOCHS = 3  # what providers take for a few hundred to some thousand rows
# $/million trained tokens; compared with a published list in 2025. finetune.usd_per_million_tokens overrides them.
PRICES = {"gpt-4.1": 25.00, "gpt-4.1-mini": 5.00, "gpt-4.1-nano": 1.50, "gpt-4o": 25.00, "gpt-4o-mini": 3.00}


@dataclass(frozen=True, slots=True)
class TunePrice:
    """What a fine-tuning will cost, before anything is sent.

    Args:
        tokens: Tokens of the training rows, once.
        epochs: Passes over them; assumed where the provider chooses.
        usd: US dollars; 0 on this machine, None if the price is unknown.
        counted_by: What counted the tokens; ``estimate`` if no tokenizer did.
    """

    tokens: int
    epochs: int
    usd: float | None
    counted_by: str

    def __repr__(self) -> str:
        price = "price unknown" if self.usd is None else f"${self.usd:.2f}"
        return f"{self.tokens:,} tokens ({self.counted_by}) × {self.epochs} epochs · {price}"


def price_of(count: Count, settings: TuneSettings) -> TunePrice:
    """Return what a fine-tuning will cost, as far as that is known beforehand.

    Args:
        count: Tokens of the training rows.
        settings: The model and how it is tuned.
    """
    epochs, per_million = settings.epochs or DEFAULT_EPOCHS, settings.usd_per_million_tokens
    if per_million is None and settings.is_local:
        per_million = 0.0
    if per_million is None:
        name = settings.model.rpartition("/")[2]
        known = [key for key in PRICES if name == key or name.startswith(f"{key}-20")]
        per_million = PRICES[known[0]] if known else None
    usd = None if per_million is None else token_usd(count.total * epochs, per_million)
    return TunePrice(count.total, epochs, usd, count.by)


def problems_of(
    made: Sequence[Record], count: Count, files: Mapping[str, Path], labels: Labels, settings: TuneSettings
) -> list[str]:
    """Return why training data cannot be sent, a line for each reason.

    Args:
        made: The training rows.
        count: Their tokens.
        files: The files by role.
        labels: The classes.
        settings: The limits.
    """
    problems = []
    if len(made) < settings.least_rows:
        problems.append(f"finetune: expected {settings.least_rows} training rows or more, got {len(made)}")
    for file in files.values():
        size = file.stat().st_size
        if size > settings.most_bytes:
            problems.append(f"finetune: {file.name} has {size:,} bytes, over the limit of {settings.most_bytes:,}")
    long = [tokens for tokens in count.rows if tokens > settings.most_tokens]
    if long:
        problems.append(
            f"finetune: {len(long)} rows have more than {settings.most_tokens:,} tokens, the longest {max(long):,}; "
            "they would be cut off, label included"
        )
    seen = {row["messages"][-1]["content"] for row in made}
    missing = [name for name in labels if name not in seen]
    if missing:
        problems.append(f"finetune: no row has the label {', '.join(map(repr, missing))}, so it is never learnt")
    return problems
