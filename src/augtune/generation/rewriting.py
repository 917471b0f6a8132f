"""Saying each human row anew, its label kept: what rewording and translating there and back have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from augtune.core.dataset import Example, HumanDataset
from augtune.core.errors import InputError, ProviderError
from augtune.core.outcomes import Generation
from augtune.generation.base import Estimate, Progress, needed, spent
from augtune.generation.hygiene import is_refusal, nothing_said, unwrap
from augtune.generation.keep import Keeper
from augtune.generation.quotas import Balanced, needs_rows
from augtune.generation.waves import Answer, Ask, Follow, answers, draw_number, most_calls
from augtune.llm.messages import Message, Reply, Request

if TYPE_CHECKING:
    from augtune.llm.client import LLM

__all__ = ["Rewriter", "Rewriting", "RowsInTurn", "problem_of"]


class RowsInTurn:
    """Which human row each new row of a label is made from: every row once, then every row a second time, and so on.

    Args:
        kind: Name of the generator, for messages.
        train: The human rows.
        quota: Rows wanted per label.
        does: What is done to a row, e.g. ``reword``.

    Raises:
        InputError: If the rows are pairs, or a label has none.
    """

    def __init__(self, kind: str, train: HumanDataset, quota: Mapping[str, int], *, does: str) -> None:
        if train.is_pair:
            raise InputError(f"{kind}: {does}s single texts, and the rows of '{train.name}' are pairs.")
        needs_rows(kind, does, quota, train)
        rows = {label: np.flatnonzero(train.label_indices == k) for k, label in enumerate(train.labels)}
        self.rows_of = {label: [int(row) for row in found] for label, found in rows.items()}
        self.targets = list(quota)

    def source(self, target: str, number: int) -> int:
        """Return which row new row ``number`` of a label is made from."""
        rows = self.rows_of[target]
        return rows[number % len(rows)]

    def lap(self, target: str, number: int) -> int:
        """Return how many times that row was used before."""
        return number // len(self.rows_of[target])

    def index(self, target: str, number: int) -> int:
        """Return the number of a label's new row among all: the labels take turns."""
        return number * len(self.targets) + self.targets.index(target)

    def used(self) -> list[int]:
        """Return all rows of the labels wanted."""
        return [row for target in self.targets for row in self.rows_of[target]]


class Rewriter(Balanced):
    """A generator that has a model say each human row anew. A label's rows take turns, in their order."""

    text_type: str = "text"
    """What the prompt calls a text, e.g. 'message'."""

    temperature: Annotated[float, Field(ge=0)] | None = 1.0
    """Sampling temperature; null leaves it to the provider."""

    top_p: Annotated[float, Field(gt=0, le=1)] | None = 1.0
    """Share of probability that tokens are drawn from; null leaves it to the provider."""

    max_tokens: Annotated[int, Field(ge=1)] = 512
    """Most tokens of a reply; one that is cut off is dropped."""

    attempts: Annotated[float, Field(ge=1)] = 1.5
    """Most tries per wanted row."""

    @abstractmethod
    def plan(self, train: HumanDataset, seed: int) -> Rewriting:
        """Return the settings resolved against the human rows."""

    def generate(
        self, train: HumanDataset, *, llm: LLM | None, seed: int, on_progress: Progress | None = None
    ) -> Generation:
        """Return the rows of ``train`` said anew."""
        model = needed(llm, self.kind)
        before, plan = model.cost, self.plan(train, seed)
        keeper = Keeper(self.kind, plan.quota, train)

        def ask(target: str, number: int) -> Ask:
            return plan.ask(model, target, number)

        for answer in answers(
            model, keeper, ask, attempts=self.attempts, on_progress=on_progress, rounds=plan.rounds(model)
        ):
            plan.take(answer, keeper)
        return keeper.result(spent(before, model.cost))

    def preview(self, train: HumanDataset, *, seed: int = 0, count: int = 3) -> list[str]:
        """Return the first prompts as they would be sent."""
        plan = self.plan(train, seed)
        targets = plan.turns.targets
        wanted = min(count, sum(plan.quota.values()))
        return [plan.prompt(targets[i % len(targets)], i // len(targets)) for i in range(wanted)]

    def estimate(self, train: HumanDataset) -> Estimate:
        """Return the calls and tokens expected; token counts are a rule of thumb from the text's length."""
        plan = self.plan(train, 0)
        most = sum(most_calls(rows, self.attempts) for rows in plan.quota.values())
        prompts = [plan.prompt(target, n) for target in plan.quota for n in range(len(plan.turns.rows_of[target]))]
        written = [train.texts[row] for row in plan.turns.used()]
        return Estimate.of(prompts, written, calls=sum(plan.quota.values()), at_most=most)


class Rewriting(ABC):
    """What a rewriter asks, and how an answer is read.

    Args:
        settings: The generator.
        train: The human rows.
        seed: Seed that tells the draws of two runs apart.
        does: What is done to a row, e.g. ``reword``.
    """

    def __init__(self, settings: Rewriter, train: HumanDataset, seed: int, *, does: str) -> None:
        self.writer, self.seed = settings, seed
        self.quota = settings.quota_of(train)
        self.turns = RowsInTurn(settings.kind, train, self.quota, does=does)
        self.texts, self.ids = train.texts, train.ids

    @property
    @abstractmethod
    def mark(self) -> str:
        """What every row keeps of the prompts that make it."""

    @abstractmethod
    def prompt(self, target: str, number: int) -> str:
        """Return the prompt of request ``number`` of a label."""

    def rounds(self, llm: LLM) -> Sequence[Follow]:
        """Return what is asked further for each row."""
        return ()

    def final(self, answer: Answer) -> tuple[Request, Reply | ProviderError]:
        """Return the request that a row's text comes from, and what came back."""
        return answer.ask.request, answer.reply

    def note(self, answer: Answer) -> str:
        """Return what else a row keeps on record."""
        return ""

    def request(self, llm: LLM, prompt: str, draw: int) -> Request:
        """Return the request for a prompt."""
        settings = self.writer
        return llm.request(
            messages=(Message("user", prompt),),
            temperature=settings.temperature,
            top_p=settings.top_p,
            max_tokens=settings.max_tokens,
            draw=draw,
        )

    def ask(self, llm: LLM, target: str, number: int) -> Ask:
        """Return request ``number`` of a label."""
        row, draw = self.turns.source(target, number), draw_number(self.seed, self.turns.lap(target, number))
        request = self.request(llm, self.prompt(target, number), draw)
        return Ask(self.turns.index(target, number), request, (self.ids[row],), target, row)

    def take(self, answer: Answer, keeper: Keeper) -> None:
        """Read an answer and offer the row to the keeper, or put on record why there is none."""
        ask, source = answer.ask, self.texts[answer.ask.row]
        request, reply = self.final(answer)
        text = reply.text if isinstance(reply, Reply) else ""
        freed = unwrap(text, source)
        mark = self.mark + self.note(answer)
        problem = problem_of(reply, freed.text, source)
        row = Example(
            f"{self.writer.kind}-{ask.index:04d}",
            text if problem else freed.text,
            ask.target,
            origin="rewritten",
            parents=ask.parents,
            call_key=request.key,
            generator=f"{mark} unwrapped:{'+'.join(freed.removed)}" if freed.removed else mark,
        )
        if problem is not None:
            keeper.drop(row, *problem)
        else:
            keeper.offer(row)


def problem_of(reply: Reply | ProviderError, text: str, source: str) -> tuple[str, str] | None:
    """Return the reason why a reply is no rewriting, in a word or two and in full, or None if it is one."""
    if isinstance(reply, ProviderError):
        return "failed", f"the provider gave no reply: {reply.message}"
    if not text:
        return nothing_said(reply)
    if reply.finish_reason == "refusal" or (is_refusal(text) and not is_refusal(source)):
        return "refused", "the model refused to answer"
    if reply.finish_reason == "length":
        return "cut off", "the reply reached max_tokens"
    if "\n" in text and "\n" not in source.strip():
        return "unreadable", "the reply has several lines where the human row has one"
    return None
