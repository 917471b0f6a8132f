"""Rewording: each human row said in other words, small labels more often (the first stage of two-stage fine-tuning)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from augtune.core.dataset import Example, HumanDataset
from augtune.core.errors import InputError, ProviderError
from augtune.core.outcomes import Generation
from augtune.generation.base import Estimate, Generator, Progress, needed, spent
from augtune.generation.hygiene import is_refusal, unwrap
from augtune.generation.keep import Keeper
from augtune.generation.prompt import load
from augtune.generation.quotas import Balance, per_label
from augtune.generation.waves import Answer, Ask, answers, draw_number, most_calls
from augtune.llm.messages import Message, Reply

if TYPE_CHECKING:
    from augtune.llm.client import LLM

__all__ = ["Rephrase"]


class Rephrase(Generator):
    """Have the model reword each human row; the reworded row keeps the label.

    A label's rows are reworded in turn, in their order: every row once, then every row a second time, and so on, until
    the label has what it is to get.
    """

    kind: ClassVar[str] = "rephrase"

    per_class: Balance = "max"
    """Rows wanted: 'max' as many of each label as the largest has; 'minority' what each lacks of the largest; a number
    of each label; or a number per label, e.g. {billing: 30, login: 20}, and none of the others."""

    text_type: str = "text"
    """What the prompt calls a text, e.g. 'message'."""

    temperature: Annotated[float, Field(ge=0)] | None = 1.0
    """Sampling temperature; null leaves it to the provider."""

    top_p: Annotated[float, Field(gt=0, le=1)] | None = 1.0
    """Share of probability that tokens are drawn from; null leaves it to the provider."""

    max_tokens: Annotated[int, Field(ge=1)] = 512
    """Most tokens of a reply; one that is cut off is dropped."""

    attempts: Annotated[float, Field(ge=1)] = 1.5
    """Most calls per wanted row."""

    def generate(
        self, train: HumanDataset, *, llm: LLM | None, seed: int, on_progress: Progress | None = None
    ) -> Generation:
        """Return the rows of ``train`` in other words."""
        model = needed(llm, self.kind)
        before, plan = model.cost, _Plan(self, train, seed)
        keeper = Keeper(self.kind, plan.quota, train)
        for answer in answers(
            model, keeper, lambda target, n: plan.ask(model, target, n), attempts=self.attempts, on_progress=on_progress
        ):
            plan.take(answer, keeper)
        return keeper.result(spent(before, model.cost))

    def preview(self, train: HumanDataset, *, seed: int = 0, count: int = 3) -> list[str]:
        """Return the first prompts as they would be sent."""
        plan = _Plan(self, train, seed)
        targets = list(plan.quota)
        wanted = min(count, sum(plan.quota.values()))
        return [plan.prompt(plan.source(targets[i % len(targets)], i // len(targets))) for i in range(wanted)]

    def estimate(self, train: HumanDataset) -> Estimate:
        """Return the calls and tokens expected; token counts are a rule of thumb from the text's length."""
        plan = _Plan(self, train, 0)
        most = sum(most_calls(rows, self.attempts) for rows in plan.quota.values())
        sources = [row for target in plan.quota for row in plan.rows_of[target]]
        return Estimate.of(
            [plan.prompt(row) for row in sources],
            [train.texts[row] for row in sources],
            calls=sum(plan.quota.values()),
            at_most=most,
        )


class _Plan:
    """The settings resolved against the human rows: what is asked, and how an answer is read."""

    def __init__(self, settings: Rephrase, train: HumanDataset, seed: int) -> None:
        self.settings, self.train, self.seed = settings, train, seed
        if train.is_pair:
            raise InputError(f"rephrase: rewords single texts, and the rows of '{train.name}' are pairs.")
        self.quota = self._quota()
        rows = {label: np.flatnonzero(train.label_indices == k) for k, label in enumerate(train.labels)}
        self.rows_of = {label: [int(row) for row in found] for label, found in rows.items()}
        empty = [label for label in self.quota if not self.rows_of[label]]
        if empty:
            raise InputError(
                f"rephrase: no human row to reword for label {', '.join(map(repr, empty))}.",
                hint="Sample rows of every label, or leave them out: per_class: {label: rows}.",
            )
        self.texts, self.ids = train.texts, train.ids
        self.template = load("rephrase")

    def _quota(self) -> dict[str, int]:
        wanted, counts = self.settings.per_class, self.train.counts()
        largest = max(counts.values(), default=0)
        if wanted == "max":
            return dict.fromkeys(counts, largest)
        if wanted == "minority":
            return {label: largest - have for label, have in counts.items() if have < largest}
        return per_label(wanted, self.train.labels, where="generate.per_class")

    def source(self, target: str, number: int) -> int:
        """Return which row request ``number`` of a label rewords."""
        rows = self.rows_of[target]
        return rows[number % len(rows)]

    def prompt(self, row: int) -> str:
        """Return the prompt for a row."""
        return self.template.render(text_type=self.settings.text_type, text=self.texts[row])

    def ask(self, llm: LLM, target: str, number: int) -> Ask:
        """Return request ``number`` of a label: rewording ``number // rows`` of row ``number % rows``."""
        targets, settings = list(self.quota), self.settings
        row = self.source(target, number)
        request = llm.request(
            messages=(Message("user", self.prompt(row)),),
            temperature=settings.temperature,
            top_p=settings.top_p,
            max_tokens=settings.max_tokens,
            draw=draw_number(self.seed, number // len(self.rows_of[target])),
        )
        return Ask(number * len(targets) + targets.index(target), request, (self.ids[row],), target, row)

    def take(self, answer: Answer, keeper: Keeper) -> None:
        """Read an answer and offer the row to the keeper, or put on record why there is none."""
        ask, reply = answer.ask, answer.reply
        text = reply.text if isinstance(reply, Reply) else ""
        source = self.texts[ask.row]
        freed = unwrap(text, source)
        mark = f"{self.template.mark} unwrapped:{'+'.join(freed.removed)}" if freed.removed else self.template.mark
        problem = _problem(reply, freed.text, source)
        row = Example(
            f"{self.settings.kind}-{ask.index:04d}",
            text if problem else freed.text,
            ask.target,
            origin="rewritten",
            parents=ask.parents,
            call_key=ask.request.key,
            generator=mark,
        )
        if problem is not None:
            keeper.drop(row, *problem)
        else:
            keeper.offer(row)


def _problem(reply: Reply | ProviderError, text: str, source: str) -> tuple[str, str] | None:
    """Return the reason why a reply is no rewording, in a word or two and in full, or None if it is one."""
    if isinstance(reply, ProviderError):
        return "failed", f"the provider gave no reply: {reply.message}"
    if not text:
        return "empty", "the reply is empty"
    if reply.finish_reason == "refusal" or (is_refusal(text) and not is_refusal(source)):
        return "refused", "the model refused to answer"
    if reply.finish_reason == "length":
        return "cut off", "the reply reached max_tokens"
    if "\n" in text and "\n" not in source.strip():
        return "unreadable", "the reply has several lines where the human row has one"
    return None
