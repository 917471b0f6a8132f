"""Having a model write new rows: one reply a row, repaired once if asked for, its label made soft if asked for.

A generator says in a ``Plan`` what to ask and how a reply is read. What becomes of the reply is the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from augtune.core.dataset import Example, HumanDataset
from augtune.core.errors import InputError, ProviderError
from augtune.core.outcomes import Cost, Generation
from augtune.generation.base import Estimate, Generator, Progress, needed, spent
from augtune.generation.hygiene import is_refusal
from augtune.generation.keep import Keeper
from augtune.generation.prompt import Prompt, load
from augtune.generation.votes import Poll, Votes
from augtune.generation.waves import Answer, Ask, answers, draw_number, most_calls
from augtune.llm.messages import Message, Reply, Request

if TYPE_CHECKING:
    from augtune.llm.client import LLM

__all__ = ["Plan", "Rejected", "Soft", "Source", "Writer", "Written", "write"]

ESTIMATED_PROMPTS = 32  # prompts rendered to learn their usual length
Source = Literal["logprobs", "stated", "votes", "hard"]
Soft = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """A reply that could be read.

    Args:
        text: The text written.
        label: The label written, or asked for.
        stated: ``(K,)`` probabilities that the reply states.
        note: What was done to the text, for the record.
    """

    text: str
    label: str
    stated: Soft | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A reply that is no row.

    Args:
        reason: Why, in a word or two.
        because: Why, in full; it is what a repair turn tells the model.
        can_repair: True if asking once more may help.
    """

    reason: str
    because: str
    can_repair: bool = False


def refusal_or_gap(reply: Reply) -> Rejected | None:
    """Return why a reply is no data whatever its form (nothing in it, refused), or None."""
    if reply.finish_reason == "refusal":
        return Rejected("refused", "the model refused to answer")
    if not reply.text.strip():
        return Rejected("empty", "the reply is empty")
    return Rejected("refused", "the model refused to answer") if is_refusal(reply.text) else None


class Writer(Generator):
    """A generator that has a model write rows, one reply a row."""

    repair: Literal[0, 1] = 0
    """How many times a reply that cannot be read is sent back with what is wrong with it; then it is dropped."""

    votes: Annotated[int, Field(ge=1)] = 5
    """Where votes make a soft label: how many more times the model is asked for the label of the finished text."""

    smoothing: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Where votes make a soft label: votes that every label is given beforehand, so that none has probability 0."""

    temperature: Annotated[float, Field(ge=0)] | None = 1.0
    """Sampling temperature; null leaves it to the provider."""

    top_p: Annotated[float, Field(gt=0, le=1)] | None = 1.0
    """Share of probability that tokens are drawn from; null leaves it to the provider."""

    max_tokens: Annotated[int, Field(ge=1)] = 100
    """Most tokens of a reply; one that is cut off is dropped."""

    attempts: Annotated[float, Field(ge=1)] = 2.0
    """Most first calls per wanted row."""

    @property
    @abstractmethod
    def sources(self) -> tuple[Source, ...]:
        """Where a row's label comes from: the first of these that gives one."""

    @abstractmethod
    def plan(self, train: HumanDataset, seed: int) -> Plan:
        """Return the settings resolved against the human rows."""

    @model_validator(mode="after")
    def _votes_differ(self) -> Self:
        if "votes" in self.sources and self.temperature == 0:
            raise ValueError("votes drawn at temperature 0 are all alike; raise temperature or set labels: hard")
        return self

    def generate(
        self, train: HumanDataset, *, llm: LLM | None, seed: int, on_progress: Progress | None = None
    ) -> Generation:
        """Return the rows that the model wrote, what was dropped and why, and what lacks of the quota."""
        model = needed(llm, self.kind)
        return write(self.plan(train, seed), model, on_progress=on_progress)

    def preview(self, train: HumanDataset, *, seed: int = 0, count: int = 3) -> list[str]:
        """Return the first prompts as they would be sent."""
        return self.plan(train, seed).preview(count)

    def estimate(self, train: HumanDataset) -> Estimate:
        """Return the calls and tokens expected; token counts are a rule of thumb from the text's length."""
        return self.plan(train, 0).estimate()


class Plan(ABC):
    """What a generator asks for, and how it reads a reply.

    Args:
        settings: The generator.
        train: The human rows.
        seed: Seed of what is drawn.
        quota: Rows wanted per label, or ``{ANY: rows}``.
    """

    does: ClassVar[str] = "writes"

    def __init__(self, settings: Writer, train: HumanDataset, seed: int, quota: dict[str, int]) -> None:
        self.kind, self.train, self.seed, self.quota = settings.kind, train, seed, quota
        self.writer = settings
        self.targets = list(quota)
        self._shown: dict[int, tuple[int, ...]] = {}
        if train.is_pair:
            raise InputError(f"{self.kind}: {self.does} single texts, and the rows of '{train.name}' are pairs.")

    @property
    @abstractmethod
    def mark(self) -> str:
        """What every row keeps of the prompts that make it."""

    @abstractmethod
    def rows(self, target: str, index: int) -> Sequence[int]:
        """Return which human rows request ``index`` shows."""

    @abstractmethod
    def prompt(self, target: str, index: int) -> str:
        """Return the prompt of request ``index``."""

    @abstractmethod
    def request(self, llm: LLM, prompt: str, **sampling: Any) -> Request:
        """Return the request for a prompt."""

    @abstractmethod
    def read(self, reply: Reply, ask: Ask) -> Written | Rejected:
        """Return what a reply says, or why it says nothing."""

    @abstractmethod
    def poll(self) -> Poll:
        """Return how the label of a finished text is asked for."""

    @abstractmethod
    def usual(self) -> Sequence[str]:
        """Return replies of the usual length."""

    def shown(self, target: str, index: int) -> tuple[int, ...]:
        """Return the same, drawn once."""
        if index not in self._shown:
            self._shown[index] = tuple(self.rows(target, index))
        return self._shown[index]

    def note(self, ask: Ask) -> str:
        """Return what else a row of this request keeps on record."""
        return ""

    def logprobs(self, reply: Reply) -> Soft | None:
        """Return the label's probabilities where the reply's tokens tell them."""
        return None

    def index(self, target: str, number: int) -> int:
        """Return the number of a target's request among all: the targets take turns."""
        return number * len(self.targets) + self.targets.index(target)

    def ask(self, llm: LLM, target: str, number: int) -> Ask:
        """Return request ``number`` of a target; it depends on the rows, the settings and the seed alone."""
        index = self.index(target, number)
        sampling = {name: getattr(self.writer, name) for name in ("temperature", "top_p", "max_tokens")}
        request = self.request(llm, self.prompt(target, index), draw=draw_number(self.seed, index), **sampling)
        return Ask(index, request, tuple(self.train.ids[row] for row in self.shown(target, index)), target)

    def preview(self, count: int) -> list[str]:
        """Return the first prompts."""
        turns = len(self.targets)
        return [self.prompt(self.targets[i % turns], i) for i in range(count)] if turns else []

    def estimate(self) -> Estimate:
        """Return what the quota is expected to take."""
        settings, rows = self.writer, sum(self.quota.values())
        most = sum(most_calls(wanted, settings.attempts) for wanted in self.quota.values())
        prompts = self.preview(min(rows, ESTIMATED_PROMPTS))
        first = Estimate.of(prompts, self.usual(), calls=rows, at_most=most * (1 + settings.repair))
        if "votes" not in settings.sources:
            return first
        calls = rows * settings.votes if settings.sources[0] == "votes" else 0
        poll, texts = self.poll(), self.train.texts or ("",)
        asked = [poll.render(text, ()) for text in texts[:ESTIMATED_PROMPTS]]
        extra = Estimate.of(asked, list(poll.words.values()), calls=calls, at_most=most * settings.votes)
        return replace(first + extra, rows=rows)


def write(plan: Plan, llm: LLM, *, on_progress: Progress | None = None, before: Cost | None = None) -> Generation:
    """Return the rows that a plan brings.

    Args:
        plan: What to ask and how to read it.
        llm: The model.
        on_progress: Told how many calls are done, and of how many, as far as known.
        before: What the model had cost before, if the plan itself took calls.
    """
    before = before if before is not None else llm.cost
    keeper, fate = Keeper(plan.kind, plan.quota, plan.train), _Fate(plan, llm)
    for answer in answers(
        llm,
        keeper,
        lambda target, number: plan.ask(llm, target, number),
        attempts=plan.writer.attempts,
        on_progress=on_progress,
        rounds=fate.rounds,
    ):
        fate.take(answer, keeper)
    return keeper.result(spent(before, llm.cost))


class _Fate:
    """Decides what becomes of a reply: a row, or a record of why it is none."""

    def __init__(self, plan: Plan, llm: LLM) -> None:
        self.plan, self.llm, self.settings = plan, llm, plan.writer
        self.sources = self.settings.sources
        self.repair: Prompt = load("repair")
        self.votes = Votes(plan.poll(), self.settings, plan.seed) if "votes" in self.sources else None
        self.rounds = [self.repairs] * bool(self.settings.repair) + [self.polls] * (self.votes is not None)

    def repairs(self, answer: Answer) -> list[Request]:
        """Return the turn that sends a reply back, if it cannot be read and asking again may help."""
        found = self._read(answer.reply, answer.ask)
        if isinstance(answer.reply, ProviderError) or isinstance(found, Written) or not found.can_repair:
            return []
        asked = answer.ask.request
        turns = (
            *asked.messages,
            Message("assistant", answer.reply.text),
            Message("user", self.repair.render(error=found.because)),
        )
        return [replace(asked, messages=turns)]

    def polls(self, answer: Answer) -> list[Request]:
        """Return the votes on a row's label, unless a source before them has given it or the text is known."""
        _, reply, found = self._final(answer)
        if self.votes is None or not isinstance(reply, Reply) or isinstance(found, Rejected):
            return []
        if any(self._soft(source, reply, found) is not None for source in self._before("votes")):
            return []
        return self.votes.requests(self.llm, found.text, self.plan.shown(answer.ask.target, answer.ask.index))

    def take(self, answer: Answer, keeper: Keeper) -> None:
        """Offer an answer's row to the keeper, or put on record why there is none."""
        ask = answer.ask
        request, reply, found = self._final(answer)
        was_repaired = request is not ask.request
        row = Example(
            f"{self.plan.kind}-{ask.index:04d}",
            reply.text if isinstance(reply, Reply) else "",
            "",
            origin="generated",
            parents=ask.parents,
            call_key=request.key,
            generator=self.plan.mark + f"+{self.repair.mark}" * was_repaired + self.plan.note(ask),
        )
        if isinstance(found, Rejected):
            because = found.because
            if was_repaired:
                because += f" (asked again, after: {self._rejected(answer).because})"
            keeper.drop(row, found.reason, because)
            return
        row = replace(row, text=found.text, label=found.label, generator=f"{row.generator}{found.note}")
        labelled = self._labelled(row, answer, reply, found)
        if labelled is None:
            keeper.drop(row, "no soft label", f"its label's probabilities came from none of {', '.join(self.sources)}")
        else:
            keeper.offer(labelled)

    def _labelled(self, row: Example, answer: Answer, reply: Reply | ProviderError, found: Written) -> Example | None:
        """Return the row with the label that the first source able to gives it."""
        for source in self.sources:
            if source == "hard":
                return row
            if source == "votes" and self.votes is not None:
                count = self.votes.count(answer.rounds[-1], found.label)
                if count is not None:
                    mark = f"{row.generator}+{count.mark}"
                    row = replace(row, label=count.label, generator=mark)
                    return replace(row, probabilities=count.shares, soft_source="votes")
                continue
            soft = self._soft(source, reply, found)
            if soft is not None:
                label = self.plan.train.labels[int(np.argmax(soft))]
                return replace(row, label=label, probabilities=soft, soft_source=source)
        return None

    def _soft(self, source: Source, reply: Reply | ProviderError, found: Written) -> Soft | None:
        if source == "logprobs":
            return self.plan.logprobs(reply) if isinstance(reply, Reply) else None
        return found.stated if source == "stated" else None

    def _before(self, source: Source) -> tuple[Source, ...]:
        return self.sources[: self.sources.index(source)]

    def _final(self, answer: Answer) -> tuple[Request, Reply | ProviderError, Written | Rejected]:
        """Return the last request for a row's text, what came back, and what that says."""
        request, reply = answer.ask.request, answer.reply
        if self.settings.repair and answer.rounds and answer.rounds[0]:
            turn = answer.rounds[0][0]
            request, reply = turn.request, turn.reply
        return request, reply, self._read(reply, answer.ask)

    def _rejected(self, answer: Answer) -> Rejected:
        found = self._read(answer.reply, answer.ask)
        return found if isinstance(found, Rejected) else Rejected("", "")

    def _read(self, reply: Reply | ProviderError, ask: Ask) -> Written | Rejected:
        if isinstance(reply, ProviderError):
            return Rejected("failed", f"the provider gave no reply: {reply.message}")
        return self.plan.read(reply, ask)
