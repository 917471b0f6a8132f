"""A soft label from the probabilities of the tokens at the place where a reply names its label."""

from __future__ import annotations

import math
from collections.abc import Sequence

from augtune.llm.messages import TokenLogprobs

__all__ = ["soft_label"]

UNCLEAR_SHARE = (
    0.01  # of the probability that was read; above it, a token that begins several labels spoils the reading
)


def soft_label(
    tokens: Sequence[TokenLogprobs], start: int, words: Sequence[str], *, closed_by: str = ")"
) -> tuple[float, ...] | None:
    """Return the probability of each label word, or None if the tokens do not tell.

    Every candidate token at the label's place counts for the word it begins, case and leading blanks aside, so that
    ``Positive``, `` positive`` and `` Positive`` add up. Where the drawn token begins several words (``not`` for
    ``not sure`` and ``not now``), the next place decides between them. Another candidate that begins several words is
    left out; if such candidates weigh more than 1% of what was read, the reading is given up.

    Args:
        tokens: The reply's tokens in order.
        start: Where the label begins, in characters of the tokens joined.
        words: The ``K`` label words.
        closed_by: What follows the label in the reply; it tells ``no`` from the start of ``not sure``.

    Returns:
        ``K`` probabilities that sum to 1. After Yoo et al. (Findings of EMNLP 2021), eq. 2: p(l) = p(l's tokens) over
        the sum for all labels.
    """
    lead: str | None
    place, lead = _token_at(tokens, start)
    mass = [0.0] * len(words)
    unclear, read, path = 0.0, "", 1.0
    while place < len(tokens):
        drawn = tokens[place]
        options = {drawn.token: drawn.logprob, **dict(drawn.top)}
        branch: tuple[str, float] | None = None
        for token, logprob in options.items():
            piece = _after(token, lead)
            begun = _begun_by(read + piece, words, closed_by) if piece is not None else []
            probability = path * math.exp(logprob)
            if len(begun) == 1:
                mass[begun[0]] += probability
            elif begun and token == drawn.token:
                branch = (read + (piece or ""), probability)
            elif begun:
                unclear += probability
        if branch is None:
            break
        (read, path), place, lead = branch, place + 1, None
    else:
        unclear += path
    total = sum(mass)
    if total <= 0 or unclear > UNCLEAR_SHARE * total:
        return None
    return tuple(value / total for value in mass)


def _token_at(tokens: Sequence[TokenLogprobs], start: int) -> tuple[int, str]:
    """Return the place of the token that holds character ``start``, and what of the token comes before it."""
    end = 0
    for place, entry in enumerate(tokens):
        end += len(entry.token)
        if end > start:
            return place, entry.token[: len(entry.token) - (end - start)]
    return len(tokens), ""


def _after(token: str, lead: str | None) -> str | None:
    """Return what a candidate has of the label: all of it, or what follows ``lead``, if it follows that."""
    if lead is None:
        return token
    if not lead.strip():
        return token.lstrip()
    return token[len(lead) :].lstrip() if token.startswith(lead) else None


def _begun_by(read: str, words: Sequence[str], closed_by: str) -> list[int]:
    """Return which words begin with what was read, or are complete in it."""
    read = read.casefold()
    if not read.strip():
        return []
    forms = [word.casefold() for word in words]
    closed = read.replace(f" {closed_by}", closed_by)
    return [k for k, form in enumerate(forms) if form.startswith(read) or closed.startswith(form + closed_by)]
