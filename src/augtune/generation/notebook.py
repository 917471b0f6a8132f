"""GPT3Mix as a public notebook used it: a prompt without a blank line, pairs that may repeat a row, hard labels."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from augtune.generation.choose import Choice
from augtune.generation.gpt3mix import Gpt3Mix, LabelSource
from augtune.generation.mix import Form
from augtune.generation.plan import Source

__all__ = ["SAMPLED", "Notebook"]

SAMPLED: dict[str, dict[str, float | int | None]] = {
    "gpt-3": {"temperature": 0.9, "top_p": 0.95, "max_tokens": 30},
    # Its limit of 100 tokens counted the prompt too, which left 10 to 40 for the reply.
    "gpt-j": {"temperature": 0.9, "top_p": 1.0, "max_tokens": 40},
    "gpt-neo": {"temperature": 0.9, "top_p": 1.0, "max_tokens": 40},
}


class Notebook(Gpt3Mix):
    """Show the model two tweets drawn independently and have it continue their list with a new one and its label.

    GPT3Mix with the prompt, the choice of rows and the sampling of a notebook of 2021 that compared three models:
    GPT-3, GPT-J (local/EleutherAI/gpt-j-6b) and GPT-Neo (local/EleutherAI/gpt-neo-2.7B). Every setting of gpt3mix can
    be changed. All models are sampled alike unless ``sampling`` says otherwise, so that they can be compared.
    """

    kind: ClassVar[str] = "notebook"
    list_prompt: ClassVar[str] = "notebook"

    sampling: Literal["gpt-3", "gpt-j", "gpt-neo"] | None = None
    """Sample as the notebook sampled this model, which was not the same for all three; by default as for gpt-3."""

    choose: Choice = "independent"
    """Which rows a prompt shows: each drawn by itself, so that one may come twice; or as in gpt3mix."""

    labels: LabelSource | tuple[Source, ...] = "hard"
    """Where a row's label comes from: the word that the model wrote; or as in gpt3mix."""

    form: Form | None = "completion"
    """How the model is asked: by a text to continue; or as in gpt3mix."""

    text_type: str | None = "tweet"
    """What the prompt calls a text."""

    label_type: str | None = "sentiment"
    """What the prompt calls a label."""

    temperature: Annotated[float, Field(ge=0)] | None = 0.9
    """Sampling temperature; null leaves it to the provider."""

    top_p: Annotated[float, Field(gt=0, le=1)] | None = 0.95
    """Share of probability that tokens are drawn from; null leaves it to the provider."""

    max_tokens: Annotated[int, Field(ge=1)] = 30
    """Most tokens of a reply; a line that is cut off is dropped."""

    @model_validator(mode="before")
    @classmethod
    def _as_sampled(cls, given: Any) -> Any:
        name = given.get("sampling") if isinstance(given, dict) else None
        return {**SAMPLED[name], **given} if name in SAMPLED else given

    def spoken(self, word: str) -> str:
        """Return a label's word as the list of rows has it."""
        return word
