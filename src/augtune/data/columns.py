"""Which column is the text, which the label: as the user says, or by the usual names, never by a guess.

Where a column is not named by the user, it is looked for like this (capitals do not matter):

- text pair: a column called ``text_pair``, or, where no text is named either, exactly one of the pairs in ``PAIRS``;
- text: the column called ``text``, else the only column whose name is in ``TEXT_NAMES``;
- label: the column called ``label``, else the only column whose name is in ``LABEL_NAMES``.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from augtune.core.errors import DataError
from augtune.core.settings import suggestion

__all__ = ["LABEL_NAMES", "PAIRS", "TEXT_NAMES", "Columns", "find"]

TEXT_NAMES = (
    "text", "sentence", "message", "tweet", "utterance", "question", "content", "review", "query", "comment", "title",
    "body", "document", "headline", "post", "phrase", "description", "input", "request", "ticket", "email",
)  # fmt: skip
LABEL_NAMES = (
    "label", "labels", "intent", "category", "class", "sentiment", "target", "emotion", "topic", "tag",
    "label_name", "gold_label", "y",
)  # fmt: skip
PAIRS = (
    ("text", "text_pair"), ("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2"),
    ("text1", "text2"), ("text_a", "text_b"), ("sentence_a", "sentence_b"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns that hold the text, the label and, for pairs, the second text."""

    text: str
    label: str
    text_pair: str | None = None


def find(
    names: Sequence[str],
    *,
    text: str | None = None,
    label: str | None = None,
    text_pair: str | None = None,
    where: str,
) -> Columns:
    """Return the columns to read.

    Args:
        names: Columns there are.
        text: Column of the text, if the user named it; likewise ``label`` and ``text_pair``.
        label: Column of the label.
        text_pair: Column of the second text of a pair.
        where: The file or source, for messages.

    Raises:
        DataError: If a named column does not exist, or none or several could be meant. The message lists the columns.
    """
    for role, name in (("text", text), ("label", label), ("text_pair", text_pair)):
        if name is not None and name not in names:
            there_are = f"; there are: {', '.join(names)}"
            guess = suggestion(name, names)
            guess = guess if guess.startswith("; did") else ""
            raise DataError(f"{where}: no column {name!r} (given as {role}){there_are}{guess}")
    if text_pair is None:
        text, text_pair = _find_pair(names, text, where)
    elif text is None:
        known = {second: first for first, second in PAIRS}
        text = _called(names, known.get(text_pair.lower(), ""))
    text = text or _find_one(names, {text_pair, label}, "text", where)
    label = label or _find_one(names, {text, text_pair}, "label", where)
    chosen = [name for name in (text, label, text_pair) if name is not None]
    twice = next((name for name in chosen if chosen.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{where}: text, text_pair and label have to be different columns, got {twice!r} twice.")
    return Columns(text, label, text_pair)


def _called(names: Sequence[str], wanted: str) -> str | None:
    return next((name for name in names if name.strip().lower() == wanted), None)


def _find_pair(names: Sequence[str], text: str | None, where: str) -> tuple[str | None, str | None]:
    named = _called(names, "text_pair")
    if text is not None:
        return text, named if named != text else None
    pairs = [(_called(names, first), _called(names, second)) for first, second in PAIRS]
    found = [pair for pair in pairs if None not in pair]
    if len(found) > 1:
        raise DataError(
            f"{where}: several pairs of columns could be the text: {', '.join(f'{a} and {b}' for a, b in found)}.",
            hint="Name them, e.g. text='premise', text_pair='hypothesis'.",
        )
    return found[0] if found else (None, named)


def _find_one(all_names: Sequence[str], taken: set[str | None], role: str, where: str) -> str:
    names = [name for name in all_names if name not in taken]
    usual = TEXT_NAMES if role == "text" else LABEL_NAMES
    exact = _called(names, role)
    if exact is not None:
        return exact
    found = [name for name in names if name.strip().lower() in usual]
    if len(found) == 1:
        return found[0]
    problem = f"several columns could be the {role}: " if found else f"no column is called like the {role}; there are: "
    example = next(iter(found or names), role)
    raise DataError(
        f"{where}: {problem}{', '.join(found or all_names)}.",
        hint=f"Name it: --{role} {shlex.quote(example)} on the command line, {role}={example!r} in Python, columns: "
        f"{{{role}: {example}}} in YAML.",
    )
