"""GPT3Mix: show a model a few rows, have it write a new one and its label (Yoo et al., Findings of EMNLP 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from augtune.core import seeds
from augtune.core.dataset import Example, HumanDataset
from augtune.core.errors import InputError, ProviderError, SettingsError
from augtune.core.outcomes import Generation
from augtune.core.settings import suggestion
from augtune.generation.base import Estimate, Generator, Progress, needed, spent
from augtune.generation.hygiene import is_refusal
from augtune.generation.keep import ANY, Keeper
from augtune.generation.lines import Line, key, read_line, words_for
from augtune.generation.prompt import folded, load
from augtune.generation.quotas import PerClass, per_label
from augtune.generation.soft import soft_label
from augtune.generation.tasks import TASKS
from augtune.generation.waves import Answer, Ask, answers, draw_number, most_calls
from augtune.llm.messages import Message, Reply, Request

if TYPE_CHECKING:
    from augtune.llm.client import LLM

__all__ = ["Gpt3Mix"]

ESTIMATED_PROMPTS = 32  # prompts rendered to learn their usual length
LONGEST_NAME = 60


class Gpt3Mix(Generator):
    """Show the model a few rows, have it write a new one and its label, and read the label's probabilities.

    The quota is one of ``per_class``, ``multiplier`` and ``count``; without any, as many rows as there are human ones.
    """

    kind: ClassVar[str] = "gpt3mix"

    per_class: PerClass | None = None
    """Rows wanted of each label: a number, or a number per label, e.g. {billing: 30, login: 20}."""

    multiplier: Annotated[float, Field(gt=0)] | None = None
    """Rows wanted in all, as a multiple of the human rows; their labels fall as the model writes them."""

    count: Annotated[int, Field(ge=1)] | None = None
    """Rows wanted in all; their labels fall as the model writes them."""

    examples: Annotated[int, Field(ge=1)] = 2
    """How many human rows each prompt shows."""

    choose: Literal["uniform", "balanced"] = "uniform"
    """Which rows a prompt shows: any, or equally many of each label."""

    labels: Literal["soft", "hard"] = "soft"
    """Whether a row keeps the probability of each label (where the provider gives it) or only the label written."""

    task: str | None = None
    """A known task, e.g. sst2 or trec6: sets text_type, label_type and verbalizers where they are not given."""

    text_type: str | None = None
    """What the prompt calls a text, e.g. 'movie review'; by default 'text'."""

    label_type: str | None = None
    """What the prompt calls a label, e.g. 'sentiment'; by default 'label'."""

    verbalizers: dict[str, str] = Field(default_factory=dict)
    """The word that stands for a label in the prompt; by default the label's own name."""

    form: Literal["completion", "chat"] = "chat"
    """How the model is asked: by one message of a chat, or by a text to continue, where the provider takes these."""

    temperature: Annotated[float, Field(ge=0)] | None = 1.0
    """Sampling temperature; null leaves it to the provider."""

    top_p: Annotated[float, Field(gt=0, le=1)] | None = 1.0
    """Share of probability that tokens are drawn from; null leaves it to the provider."""

    max_tokens: Annotated[int, Field(ge=1)] = 100
    """Most tokens of a reply; a line that is cut off is dropped."""

    frequency_penalty: float | None = None
    """Penalty on tokens by how often they came up; null leaves it to the provider."""

    top_logprobs: Annotated[int, Field(ge=1)] = 20
    """For soft labels: how many of the likeliest tokens to ask for at each place; some providers give at most 5."""

    attempts: Annotated[float, Field(ge=1)] = 2.0
    """Most calls per wanted row."""

    @field_validator("task")
    @classmethod
    def _known_task(cls, value: str | None) -> str | None:
        name = value.replace("_", "-") if value is not None else None
        if name is not None and name not in TASKS:
            raise ValueError(f"no task is called {value!r}{suggestion(name, TASKS)}")
        return name

    @field_validator("text_type", "label_type")
    @classmethod
    def _on_one_line(cls, value: str | None) -> str | None:
        if value is not None and (not value.strip() or folded(value) != value or any(c in value for c in "():")):
            raise ValueError(f"expected a word or two without brackets, colons or line breaks, got {value!r}")
        return value

    @field_validator("verbalizers")
    @classmethod
    def _plain_words(cls, value: dict[str, str]) -> dict[str, str]:
        for label, word in value.items():
            if not word.strip() or folded(word) != word or len(word) > LONGEST_NAME:
                raise ValueError(f"expected a short word for {label!r}, got {word!r}")
        return value

    @model_validator(mode="after")
    def _one_quota(self) -> Self:
        given = [name for name in ("per_class", "multiplier", "count") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are both given; the number of rows is set by one of them")
        return self

    def generate(
        self, train: HumanDataset, *, llm: LLM | None, seed: int, on_progress: Progress | None = None
    ) -> Generation:
        """Return new rows, each written by the model after reading a few of ``train``."""
        model, before = needed(llm, self.kind), needed(llm, self.kind).cost
        plan = _Plan(self, train, seed)
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
        return [plan.prompt(plan.shown(targets[i % len(targets)], i)) for i in range(count)]

    def estimate(self, train: HumanDataset) -> Estimate:
        """Return the calls and tokens expected; token counts are a rule of thumb from the text's length."""
        plan = _Plan(self, train, 0)
        calls = sum(plan.quota.values())
        most = sum(most_calls(rows, self.attempts) for rows in plan.quota.values())
        prompts = self.preview(train, count=min(calls, ESTIMATED_PROMPTS))
        written = [f" {row.text} ({plan.label_type}: {plan.words[row.label]})" for row in train]
        return Estimate.of(prompts, written, calls=calls, at_most=most)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A row as the prompt shows it."""

    text: str
    word: str


class _Plan:
    """The settings resolved against the human rows: what is asked, and how an answer is read."""

    def __init__(self, settings: Gpt3Mix, train: HumanDataset, seed: int) -> None:
        task = TASKS.get(settings.task) if settings.task is not None else None
        self.settings, self.train, self.seed = settings, train, seed
        self.text_type = settings.text_type or (task.text_type if task else "text")
        self.label_type = settings.label_type or (task.label_type if task else "label")
        self.words = words_for(train.labels, settings.verbalizers, task, where="generate.verbalizers")
        self.label_of = {key(word): label for label, word in self.words.items()}
        self.quota = self._quota()
        self._check()
        self.texts, self.names = train.texts, train.label_names
        self.rows_of = {label: np.flatnonzero(train.label_indices == k) for k, label in enumerate(train.labels)}
        self.list_prompt = load("gpt3mix")
        self.chat_prompt = load("gpt3mix_chat")
        prompts = [self.chat_prompt, self.list_prompt] if settings.form == "chat" else [self.list_prompt]
        self.mark = "+".join(prompt.mark for prompt in prompts)

    def _quota(self) -> dict[str, int]:
        settings, labels = self.settings, self.train.labels
        if settings.per_class is None:
            return {ANY: settings.count or max(round((settings.multiplier or 1) * len(self.train)), 1)}
        return per_label(settings.per_class, labels, where="generate.per_class")

    def _check(self) -> None:
        train, shown = self.train, self.settings.examples
        if train.is_pair:
            raise InputError(f"gpt3mix: writes single texts, and the rows of '{train.name}' are pairs.")
        if shown > len(train):
            raise SettingsError(
                f"generate.examples: expected at most the {len(train)} human rows there are, got {shown}"
            )
        counts = train.counts()
        empty = [label for label in self.quota if label != ANY and not counts[label]]
        if empty:
            raise InputError(
                f"gpt3mix: no human row to show for label {', '.join(map(repr, empty))}.",
                hint="Sample rows of every label, or leave them out: per_class: {label: rows}.",
            )
        if self.settings.choose == "balanced":
            each, rest = divmod(shown, len(train.labels))
            short = [label for label, have in counts.items() if have < each]
            if rest or short:
                why = f"{short[0]!r} has only {counts[short[0]]} rows" if short and not rest else "it is not"
                raise SettingsError(
                    f"generate.examples: with choose: balanced, expected a multiple of the {len(train.labels)} labels "
                    f"and enough rows of each, got {shown}: {why}"
                )

    def shown(self, target: str, index: int) -> list[int]:
        """Return which rows request ``index`` shows; of the target's label, if it has one, at least the last.

        Language models lean towards the label they read last (Zhao et al., ICML 2021), which here fills the quota.
        """
        rng = seeds.generator(self.seed, self.settings.kind, index)
        count = self.settings.examples
        if self.settings.choose == "balanced":
            each = count // len(self.train.labels)
            drawn = np.concatenate([rng.choice(rows, each, replace=False) for rows in self.rows_of.values()])
            order = [int(row) for row in rng.permutation(drawn)]
            if target != ANY:
                last = next(row for row in order if self.names[row] == target)
                order = [*(row for row in order if row != last), last]
            return order
        if target == ANY:
            return [int(row) for row in rng.choice(len(self.train), count, replace=False)]
        last = int(rng.choice(self.rows_of[target]))
        others = np.delete(np.arange(len(self.train)), last)
        return [*(int(row) for row in rng.choice(others, count - 1, replace=False)), last]

    def prompt(self, rows: list[int]) -> str:
        """Return the prompt that shows the given rows."""
        values: dict[str, Any] = {
            "text_type": self.text_type,
            "label_type": self.label_type,
            "words": list(self.words.values()),
        }
        examples = [_Shown(self.texts[row], self.words[self.names[row]]) for row in rows]
        text = self.list_prompt.render(examples=examples, **values)
        return text if self.settings.form == "completion" else self.chat_prompt.render(list=text, **values)

    def ask(self, llm: LLM, target: str, number: int) -> Ask:
        """Return request ``number`` of a target; it depends on the rows, the settings and the seed alone."""
        targets = list(self.quota)
        index = number * len(targets) + targets.index(target)
        rows = self.shown(target, index)
        return Ask(
            index, self._request(llm, self.prompt(rows), index), tuple(self.train.ids[row] for row in rows), target
        )

    def _request(self, llm: LLM, prompt: str, index: int) -> Request:
        settings = self.settings
        sampling: dict[str, Any] = {
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "max_tokens": settings.max_tokens,
            "frequency_penalty": settings.frequency_penalty,
            "logprobs": settings.top_logprobs if settings.labels == "soft" else None,
            "draw": draw_number(self.seed, index),
        }
        if settings.form == "completion":
            return llm.request(prompt=prompt, stop=("\n",), **sampling)
        return llm.request(messages=(Message("user", prompt),), **sampling)

    def take(self, answer: Answer, keeper: Keeper) -> None:
        """Read an answer and offer the row to the keeper, or put on record why there is none."""
        ask, reply = answer.ask, answer.reply
        text = reply.text if isinstance(reply, Reply) else ""
        row = Example(
            f"{self.settings.kind}-{ask.index:04d}", text, "", origin="generated", parents=ask.parents,
            call_key=ask.request.key, generator=self.mark,
        )  # fmt: skip
        if isinstance(reply, ProviderError):
            keeper.drop(row, "failed", f"the provider gave no reply: {reply.message}")
            return
        line = read_line(reply.text, self.text_type, self.label_type)
        problem = _problem(reply, line, self.label_of)
        if line is None or problem is not None:
            keeper.drop(row, *(problem or UNREADABLE))
            return
        keeper.offer(self._labelled(row, reply, line))

    def _labelled(self, row: Example, reply: Reply, line: Line) -> Example:
        soft = self._soft(reply) if self.settings.labels == "soft" else None
        label = self.label_of[key(line.word)]
        source = None
        if soft is not None:
            label, source = self.train.labels[int(np.argmax(soft))], "logprobs"
        return replace(row, text=line.text, label=label, probabilities=soft, soft_source=source)

    def _soft(self, reply: Reply) -> tuple[float, ...] | None:
        if reply.logprobs is None:
            return None
        # Tokens need not join to the reply's own text (stop texts, raw bytes), so the label is found in the tokens.
        joined = read_line("".join(entry.token for entry in reply.logprobs), self.text_type, self.label_type)
        if joined is None:
            return None
        return soft_label(reply.logprobs, joined.start, list(self.words.values()))


UNREADABLE = ("unreadable", "the reply is not a line of the form 'text (label type: label)'")


def _problem(reply: Reply, line: Line | None, label_of: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the reason why a reply is no row, in a word or two and in full, or None if it is one."""
    if not reply.text.strip():
        return "empty", "the reply is empty"
    if reply.finish_reason == "refusal":
        return "refused", "the model refused to answer"
    if reply.finish_reason == "length" and (line is None or not line.is_ended):
        return "cut off", "the reply reached max_tokens before its line was complete"
    if line is None:
        return ("refused", "the model refused to answer") if is_refusal(reply.text) else UNREADABLE
    if key(line.word) not in label_of:
        return "unknown label", f"{line.word!r} is not the word of any label"
    return None if line.text else ("empty", "the line has a label and no text")
