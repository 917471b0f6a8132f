"""Texts to unit vectors with the run's own encoder: mean of its last hidden states, padding masked out.

Shapes: ``N`` texts, ``B`` texts of a batch, ``T`` tokens of its longest, ``H`` hidden units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from augtune.core.encoders import locate, not_loadable
from augtune.core.errors import InputError
from augtune.core.extras import need
from augtune.core.foreign import reading_quietly
from augtune.core.json_text import decoded

__all__ = ["MAX_TOKENS", "embed"]

# Attention costs the square of the length; an encoder's own smaller limit wins.
MAX_TOKENS = 512

# Texts whose tokens are held at a time; batches are made of texts of about the same length among these.
TEXTS_AT_ONCE = 65_536

# The file in which sentence-transformers keeps how much of a text an encoder reads.
SENTENCE_SETTINGS = "sentence_bert_config.json"

# Encoders kept in memory per process: the run's own and one to compare with.
MODELS_KEPT = 2


def embed(
    texts: Sequence[str],
    *,
    encoder: str,
    batch_size: int = 64,
    on_progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Return one unit vector per text, so that the dot product of two is their cosine similarity.

    A text's vector depends on the text alone: padding and batch mates change it by no more than float32 rounding
    (under 1e-5). The model runs in float32, without dropout. Identical texts are encoded once; batches are made of
    texts of about the same length. A text is read up to the encoder's own limit, at most ``MAX_TOKENS`` tokens.

    Args:
        texts: ``N`` texts.
        encoder: A folder, ``bundled/minilm`` or a name on the Hugging Face hub.
        batch_size: Most texts encoded at a time.
        on_progress: Called after each batch with the number of distinct texts encoded and of all distinct texts.

    Returns:
        ``(N, H)`` float32, rows of length 1.

    Raises:
        InputError: If the encoder cannot be loaded, or gives values that are no numbers.
        ExtraError: If torch or transformers is missing.
    """
    model = _loaded(encoder)
    distinct = list(dict.fromkeys(texts))
    rows = np.zeros((len(distinct), model.width), dtype=np.float32)
    for first in range(0, len(distinct), TEXTS_AT_ONCE):
        tokens = model.tokenize(distinct[first : first + TEXTS_AT_ONCE])
        order = np.array(sorted(range(len(tokens)), key=list(map(len, tokens)).__getitem__), dtype=np.int64)
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            rows[first + batch] = model.pooled([tokens[i] for i in batch])
            if on_progress is not None:
                on_progress(first + start + len(batch), len(distinct))
    if not np.isfinite(rows).all():
        raise InputError(f"encoder {encoder!r}: its vectors hold values that are no numbers; its weights are damaged.")
    if len(distinct) == len(texts):
        return rows
    place = {text: i for i, text in enumerate(distinct)}
    return rows[np.fromiter((place[text] for text in texts), np.int64, len(texts))]


@dataclass(frozen=True, slots=True, eq=False)
class _Encoder:
    """A model and its tokenizer, ready to run."""

    model: Any
    tokenizer: Any
    device: Any
    limit: int

    @property
    def width(self) -> int:
        return int(self.model.config.hidden_size)

    @property
    def pad(self) -> int:
        found = self.tokenizer.pad_token_id
        return 0 if found is None else int(found)

    def tokenize(self, texts: list[str]) -> list[list[int]]:
        """Return each text's token ids, cut to the limit, special tokens included, without padding."""
        if not texts:
            return []
        ids = self.tokenizer(
            texts, truncation=True, max_length=self.limit, padding=False, return_attention_mask=False, verbose=False
        )["input_ids"]
        return [row or [self.pad] for row in ids]

    def pooled(self, tokens: list[list[int]]) -> np.ndarray:
        """Return ``(B, H)`` unit rows for token ids of ``B`` texts, padded here to the longest of them."""
        torch = need("torch", extra="train", to="embed texts")
        longest = max(map(len, tokens))
        ids = torch.tensor([row + [self.pad] * (longest - len(row)) for row in tokens], device=self.device)
        lengths = torch.tensor([len(row) for row in tokens], device=self.device)
        mask = (torch.arange(longest, device=self.device) < lengths[:, None]).long()  # (B, T)
        with torch.inference_mode():
            hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state  # (B, T, H)
            mean = (hidden * mask[:, :, None]).sum(1) / lengths[:, None]
            unit = torch.nn.functional.normalize(mean, dim=-1)
        rows: np.ndarray = unit.cpu().numpy()
        return rows


def _loaded(name: str) -> _Encoder:
    place = locate(name)
    need("torch", extra="train", to=f"embed texts with encoder {name!r}")
    need("transformers", extra="train", to=f"embed texts with encoder {name!r}")
    return _load(name, place, _changed_at(place))


def _changed_at(place: str) -> int:
    """Return when a folder's files last changed, so that a model saved anew there is not taken for the old one."""
    folder = Path(place)
    return max((file.stat().st_mtime_ns for file in folder.iterdir()), default=0) if folder.is_dir() else 0


@lru_cache(maxsize=MODELS_KEPT)
def _load(name: str, place: str, changed_at: int) -> _Encoder:
    torch = need("torch", extra="train", to="embed texts")
    transformers = need("transformers", extra="train", to="embed texts")
    try:
        with _no_bars(transformers), reading_quietly():
            tokenizer = transformers.AutoTokenizer.from_pretrained(place, trust_remote_code=False)
            model = transformers.AutoModel.from_pretrained(place, dtype=torch.float32, trust_remote_code=False)
    except Exception as error:  # the loaders of other libraries raise what they like; the cause stays attached
        raise not_loadable(name, error) from error
    if model.config.is_encoder_decoder:
        model = model.get_encoder()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device).eval().requires_grad_(False)
    return _Encoder(model, tokenizer, device, _limit(place, model.config, tokenizer))


def _limit(place: str, config: Any, tokenizer: Any) -> int:
    """Return how many tokens of a text are read: the least of what file, tokenizer and positions allow."""
    limits = [MAX_TOKENS, int(tokenizer.model_max_length)]
    positions = getattr(config, "max_position_embeddings", None)
    if positions and positions > 0:
        # RoBERTa's positions start after the padding index, so two of its 514 are never used.
        offset = (config.pad_token_id or 0) + 1 if config.model_type in ("roberta", "xlm-roberta", "camembert") else 0
        limits.append(int(positions) - offset)
    return min(*limits, _trained_length(place))


def _trained_length(place: str) -> int:
    """Return how many tokens a sentence encoder's own settings read, ``MAX_TOKENS`` where there are none."""
    file = Path(place) / SENTENCE_SETTINGS
    if not Path(place).is_dir():
        hub = need("huggingface_hub", extra="train", to="load an encoder from the hub")
        try:
            file = Path(hub.hf_hub_download(place, SENTENCE_SETTINGS))
        except hub.errors.EntryNotFoundError:
            return MAX_TOKENS
    try:
        settings = decoded(file.read_text(encoding="utf-8")) if file.is_file() else {}
        return int(settings.get("max_seq_length") or MAX_TOKENS)
    except (OSError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"encoder {place!r}: {SENTENCE_SETTINGS} is damaged: {error}.") from error


@contextmanager
def _no_bars(transformers: Any) -> Iterator[None]:
    """Keep transformers from drawing a bar of its own while a model loads, and leave its setting as it was."""
    logging = transformers.utils.logging
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
