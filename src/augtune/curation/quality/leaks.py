"""Leaks: texts that name a label, and tags such as ``(positive)`` that a model left beside what it wrote."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from augtune.core.labels import Labels
from augtune.curation.quality.wording import words

__all__ = ["LabelFinder", "Leak"]

BRACKETED = re.compile(r"[(\[{]\s*([^()\[\]{}]{1,60}?)\s*[)\]}]")
DECLARED = re.compile(
    r"\b(?:label|class|category|sentiment|emotion|intent|topic)\s*[:=]\s*(\S[^\n.;,]{0,59})", re.IGNORECASE
)
NOT = frozenset({"not", "non", "no", "isn't", "isn’t"})
MORE = 2  # words a tag may have besides the label's own
SHORTEST = 3  # letters of a label's name that can be looked for in a text


@dataclass(frozen=True, slots=True)
class Leak:
    """What a text gives away.

    Args:
        named: Labels whose whole name stands in the text.
        tag: The label that a tag names, or None without one.
    """

    named: frozenset[str] = frozenset()
    tag: str | None = None


class LabelFinder:
    """Finds the labels' names in texts.

    A name counts where all its words stand one after the other; the words of ``not hyperbole`` are not those of
    ``hyperbole`` then. In a tag, other endings count too: ``(Hyperbolic)`` is ``hyperbole``.

    Args:
        labels: The labels. Names that are numbers, or shorter than three letters, are not looked for.
    """

    def __init__(self, labels: Labels) -> None:
        names = {label: _name_words(label) for label in labels}
        found = {label: name for label, name in names.items() if _is_word(name)}
        self.names = dict(sorted(found.items(), key=lambda item: -len(item[1])))
        self._by_first: dict[str, list[str]] = {}
        for label, name in self.names.items():
            self._by_first.setdefault(name[0], []).append(label)

    def find(self, text: str) -> Leak:
        """Return what a text gives away."""
        return Leak(self._named([_plain(word) for word in words(text) if word[0].isalnum()]), self._tag(text))

    def _named(self, text: list[str]) -> frozenset[str]:
        places = [
            (-len(self.names[label]), i, label)
            for i, word in enumerate(text)
            for label in self._by_first.get(word, ())
            if tuple(text[i : i + len(self.names[label])]) == self.names[label]
        ]
        taken, found = [False] * len(text), set()
        for less_words, i, label in sorted(places):  # longest first
            if not any(taken[i : i - less_words]):
                taken[i : i - less_words] = [True] * -less_words
                found.add(label)
        return frozenset(found)

    def _tag(self, text: str) -> str | None:
        for content in (*BRACKETED.findall(text), *DECLARED.findall(text)):
            given = [_plain(word) for word in words(content) if word[0].isalnum()]
            for label, name in self.names.items():
                if len(given) <= len(name) + MORE and _holds(given, name):
                    return label
        return None


def _name_words(label: str) -> tuple[str, ...]:
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-/]+", " ", label)
    return tuple(_plain(word) for word in words(apart) if word[0].isalnum())


def _is_word(name: Sequence[str]) -> bool:
    return bool(name) and max(map(len, name)) >= SHORTEST and not all(word.isdigit() for word in name)


def _plain(word: str) -> str:
    return "not" if word in NOT else word


def _holds(given: Sequence[str], name: Sequence[str]) -> bool:
    return all(any(_alike(word, other) for other in given) for word in name)


def _alike(first: str, second: str) -> bool:
    """Tell whether two words are the same but for a plural's ending, or two letters of a word of five or more."""
    shorter, longer = sorted((first, second), key=len)
    if longer in (shorter, f"{shorter}s", f"{shorter}es"):
        return True
    common = next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )
    return common >= max(5, min(len(first), len(second)) - 2)
