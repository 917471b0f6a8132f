"""A reply read as one label, or not at all: nothing is guessed from a reply that is not plainly one of the labels."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from augtune.core.errors import ProviderError
from augtune.core.labels import Labels
from augtune.generation.hygiene import is_refusal
from augtune.generation.soft import soft_label
from augtune.llm.messages import Reply

__all__ = ["Problem", "Reading", "read_reply", "schema_of"]

Problem = Literal["no reply", "empty", "refused", "cut off", "more than a label", "not a label"]

FIELD = "label"
ECHO = re.compile(r"label\s*:\s*", re.IGNORECASE)
WRAPS = ("**", "`", '"', "'")


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
    text = reply.text.strip()
    if reply.finish_reason == "refusal":
        return Reading(None, "refused")
    if not text:
        return Reading(None, "empty")
    if reply.finish_reason != "stop":
        return Reading(None, "cut off")
    label, closed_by = _label_in(text, labels)
    if label is None:
        return Reading(None, _why_not(text, labels))
    return Reading(label, None, _probabilities(reply, label, labels, closed_by))


def _label_in(text: str, labels: Labels) -> tuple[str | None, str]:
    """Return the label a text is, and the character that closes it in the text."""
    said = _said(text)
    if said is not None:
        return _same(said, labels), '"'
    return _same(text, labels) or _same(_bare(text), labels), "\n"


def _said(text: str) -> str | None:
    """Return what a JSON answer has for the label, None if the text is no such answer."""
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return None
    if not isinstance(value, Mapping) or set(value) != {FIELD} or not isinstance(value[FIELD], str):
        return None
    return str(value[FIELD])


def _bare(text: str) -> str:
    """Return a text without the field's name before it and without a full stop, quotes or bold around it."""
    text = ECHO.sub("", text, count=1) if ECHO.match(text) else text
    for _ in range(3):
        text = text.removesuffix(".").strip()
        for mark in WRAPS:
            if len(text) > 2 * len(mark) and text.startswith(mark) and text.endswith(mark):
                text = text[len(mark) : -len(mark)].strip()
    return text


def _same(text: str, labels: Labels) -> str | None:
    """Return the label a text spells; where only case tells labels apart, it has to be exact."""
    text = text.strip()
    if text in labels:
        return text
    alike = [name for name in labels if name.strip().casefold() == text.casefold()]
    return alike[0] if len(alike) == 1 else None


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
