"""What models put around an answer, or in its place: preambles, quotes, refusals."""

from __future__ import annotations

import re
from dataclasses import dataclass

from augtune.llm.messages import Reply

__all__ = ["Unwrapped", "is_refusal", "nothing_said", "unwrap", "unwrap_new"]

CLOSING = {
    '"': '"', "'": "'", "`": "`", "“": "”", "”": "”", "„": "“”", "‘": "’", "’": "’", "‚": "‘’",
    "«": "»", "»": "«", "‹": "›", "›": "‹", "「": "」", "『": "』", "《": "》", "＂": "＂",
}  # fmt: skip

OPENING = r"(?:sure|certainly|of course|okay|ok|absolutely|gladly|yes|here|the following|this is)\b"
OF_REWORDING = (
    r"\b(?:re-?word|re-?phras|re-?writ|paraphras|translat|(?:other|different) words"
    r"|(?:another|alternative|different|revised) (?:version|wording|way))"
)
NAME = (
    r"(?:re-?worded|re-?phrased|re-?written|paraphrased)(?: (?:text|version|sentence|message))?"
    r"|rewording|paraphrase|translation"
)
PREAMBLE = re.compile(rf"(?:{OPENING}[^\n:]{{0,100}}?{OF_REWORDING}[^\n:]{{0,80}}|{NAME}):\s*", re.IGNORECASE)

ANNOUNCEMENT = re.compile(rf"{OPENING}[^\n]{{0,160}}:", re.IGNORECASE)

SORRY = (
    r"(?:(?:i['’]?m|i am) (?:very |so )?sorry|sorry|unfortunately|(?:my )?apologies)?[\s,.;:!–-]*(?:but |however,? )?"
)
MACHINE = r"(?:as an?|i['’]?m an?|i am an?) (?:ai|artificial intelligence|large language model|language model)\b"
UNABLE = (
    r"i(?:['’]m| am)? ?(?:can(?:no|['’])t|can not|won['’]t|will not|unable to|not able to|must decline to) "
    r"(?:assist|comply|help (?:you )?with (?:this|that)"
    r"|(?:fulfil+|re-?word|re-?phrase|re-?write|paraphrase|continue|generate|create|write|provide) "
    r"(?:this|that|such|your|the|a) (?:\w+ )?(?:request|text|list|line|message|content|sentence)\b)"
)
REFUSAL = re.compile(rf"{SORRY}(?:{MACHINE}|{UNABLE})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """A text freed of what was around it.

    Args:
        text: The text.
        removed: What was taken away: ``preamble``, ``quotes``; empty if the text is as it was.
    """

    text: str
    removed: tuple[str, ...] = ()


def nothing_said(reply: Reply) -> tuple[str, str]:
    """Return the reason why a reply has no text, in a word or two and in full."""
    if reply.finish_reason == "length":
        return "cut off", "the reply reached max_tokens before it said anything; a model that thinks first needs more"
    return "empty", "the reply is empty"


def is_refusal(text: str) -> bool:
    """Tell whether a reply begins as a model's refusal, and not as a customer who cannot do something."""
    return REFUSAL.match(text.strip()) is not None


def unwrap(reply: str, source: str) -> Unwrapped:
    """Return a reworded text without a preamble (``Sure! Here's another version:``) and without wrapping quotes.

    A preamble has to speak of rewording and end in a colon. Quotes are taken away only if one pair holds the whole text
    and the source is not itself in quotes. What the source has too is left alone.
    """
    text, removed = reply.strip(), []
    preamble = PREAMBLE.match(text)
    if preamble is not None and text[preamble.end() :].strip() and not PREAMBLE.match(source.strip()):
        text = text[preamble.end() :].strip()
        removed.append("preamble")
    if _is_quoted(text) and not _is_quoted(source.strip()):
        text = text[1:-1].strip()
        removed.append("quotes")
    return Unwrapped(text, tuple(removed))


def unwrap_new(reply: str, text_type: str) -> Unwrapped:
    """Return a newly written text without what stands around it: a line that announces it, its name, quotes.

    An announcing line ends in a colon and has more lines after it (``Here is one:``); on the text's own line only the
    name of what was asked for is taken away (``Movie review: ...``).
    """
    text, removed = reply.strip(), []
    first, newline, rest = text.partition("\n")
    if newline and rest.strip() and ANNOUNCEMENT.fullmatch(first.strip()):
        text = rest.strip()
        removed.append("preamble")
    name = r"\s+".join(re.escape(part) for part in text_type.split())
    named = re.match(rf"(?:new\s+)?{name}\s*:\s*(?=\S)", text, re.IGNORECASE)
    if named is not None:
        text = text[named.end() :].strip()
        removed.append("name")
    if _is_quoted(text):
        text = text[1:-1].strip()
        removed.append("quotes")
    return Unwrapped(text, tuple(removed))


def _is_quoted(text: str) -> bool:
    if len(text) < 2 or text[-1] not in CLOSING.get(text[0], ""):
        return False
    inner = text[1:-1]
    return text[0] not in inner and text[-1] not in inner
