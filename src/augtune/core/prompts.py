"""Prompts: jinja2 files with a name and a version, rendered so that a row's text can never act as a template."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template
from jinja2.exceptions import SecurityError
from jinja2.sandbox import SandboxedEnvironment

from augtune.core.errors import InputError
from augtune.core.files import read_text

__all__ = ["Prompt", "folded", "listed", "parser", "read"]

FRONT = re.compile(r"---\n(?P<front>.*?)\n---\n(?P<body>.*)", re.DOTALL)
VERSION = re.compile(r"\d{1,9}", re.ASCII)
FIELDS = ("id", "version", "language")
LINE_BREAKS = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")


def folded(text: str) -> str:
    """Return a text on one line, stripped: each line break, with the blanks around it, becomes one space."""
    return LINE_BREAKS.sub(" ", text.strip())


def listed(words: Sequence[str]) -> str:
    """Return words as prompts name a label set: ``'a', 'b' or 'c'``; a single word is left unquoted."""
    if len(words) == 1:
        return words[0]
    quoted = [f"'{word}'" for word in words]
    return f"{', '.join(quoted[:-1])} or {quoted[-1]}"


class _Environment(SandboxedEnvironment):
    """A sandbox in which a prompt that somebody else wrote cannot fill the memory by multiplying either."""

    intercepted_binops = frozenset(["*", "**"])

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Return a product of numbers.

        Raises:
            SecurityError: For a power, or where a factor is no number.
        """
        if operator == "**" or not all(isinstance(factor, Real) for factor in (left, right)):
            raise SecurityError(f"a prompt multiplies numbers, and nothing else: {operator}")
        return left * right


@functools.cache
def _environment() -> SandboxedEnvironment:
    # Prompts are plain text for a model, so nothing is escaped as HTML: a model should read & and not &amp;.
    environment = _Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)
    environment.filters["folded"] = folded
    environment.filters["listed"] = listed
    return environment


def parser() -> SandboxedEnvironment:
    """Return what prompts are parsed with, to see what one is made of."""
    return _environment()


@functools.lru_cache(maxsize=64)
def _compiled(body: str) -> Template:
    return _environment().from_string(body)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt's template.

    Args:
        id: Its name, e.g. ``gpt3mix``.
        version: Counts up with every change that alters what the model reads.
        language: Language it is written in, e.g. ``en``.
        body: The jinja2 source.
    """

    id: str
    version: int
    language: str
    body: str

    @property
    def mark(self) -> str:
        """What a row keeps of the prompt that made it: name, version and eight digits of the template's SHA-256."""
        return f"{self.id}@{self.version}#{hashlib.sha256(self.body.encode()).hexdigest()[:8]}"

    def render(self, **values: Any) -> str:
        """Return the prompt with the given values filled in; a value is text and never a template.

        Raises:
            jinja2.UndefinedError: If the template names a value that was not given.
        """
        return _compiled(self.body).render(**values)


def read(path: Path) -> Prompt:
    """Return the prompt in a ``.jinja2`` file.

    Raises:
        InputError: If the file's front matter is not ``id``, ``version`` and ``language``.
    """
    found = FRONT.fullmatch(read_text(path))
    if found is None:
        raise InputError(f"{path}: expected front matter between two lines of '---', got none.")
    pairs = [line.partition(":") for line in found["front"].splitlines()]
    front = {key.strip(): value.strip() for key, _, value in pairs}
    if tuple(front) != FIELDS or not VERSION.fullmatch(front["version"]):
        raise InputError(
            f"{path}: expected front matter with {', '.join(FIELDS)}, got {', '.join(front) or 'nothing'}."
        )
    return Prompt(front["id"], int(front["version"]), front["language"], found["body"].removesuffix("\n"))
