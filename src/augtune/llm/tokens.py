"""How many tokens a prompt can have at most, without any model's tokenizer."""

from __future__ import annotations

from augtune.core.fingerprint import canonical
from augtune.llm.messages import Request

__all__ = ["most_tokens_in"]

PER_REQUEST = 32
PER_MESSAGE = 16


def most_tokens_in(request: Request) -> int:
    """Return an upper bound of the prompt's tokens: one for each byte of UTF-8, and some for the chat's frame.

    Byte-level BPE and SentencePiece with byte fallback spend at least one byte per token.
    """
    count = PER_REQUEST + len(request.text.encode())
    count += sum(PER_MESSAGE for _ in request.messages)
    if request.schema is not None:
        count += len(canonical(request.schema).encode())
    for continuation in request.continuations:
        count += PER_MESSAGE + len(continuation.encode())
    return count
