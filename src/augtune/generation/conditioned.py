"""Class-conditioned writing: the model is told the label and writes a text for it, with or without rows to go by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from augtune.core import seeds
from augtune.core.dataset import HumanDataset
from augtune.core.encoders import DEFAULT_ENCODER
from augtune.core.replies import ReplyError, object_in
from augtune.generation.choose import Chooser
from augtune.generation.hygiene import unwrap_new
from augtune.generation.naming import Naming, described
from augtune.generation.plan import Plan, Rejected, Source, Written, refusal_or_gap
from augtune.generation.prompt import load
from augtune.generation.quotas import Balanced, needs_rows
from augtune.generation.schemas import schema_of
from augtune.generation.votes import Poll
from augtune.generation.waves import Ask
from augtune.generation.writing import Writer
from augtune.llm.messages import Message, Reply, Request

if TYPE_CHECKING:
    from augtune.llm.client import LLM

__all__ = ["ClassPlan", "Conditioned", "Fewshot", "Trait", "Zeroshot"]

Trait = tuple[str, str]
MARKUP = re.compile(r"<(?:!doctype|html|head|body|\?xml)\b|```", re.IGNORECASE)
SOURCES: dict[str, tuple[Source, ...]] = {
    "hard": ("hard",),
    "local": ("local",),
    "votes": ("votes",),
    "auto": ("local", "votes", "hard"),
}


class Conditioned(Writer, Naming, Balanced):
    """A generator that asks for a text of a given label."""

    labels: Literal["hard", "local", "votes", "auto"] = "hard"
    """'hard': a row has the label that was asked for. 'votes': the shares of further answers, and a row without is
    dropped; the label is the one with most votes, be it another than was asked for. 'local': the same by scores that a
    model in this process gives every label. 'auto': local where it can be, else votes, else hard."""

    descriptions: dict[str, str] = Field(default_factory=dict)
    """What a label means, told to the model; by default what the data says of it, if anything."""

    form: Literal["chat", "schema"] = "chat"
    """How the model answers: with the bare text, or with a JSON object that follows a schema."""

    max_tokens: Annotated[int, Field(ge=1)] = 256
    """Most tokens of a reply; one that is cut off is dropped."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where a row's label comes from: the first of these that gives one."""
        return SOURCES[self.labels]

    def plan(self, train: HumanDataset, seed: int) -> ClassPlan:
        """Return the settings resolved against the human rows."""
        return ClassPlan(self, train, seed)


class Zeroshot(Conditioned):
    """Have the model write a text of each label, knowing no more than the label's name and description.

    After ZeroGen (Ye et al., EMNLP 2022).
    """

    kind: ClassVar[str] = "zeroshot"


class Fewshot(Conditioned):
    """Have the model write a text of each label after reading some human rows of that label.

    After Sahu et al. (NLP4ConvAI 2022).
    """

    kind: ClassVar[str] = "fewshot"

    examples: Annotated[int, Field(ge=1)] = 3
    """Most human rows of the label that a prompt shows; of a label with fewer, all of them."""

    choose: Literal["uniform", "closest", "furthest"] = "uniform"
    """Which of the label's rows: any, or a random one and those most (least) like it."""

    encoder: str = DEFAULT_ENCODER
    """For closest and furthest: the encoder that says how alike two texts are."""

    def plan(self, train: HumanDataset, seed: int) -> ClassPlan:
        """Return the settings resolved against the human rows."""
        chooser = Chooser(train, self.choose, self.examples, encoder=self.encoder)
        plan = ClassPlan(self, train, seed, chooser)
        needs_rows(self.kind, "show", plan.quota, train)
        return plan


class ClassPlan(Plan):
    """What a class-conditioned generator asks for.

    Args:
        settings: The generator.
        train: The human rows.
        seed: Seed of the rows shown and of the draws.
        chooser: Draws the rows shown, if any are.
    """

    def __init__(self, settings: Conditioned, train: HumanDataset, seed: int, chooser: Chooser | None = None) -> None:
        super().__init__(settings, train, seed, settings.quota_of(train))
        self.settings, self.chooser = settings, chooser
        self.names = settings.names(train.labels)
        self.descriptions = described(train.labels, settings.descriptions, where="generate.descriptions")
        self.is_object = settings.form == "schema"
        self.has_lines = any("\n" in text.strip() for text in train.texts)
        self.template, self.vote_prompt = load("conditioned"), load("vote")

    @property
    def mark(self) -> str:
        """Name and version of the prompt."""
        return self.template.mark

    def rows(self, target: str, index: int) -> Sequence[int]:
        """Return which rows request ``index`` shows."""
        if self.chooser is None:
            return ()
        return self.chooser.within(target, seeds.generator(self.seed, self.kind, index))

    def traits(self, target: str, index: int) -> Sequence[Trait]:
        """Return what else the text is to be like."""
        return ()

    def prompt(self, target: str, index: int) -> str:
        """Return the prompt of request ``index``."""
        return self.template.render(
            text_type=self.names.text_type,
            label_type=self.names.label_type,
            word=self.names.words[target],
            description=self.descriptions[target],
            traits=self.traits(target, index),
            examples=[self.train.texts[row] for row in self.shown(target, index)],
            is_object=self.is_object,
            one_line=not self.has_lines,
        )

    def request(self, llm: LLM, prompt: str, **sampling: Any) -> Request:
        """Return the request for a prompt."""
        schema = schema_of({"text": {"type": "string"}}) if self.is_object else None
        return llm.request(messages=(Message("user", prompt),), schema=schema, **sampling)

    def read(self, reply: Reply, ask: Ask) -> Written | Rejected:
        """Return the text of a reply, or why it has none."""
        gap = refusal_or_gap(reply)
        if gap is not None:
            return gap
        if reply.finish_reason == "length":
            return Rejected("cut off", "the reply reached max_tokens")
        try:
            return self._object(reply.text, ask.target) if self.is_object else self._text(reply.text, ask.target)
        except ReplyError as error:
            return Rejected("unreadable", str(error), can_repair=True)

    def _object(self, reply: str, target: str) -> Written | Rejected:
        text = object_in(reply, ["text"])["text"]
        if not isinstance(text, str):
            raise ReplyError("expected 'text' to be a text")
        if not text.strip():
            return Rejected("empty", "the object's text is empty", can_repair=True)
        return Written(text.strip(), target)

    def _text(self, reply: str, target: str) -> Written | Rejected:
        freed = unwrap_new(reply, self.names.text_type)
        if not freed.text:
            return Rejected("empty", "the reply is empty")
        if MARKUP.match(freed.text):
            raise ReplyError("the reply is markup or code and no plain text")
        if "\n" in freed.text and not self.has_lines:
            raise ReplyError("the reply has several lines where the human rows have one")
        return Written(freed.text, target, note=f" unwrapped:{'+'.join(freed.removed)}" if freed.removed else "")

    def poll(self) -> Poll:
        """Return how the label of a finished text is asked for: with no rows, for those shown are of one label."""
        names = self.names
        meanings = {word: self.descriptions[label] for label, word in names.words.items()}

        def render(text: str, rows: Sequence[int]) -> str:
            return self.vote_prompt.render(
                text=text,
                examples=[],
                descriptions=meanings,
                text_type=names.text_type,
                label_type=names.label_type,
                words=list(names.words.values()),
            )

        return Poll(names.words, names.label_type, self.vote_prompt.mark, render)

    def usual(self) -> Sequence[str]:
        """Return the human rows' texts."""
        return self.train.texts
