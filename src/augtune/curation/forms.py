"""Texts as people see them: one form for all that differ in case, spaces, width or punctuation at their ends."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

__all__ = ["Passage", "first_of_same", "normalise", "passage_key"]

Passage = tuple[str, str | None]
"""A text and, in pair tasks, the text it comes with."""

# Characters that nobody sees: zero-width space, word joiner, byte-order mark, soft hyphen.
INVISIBLE = dict.fromkeys(map(ord, "\u200b\u2060\ufeff\u00ad"))
# What is stripped from the ends of a text of ASCII: its punctuation as Unicode has it, and spaces.
ASCII_EDGES = " !\"#%&'()*,-./:;?@[\\]_{}"


def normalise(text: str) -> str:
    r"""Return the form that texts share which differ only in case, spaces, width or punctuation at their ends.

    Symbols, emoji among them, are content and stay. A text that is nothing but punctuation keeps it, so that ``"!!!"``
    and ``"???"`` are two texts.

    >>> normalise("  “Great\u00a0FILM!” "), normalise("ＡＢＣ。"), normalise("?!")
    ('great film', 'abc', '?!')
    """
    if text.isascii():
        return " ".join(text.lower().split()).strip(ASCII_EDGES) or text.strip()
    plain = unicodedata.normalize("NFKC", text)
    folded = unicodedata.normalize("NFKC", plain.translate(INVISIBLE).casefold())
    words = " ".join(folded.split())
    start, end = 0, len(words)
    while start < end and _is_edge(words[start]):
        start += 1
    while end > start and _is_edge(words[end - 1]):
        end -= 1
    return words[start:end] or plain.strip()


def _is_edge(character: str) -> bool:
    return character == " " or unicodedata.category(character).startswith("P")


def passage_key(passage: Passage) -> Passage:
    """Return what two passages share exactly when both their texts are the same once normalised."""
    text, pair = passage
    return normalise(text), None if pair is None else normalise(pair)


def first_of_same(passages: Sequence[Passage]) -> dict[int, int]:
    """Return for each passage that has the key of an earlier one the place of the first with that key.

    Forms are kept only of passages whose keys may be shared, so a million texts are not held twice.
    """
    if not passages:
        return {}
    # The numbers differ from process to process; which keys are equal does not, and that alone is told.
    numbers = np.fromiter((hash(passage_key(passage)) for passage in passages), np.int64, len(passages))
    order = np.argsort(numbers, kind="stable")
    same = numbers[order[1:]] == numbers[order[:-1]]
    shared = np.zeros(len(passages), dtype=bool)
    shared[order[1:][same]] = shared[order[:-1][same]] = True
    first: dict[Passage, int] = {}
    found = {}
    for i in np.flatnonzero(shared).tolist():
        place = first.setdefault(passage_key(passages[i]), i)
        if place != i:
            found[i] = place
    return found
