"""A reply read as one label, or not at all: nothing is guessed from a reply that is not plainly one of the labels."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from augtune.core.errors import ProviderError
from augtune.core.labels import Labels
from augtune.core.replies import ReplyError, label_named, object_in, word_key
from augtune.generation.hygiene import is_refusal
from augtune.generation.soft import soft_label
from augtune.llm.messages import Reply
from augtune.llm.scoring import logprobs_of, probabilities

__all__ = ["Problem", "Reading", "read_reply", "schema_of"]

Problem = Literal["no reply", "empty", "refused", "cut off", "more than a label", "not a label"]

FIELD = "label"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reply says.

    Args:
        label: The label, or None.
        problem: Why there is none, in a word or two; None if there is one.
        probabilities: Of each label, ``(K,)``, where the reply's tokens tell them.
    """

    label: str | None
    problem: Problem | None = None
    probabilities: tuple[float, ...] | None = None


def schema_of(labels: Labels) -> dict[str, Any]:
    """Return the JSON schema of an answer: an object with one of the labels."""
    return {
        "type": "object",
        "properties": {FIELD: {"type": "string", "enum": list(labels)}},
        "required": [FIELD],
        "additionalProperties": False,
    }


def read_reply(reply: Reply | ProviderError, labels: Labels) -> Reading:
    """Return the label a reply names, with its probabilities where the tokens tell them.

    A reply counts if it is a label and nothing else: as plain text or as ``{"label": ...}``, in any case, in quotes or
    bold, with ``Label:`` before it or a full stop after it. ``not spam`` is never ``spam``, and a sentence that
    mentions a label names none.

    Args:
        reply: What came back.
        labels: The labels there are.
    """
    if isinstance(reply, ProviderError):
        return Reading(None, "no reply")
    if reply.scores is not None:
        shares = probabilities(logprobs_of(reply))
        return Reading(labels[shares.index(max(shares))], None, shares)
    text = reply.text.strip()
    if reply.finish_reason == "refusal":
        return Reading(None, "refused")
    if not text:
        return Reading(None, "cut off" if reply.finish_reason == "length" else "empty")
    if reply.finish_reason != "stop":
        return Reading(None, "cut off")
    label, closed_by = _label_in(text, labels)
    if label is None:
        return Reading(None, _why_not(text, labels))
    return Reading(label, None, _probabilities(reply, label, labels, closed_by))


def _label_in(text: str, labels: Labels) -> tuple[str | None, str]:
    """Return the label a text is, and the character that closes it in the text."""
    if not text.startswith(("{", "```")):
        return _named(text, labels), "\n"
    try:
        said = object_in(text, [FIELD])[FIELD]
    except ReplyError:
        return None, ""
    return (_named(said, labels) if isinstance(said, str) else None), '"'


def _named(text: str, labels: Labels) -> str | None:
    """Return the label a text spells; where only case or blanks tell labels apart, it has to be exact."""
    if text in labels:
        return text
    forms = Counter(map(word_key, labels))
    return label_named(text, {name: name for name in labels if forms[word_key(name)] == 1})


def _why_not(text: str, labels: Labels) -> Problem:
    if is_refusal(text):
        return "refused"
    words = text.casefold()
    named = any(re.search(rf"(?<!\w){re.escape(name.casefold())}(?!\w)", words) for name in labels)
    return "more than a label" if named else "not a label"


def _probabilities(reply: Reply, label: str, labels: Labels, closed_by: str) -> tuple[float, ...] | None:
    """Return the labels' probabilities from the tokens of the label, None if they are not there or do not tell."""
    if not reply.logprobs:
        return None
    whole = "".join(entry.token for entry in reply.logprobs)
    start = whole.casefold().rfind(label.casefold())
    if start < 0:
        return None
    found = soft_label(reply.logprobs, start, list(labels), closed_by=closed_by)
    if found is None or labels[found.index(max(found))] != label:
        return None
    return found
