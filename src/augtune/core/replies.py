"""What a model's reply says, strictly read: the name of a label, or a JSON object. Nothing is guessed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from augtune.core.json_text import TOO_DEEP, whole

__all__ = ["ReplyError", "distribution", "label_named", "object_in", "word_key"]

AROUND = " *_.,;:!\"'`´‘’‚‛“”„‟«»‹›「」『』《》＂()[]<>"
FENCE = re.compile(r"```[A-Za-z]*[ \t]*\n(?P<body>.*?)\n?\s*```", re.DOTALL)
SHOWN = 60
LONGEST_MARKS = 100  # characters of a reply that is nothing but marks; a label may be one
PERCENT = 100.0
SUM_TOLERANCE = 0.1  # a model's sum; beyond it the numbers are marks for each label and no distribution


class ReplyError(ValueError):
    """A reply does not say what it has to; the message tells the model, and the record, what is wrong."""


def word_key(word: str) -> str:
    """Return a label's word as it is compared: case and the number of blanks play no part."""
    return " ".join(word.split()).casefold()


def label_named(reply: str, words: Mapping[str, str], *, label_type: str = "label") -> str | None:
    """Return the label whose word a reply is, or None.

    The reply has to be one word of ``words`` and nothing else; a leading ``Label type:``, quotes of any alphabet,
    asterisks and a full stop around it play no part. A word that begins another one is never taken for it.

    Args:
        reply: What the model wrote.
        words: Label to the word that stands for it.
        label_type: What the prompt calls a label.
    """
    known = {word_key(word): label for label, word in words.items()}
    found = word_key(reply)
    return _peeled(found, known) or _peeled(_after_name(found, label_type), known)


def _peeled(form: str, known: Mapping[str, str]) -> str | None:
    """Return the label of a form with as little as possible taken away around it: ``"C#".`` may be the label ``C#``."""
    whole, longest = len(form), max(map(len, known), default=0)
    left, right = whole - len(form.lstrip(AROUND)), whole - len(form.rstrip(AROUND))
    if whole - left - right > longest or (left == whole and whole > LONGEST_MARKS):
        return None
    # What is left over is no longer than a label and has in it all that is no mark: a reply of a million quotes is read
    # in no time.
    for cut in range(max(whole - longest, 0), left + right + 1):
        first = max(cut - right, 0, left - longest if left < whole else 0)
        for start in range(first, min(cut, left) + 1):
            label = known.get(form[start : len(form) - (cut - start)])
            if label is not None:
                return label
    return None


def _after_name(form: str, label_type: str) -> str:
    """Return what follows a leading ``Label type:``, or nothing."""
    bare = form.lstrip(AROUND)
    for name in (word_key(label_type), "label", "answer"):
        rest = bare.removeprefix(name).lstrip(" *\"'_")
        if bare.startswith(name) and rest[:1] in (":", "="):
            return rest[1:]
    return ""


def object_in(reply: str, fields: Sequence[str]) -> dict[str, Any]:
    """Return the JSON object a reply is; a code fence around it plays no part.

    Args:
        reply: What the model wrote.
        fields: What the object has to have, no more and no less.

    Raises:
        ReplyError: If it is no JSON (cut off, HTML, words), no object, or has other fields.
    """
    text = reply.strip().removeprefix("\ufeff")
    fence = FENCE.fullmatch(text)
    text = fence["body"].strip() if fence is not None else text
    try:
        value = whole(text, pairs=_once)
    except json.JSONDecodeError as error:
        raise ReplyError(_no_json(text, error)) from error
    if not isinstance(value, dict):
        raise ReplyError(f"expected a JSON object with {_names(fields)}, got {_kind(value)}")
    if set(value) != set(fields):
        missing = [name for name in fields if name not in value]
        other = [name for name in value if name not in fields]
        what = [f"{_names(missing)} missing"] * bool(missing) + [f"{_names(other)} not asked for"] * bool(other)
        raise ReplyError(f"expected a JSON object with {_names(fields)}; {' and '.join(what)}")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ReplyError("the JSON object has a field twice")
    return found


def _no_json(text: str, error: json.JSONDecodeError) -> str:
    if text[:1] == "<":
        return f"expected JSON, got what looks like HTML: {text[:SHOWN]!r}"
    if text[:1] not in ("{", "[") or error.msg == TOO_DEEP:
        return f"expected a JSON object and nothing else, got {text[:SHOWN]!r}"
    if error.msg == "Extra data":
        return f"expected a JSON object and nothing else, got {text[error.pos :][:SHOWN]!r} after it"
    if error.pos >= len(text) - 1 or "Unterminated string" in error.msg:
        return "the JSON is cut off"
    return f"not JSON: {error.msg} at character {error.pos}"


def distribution(value: Any, words: Sequence[str]) -> tuple[float, ...]:
    """Return the probabilities a JSON object states, one per word, normalised to sum 1.

    They may be shares or percentages; their sum may be off by a tenth.

    Raises:
        ReplyError: If a word is missing or unknown, a value is no share, or they do not sum to about 1 (or 100).
    """
    if not isinstance(value, dict):
        raise ReplyError(f"expected the probability of each of {_names(words)}, got {_kind(value)}")
    given = {word_key(str(name)): number for name, number in value.items()}
    if set(given) != {word_key(word) for word in words} or len(given) != len(value):
        raise ReplyError(f"expected the probability of each of {_names(words)}, got those of {_names(list(value))}")
    numbers = [given[word_key(word)] for word in words]
    if not all(_is_share(number) for number in numbers):
        raise ReplyError(f"expected numbers of 0 or more as probabilities, got {numbers!r}")
    total = math.fsum(numbers)
    if not any(abs(total - whole) <= SUM_TOLERANCE * whole for whole in (1.0, PERCENT)):
        raise ReplyError(f"expected probabilities that sum to 1, got a sum of {total:g}")
    return tuple(float(number) / total for number in numbers)


def _is_share(number: Any) -> bool:
    is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
    return is_number and 0 <= number <= PERCENT  # neither NaN nor an infinity is


def _names(names: Sequence[str]) -> str:
    return ", ".join(repr(str(name)[:SHOWN]) for name in names) or "nothing"


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "a truth value", type(None): "null", dict: "an object"}
    return names.get(type(value), "a number")
