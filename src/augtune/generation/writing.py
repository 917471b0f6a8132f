"""Having a model write new rows, one reply a row: the keys that such generators share, and how they are run."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from augtune.core.dataset import HumanDataset
from augtune.core.outcomes import Cost, Generation
from augtune.generation.base import Estimate, Generator, Progress, needed, spent
from augtune.generation.fate import Fate
from augtune.generation.keep import Keeper
from augtune.generation.plan import Plan, Source
from augtune.generation.votes import CONTENT_FREE
from augtune.generation.waves import answers

if TYPE_CHECKING:
    from augtune.llm.client import LLM

__all__ = ["Writer", "write"]


class Writer(Generator):
    """A generator that has a model write rows, one reply a row."""

    repair: Literal[0, 1] = 0
    """How many times a reply that cannot be read is sent back with what is wrong with it; then it is dropped."""

    votes: Annotated[int, Field(ge=1)] = 5
    """Where votes make a soft label: how many more times the model is asked for the label of the finished text."""

    vote_tokens: Annotated[int, Field(ge=1)] | None = None
    """Most tokens of a vote; by default 16, or as many as the longest label has characters. Models that think before
    they answer need more."""

    smoothing: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Where votes make a soft label: votes that every label is given beforehand, so that none has probability 0."""

    by_length: bool = False
    """Where a model in this process scores the labels: divide a label's log-probability by its number of tokens, so
    that a long one is not unlikely for its length alone."""

    calibrate: bool = False
    """Where a model in this process scores the labels: divide by what it gives them for texts that say nothing (Zhao et
    al., ICML 2021)."""

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

    @property
    def scorings(self) -> int:
        """How many requests it takes to have a text's labels scored."""
        return 1 + len(CONTENT_FREE) * self.calibrate

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


def write(plan: Plan, llm: LLM, *, on_progress: Progress | None = None, before: Cost | None = None) -> Generation:
    """Return the rows that a plan brings.

    Args:
        plan: What to ask and how to read it.
        llm: The model.
        on_progress: Told how many calls are done, and of how many, as far as known.
        before: What the model had cost before, if the plan itself took calls.

    Raises:
        InputError: If labels come from scores alone, and the model gives none.
    """
    before = before if before is not None else llm.cost
    keeper = Keeper(plan.kind, plan.quota, plan.train)
    fate = Fate(plan, llm, keeper)
    for answer in answers(
        llm,
        keeper,
        lambda target, number: plan.ask(llm, target, number),
        attempts=plan.writer.attempts,
        on_progress=on_progress,
        rounds=fate.rounds,
    ):
        fate.take(answer)
    return keeper.result(spent(before, llm.cost))
