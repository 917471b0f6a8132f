"""A short name for the content of anything JSON can hold: equal content, equal name, on any machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

__all__ = ["canonical", "fingerprint", "fingerprint_lines", "text_marks"]


def canonical(value: Any) -> str:
    """Return the one JSON text of a value: keys sorted, no spaces, characters as they are, NaN refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(value: Any, *, length: int = 12) -> str:
    """Return the first ``length`` hex digits of the SHA-256 of the value's canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:length]


def fingerprint_lines(values: Iterable[Any], *, length: int = 12) -> str:
    """Return the fingerprint of a sequence without holding its JSON in memory at once."""
    digest = hashlib.sha256()
    for value in values:
        digest.update(canonical(value).encode())
        digest.update(b"\n")
    return digest.hexdigest()[:length]


def text_marks(texts: Iterable[str], pairs: Iterable[str | None]) -> list[str]:
    """Return 12 hex digits for each text or pair of texts: equal texts, equal mark, whatever row they are in."""
    return [fingerprint([text, pair]) for text, pair in zip(texts, pairs, strict=True)]
