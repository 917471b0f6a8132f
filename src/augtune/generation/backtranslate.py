"""Back-translation through a language model: to another language and back (after Sennrich et al., ACL 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from augtune.core.dataset import HumanDataset
from augtune.core.errors import ProviderError
from augtune.core.prompts import folded
from augtune.generation.base import Estimate
from augtune.generation.hygiene import unwrap
from augtune.generation.prompt import load
from augtune.generation.rewriting import Rewriter, Rewriting, problem_of
from augtune.generation.waves import Answer, Follow
from augtune.llm.messages import Reply, Request

if TYPE_CHECKING:
    from augtune.llm.client import LLM

__all__ = ["Backtranslate"]


class Backtranslate(Rewriter):
    """Have the model translate each human row to another language and back; the row keeps its label.

    Two calls a row. A label's rows take turns, in their order, and each time round the next language has its turn.
    """

    kind: ClassVar[str] = "backtranslate"

    language: Annotated[str, Field(min_length=1)] = "English"
    """The language of the human rows."""

    through: tuple[Annotated[str, Field(min_length=1)], ...] = ("German",)
    """The language in between, or several that take turns, e.g. [German, French, Japanese]."""

    @field_validator("through", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, (list, tuple)) or not found or any(not isinstance(name, str) for name in found):
            raise ValueError(f"expected a language or a list of languages, got {value!r}")
        return tuple(found)

    @model_validator(mode="after")
    def _other_languages(self) -> Self:
        plain = [name for name in (self.language, *self.through) if not name.strip() or folded(name) != name]
        if plain:
            raise ValueError(f"expected the name of a language, got {plain[0]!r}")
        if self.language.casefold() in map(str.casefold, self.through):
            raise ValueError(f"through: {self.language} is the language of the rows; name another one")
        return self

    def plan(self, train: HumanDataset, seed: int) -> Rewriting:
        """Return the settings resolved against the human rows."""
        return _ThereAndBack(self, train, seed)

    def estimate(self, train: HumanDataset) -> Estimate:
        """Return the calls and tokens expected: two calls a row."""
        one = super().estimate(train)
        return replace(one + one, rows=one.rows)


class _ThereAndBack(Rewriting):
    """Asks for each row in another language, then for that in the first one."""

    def __init__(self, settings: Backtranslate, train: HumanDataset, seed: int) -> None:
        super().__init__(settings, train, seed, does="translate")
        self.settings = settings
        self.template = load("translate")

    @property
    def mark(self) -> str:
        """Name and version of the prompt."""
        return self.template.mark

    def through(self, target: str, number: int) -> str:
        """Return the language in between."""
        languages = self.settings.through
        return languages[self.turns.lap(target, number) % len(languages)]

    def prompt(self, target: str, number: int) -> str:
        """Return the prompt of request ``number`` of a label: the way there."""
        text = self.texts[self.turns.source(target, number)]
        return self._prompt(text, self.settings.language, self.through(target, number))

    def _prompt(self, text: str, source: str, target: str) -> str:
        return self.template.render(text_type=self.settings.text_type, text=text, source=source, target=target)

    def rounds(self, llm: LLM) -> Sequence[Follow]:
        """Return the way back, for each row whose way there can be used."""

        def back(answer: Answer) -> list[Request]:
            there = self._there(answer)
            if there is None:
                return []
            prompt = self._prompt(there, self._through(answer), self.settings.language)
            return [self.request(llm, prompt, answer.ask.request.draw)]

        return (back,)

    def _there(self, answer: Answer) -> str | None:
        """Return the text in the other language, or None if the reply is none."""
        source = self.texts[answer.ask.row]
        text = unwrap(answer.reply.text, source).text if isinstance(answer.reply, Reply) else ""
        return None if problem_of(answer.reply, text, source) else text

    def _through(self, answer: Answer) -> str:
        targets = self.turns.targets
        return self.through(answer.ask.target, answer.ask.index // len(targets))

    def final(self, answer: Answer) -> tuple[Request, Reply | ProviderError]:
        """Return the way back, or the way there if that was the last."""
        if answer.rounds and answer.rounds[0]:
            turn = answer.rounds[0][0]
            return turn.request, turn.reply
        return answer.ask.request, answer.reply

    def note(self, answer: Answer) -> str:
        """Return the language in between."""
        return f" through:{self._through(answer)}"
