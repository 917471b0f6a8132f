"""What a model thinks aloud before its answer, which is no part of the answer."""

from __future__ import annotations

import re
from dataclasses import replace

from augtune.llm.messages import Reply, TokenLogprobs

__all__ = ["without_thinking"]

OPEN, CLOSE = "<think>", "</think>"
# Where the chat template itself opens the block, a reply begins within it, and the closing tag is alone on its line.
BLOCK = re.compile(rf"\s*{OPEN}.*?{CLOSE}\s*|(?:.*?\n)?[ \t]*{CLOSE}[ \t]*(?:\n\s*|\Z)", re.DOTALL)


def without_thinking(reply: Reply) -> Reply:
    """Return a reply without the block of thoughts it begins with, up to ``</think>``; its tokens go with it.

    One whose block has no end was cut off before it said anything. A text that mentions the tags further on is left as
    it is.
    """
    begins = reply.text.lstrip().startswith(OPEN)
    if CLOSE not in reply.text:
        return replace(reply, text="", finish_reason="length", logprobs=None) if begins else reply
    found = BLOCK.match(reply.text)
    if found is None:
        return reply
    return replace(reply, text=reply.text[found.end() :], logprobs=_answering(reply.logprobs))


def _answering(tokens: tuple[TokenLogprobs, ...] | None) -> tuple[TokenLogprobs, ...] | None:
    """Return the tokens after the block, None if it cannot be told which these are."""
    found = BLOCK.match("".join(entry.token for entry in tokens or ()))
    if tokens is None or found is None:
        return None
    kept, at = [], 0
    for entry in tokens:
        start, at = at, at + len(entry.token)
        if at > found.end():
            kept.append(entry if start >= found.end() else replace(entry, token=entry.token[found.end() - start :]))
    return tuple(kept) or None
