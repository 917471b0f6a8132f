"""The YAML keys of an arm of kind ``ask``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from augtune.collaboration.forms import find_form
from augtune.core.errors import InputError
from augtune.core.settings import Settings

__all__ = ["AskSettings", "Unanswered"]

Unanswered = Literal["classifier", "exclude"]


class AskSettings(Settings):
    """How a language model is asked for labels."""

    kind: ClassVar[str] = "ask"

    form: str | None = None
    """Prompt form: minimal, minimal_label, classify, examples, label, probabilities, label_probabilities,
    label_examples, all, or the path of a .jinja2 file; by default the one that tells all the evidence there is."""

    text_type: str = "text"
    """What the prompt calls a text, e.g. 'movie review'."""

    temperature: Annotated[float, Field(ge=0)] | None = 0.0
    """Sampling temperature; null leaves it to the provider."""

    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Most tokens of a reply; by default as many as the longest label has bytes, and 24. Models that think before they
    answer need more."""

    constrain: bool = True
    """Ask for a JSON object whose only values are the labels; where the provider refuses that, for the bare label."""

    logprobs: Annotated[int, Field(ge=1, le=20)] | None = 20
    """Alternatives per token to read the labels' probabilities from, where the provider gives them; null for none."""

    reask: int = Field(default=1, ge=0, le=5)
    """How often a reply that is no label is answered with a reminder."""

    unanswered: Unanswered | None = None
    """What stands for a row without an answer: the classifier's prediction, or nothing (exclude); by default the
    classifier's where the evidence has it. It is counted either way, and never a guess."""

    @field_validator("form")
    @classmethod
    def _is_known(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                find_form(value)
        except InputError as error:
            raise ValueError(str(error).removeprefix("form: ")) from None
        return value
