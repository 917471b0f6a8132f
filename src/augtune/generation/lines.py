"""The line a model writes, ``text (Label type: Label)``: which word stands for a label, and how a line is read back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from augtune.core.errors import SettingsError
from augtune.core.labels import Labels
from augtune.core.replies import word_key
from augtune.core.settings import suggestion
from augtune.generation.tasks import Task

__all__ = ["Line", "key", "read_line", "words_for"]

key = word_key


@dataclass(frozen=True, slots=True)
class Line:
    """A line that follows the form.

    Args:
        text: The text, stripped.
        word: What stands in the brackets as label, stripped; not necessarily a known one.
        start: Where the label begins, in characters of the reply.
        is_ended: True if a line break follows, so that nothing of the line can be missing.
    """

    text: str
    word: str
    start: int
    is_ended: bool


def words_for(labels: Labels, verbalizers: Mapping[str, str], task: Task | None, *, where: str) -> dict[str, str]:
    """Return the word that stands for each label in the prompt, in the order of the labels.

    A label that neither ``verbalizers`` nor the task has a word for keeps its name.

    Raises:
        SettingsError: If ``verbalizers`` names an unknown label, or two labels share a word.
    """
    problems = [
        f"{where}: no label is called {name!r}{suggestion(name, labels)}" for name in verbalizers if name not in labels
    ]
    known = task.verbalizers(labels.names) if task is not None else {}
    words = {label: verbalizers.get(label, known.get(label, label)) for label in labels}
    first: dict[str, str] = {}
    for label, word in words.items():
        other = first.setdefault(key(word), label)
        if other != label:
            problems.append(f"{where}: {other!r} and {label!r} both read {word!r}; each label needs a word of its own")
    if problems:
        raise SettingsError(problems)
    return words


def read_line(reply: str, text_type: str, label_type: str) -> Line | None:
    """Return the first line of a reply if it is ``text (Label type: Label)``, else None.

    Only the reply is read, never the prompt, so an unreadable reply cannot turn into one of the examples shown. The
    last label on the line counts, and nothing may follow it. The line may begin with ``Text type:``, as in the prompt.
    Two rows on one line are no row.
    """
    begin = len(reply) - len(reply.lstrip())
    line, newline, _ = reply[begin:].partition("\n")
    line = line.rstrip()
    marks = list(re.finditer(rf"\(\s*{_loose(label_type)}\s*:", line, re.IGNORECASE))
    if not marks or not line.endswith(")"):
        return None
    mark = marks[-1]
    opening = re.match(rf"{_loose(text_type)}\s*:", line, re.IGNORECASE)
    text_start = opening.end() if opening is not None and opening.end() <= mark.start() else 0
    if re.search(rf"\(\s*{_loose(label_type)}\s*:[^()]*\)\s*{_loose(text_type)}\s*:", line[text_start:], re.IGNORECASE):
        return None
    inside = line[mark.end() : -1]
    start = mark.end() + len(inside) - len(inside.lstrip())
    return Line(line[text_start : mark.start()].strip(), inside.strip(), begin + start, bool(newline))


def _loose(name: str) -> str:
    return r"\s+".join(re.escape(part) for part in name.split())
