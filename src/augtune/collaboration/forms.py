"""Prompt forms: what a model is told beside the text. A form says by the names it uses which evidence it needs."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, meta

from augtune.core.errors import InputError
from augtune.core.labels import Labels
from augtune.core.prompts import Prompt, parser, read
from augtune.core.settings import suggestion
from augtune.llm.messages import Message

__all__ = ["FORMS", "Form", "Shown", "find_form"]

FOLDER = Path(__file__).parent / "prompts"
ENDING = ".jinja2"
SPLIT = "<<user>>\n"
EVIDENCE = ("decision", "probabilities", "examples")
# Whatever a template can do, the code that the library makes of it included: 1e999 is the name inf there.
FAILURES = (
    *(TemplateError, ArithmeticError, TypeError, ValueError, LookupError, AttributeError, RecursionError),
    *(NameError, SyntaxError),
)
KNOWN = {*EVIDENCE, "text", "text_pair", "text_type", "labels", "descriptions"}

FORMS: Mapping[str, str] = {
    "minimal": "A system line that names the labels, then the bare text.",
    "minimal_label": "The same, with the classifier's label before the text.",
    "classify": "A question with the labels, the text and nothing else: zero-shot.",
    "examples": "Labelled examples, then the text: few-shot.",
    "label": "The text and the classifier's label.",
    "probabilities": "The text and the classifier's probabilities.",
    "label_probabilities": "The text, the classifier's label and its probabilities.",
    "label_examples": "Labelled examples, the text and the classifier's label.",
    "all": "Labelled examples, the text, the classifier's label and its probabilities.",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What one prompt shows.

    Args:
        text: The text to label, as it is.
        text_pair: The second of a pair.
        decision: The classifier's label.
        probabilities: The classifier's label names and probabilities, labels in order.
        examples: Labelled examples: mappings with ``text``, ``text_pair`` and ``label``.
    """

    text: str
    text_pair: str | None = None
    decision: str | None = None
    probabilities: tuple[tuple[str, float], ...] = ()
    examples: Sequence[Mapping[str, str | None]] = field(default_factory=tuple)


@dataclass(frozen=True)
class Form:
    """A prompt of one or two turns.

    Args:
        name: What it is asked for by.
        prompt: The whole file; its mark names the form's exact wording.
        system: Template of the system's turn, or None.
        user: Template of the user's turn.
        needs: Which evidence it shows: ``decision``, ``probabilities``, ``examples``.
    """

    name: str
    prompt: Prompt
    system: Prompt | None
    user: Prompt
    needs: frozenset[str]

    @property
    def mark(self) -> str:
        """Its id, version and the digits of its wording, e.g. ``ask-label@1#0fc3a2b1``."""
        return self.prompt.mark

    def messages(self, shown: Shown, labels: Labels, *, text_type: str = "text") -> tuple[Message, ...]:
        """Return the turns for one row; the same for asking and for fine-tuning data.

        Args:
            shown: The text and the evidence.
            labels: The labels to choose from; their descriptions are told where there are any.
            text_type: What the prompt calls a text.

        Raises:
            InputError: If the form does what a form may not, or fails at what it does.
        """
        values: dict[str, Any] = {
            "text": shown.text,
            "text_pair": shown.text_pair,
            "decision": shown.decision,
            "probabilities": shown.probabilities,
            "examples": shown.examples,
            "text_type": text_type,
            "labels": list(labels),
            "descriptions": {name: labels.descriptions[name] for name in labels if name in labels.descriptions},
        }
        try:
            turns = [Message("user", self.user.render(**values))]
            if self.system is not None:
                turns.insert(0, Message("system", self.system.render(**values).rstrip("\n")))
        except FAILURES as error:
            raise InputError(
                f"form {self.name!r}: cannot be filled in: {type(error).__name__}: {error}",
                hint="A form shows what it is given, in loops, conditions and filters; it computes nothing.",
            ) from error
        return tuple(turns)


def find_form(name: str) -> Form:
    """Return a form by its name, or one of your own by the path of its ``.jinja2`` file.

    A file begins with front matter (``id``, ``version``, ``language``); a line ``<<user>>`` parts the system's turn
    from the user's. It may use ``text``, ``text_pair``, ``labels``, ``descriptions``, ``text_type``, ``decision``,
    ``probabilities`` and ``examples``.

    Raises:
        InputError: If there is no such form, or the file is none.
    """
    if name in FORMS:
        return _loaded(name, FOLDER / f"{name}{ENDING}", 0)
    path = Path(name)
    if path.suffix != ENDING:
        raise InputError(f"form: no prompt form is called {name!r}{suggestion(name, FORMS)}")
    if not path.is_file():
        raise InputError(f"form: {path}: no such file.")
    return _loaded(path.stem, path.resolve(), path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=32)
def _loaded(name: str, path: Path, changed_at: int) -> Form:
    prompt = read(path)
    system, split, user = prompt.body.partition(SPLIT)
    try:
        used = meta.find_undeclared_variables(parser().parse(prompt.body))
    except TemplateSyntaxError as error:
        raise InputError(f"{path}: line {error.lineno}: {error.message}") from error
    except FAILURES as error:
        raise InputError(f"{path}: not readable as a prompt: {type(error).__name__}: {error}") from error
    if unknown := sorted(used - KNOWN):
        near = suggestion(unknown[0], sorted(KNOWN))
        raise InputError(f"{path}: {unknown[0]!r} is nothing that a prompt is given{near}")
    if "text" not in used:
        raise InputError(f"{path}: the prompt never shows {{{{ text }}}}.")
    return Form(
        name,
        prompt,
        replace(prompt, body=system) if split else None,
        replace(prompt, body=user if split else system),
        frozenset(used & set(EVIDENCE)),
    )
