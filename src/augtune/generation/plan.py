"""What a generator of new rows asks for, and what a reply to it says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from augtune.core.dataset import HumanDataset
from augtune.core.errors import InputError
from augtune.generation.base import Estimate
from augtune.generation.hygiene import is_refusal, nothing_said
from augtune.generation.votes import Poll
from augtune.generation.waves import Ask, draw_number, most_calls
from augtune.llm.messages import Reply, Request

if TYPE_CHECKING:
    from augtune.generation.writing import Writer
    from augtune.llm.client import LLM

__all__ = ["Plan", "Rejected", "Soft", "Source", "Written", "refusal_or_gap"]

ESTIMATED_PROMPTS = 32  # prompts rendered to learn their usual length
Source = Literal["logprobs", "local", "stated", "votes", "hard"]
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
        return Rejected(*nothing_said(reply))
    return Rejected("refused", "the model refused to answer") if is_refusal(reply.text) else None


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
        found = Estimate.of(prompts, self.usual(), calls=rows, at_most=most * (1 + settings.repair))
        poll, texts = self.poll(), (self.train.texts or ("",))[:ESTIMATED_PROMPTS]
        for source, each in (("local", settings.scorings), ("votes", settings.votes)):
            if source not in settings.sources:
                continue
            calls = rows * each if settings.sources[0] == source else 0
            asked = [poll.render(text, ()) for text in texts] if calls else [""]
            found = found + Estimate.of(asked, list(poll.words.values()), calls=calls, at_most=most * each)
        return replace(found, rows=rows)
