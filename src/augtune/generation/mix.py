"""GPT3Mix's prompt in its three forms, and how what comes back is read: a line, or a JSON object."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from augtune.core import seeds
from augtune.core.dataset import HumanDataset
from augtune.core.replies import ReplyError, distribution, object_in
from augtune.generation.choose import Chooser
from augtune.generation.hygiene import is_refusal, nothing_said
from augtune.generation.lines import Line, key, read_line
from augtune.generation.naming import Names
from augtune.generation.plan import Plan, Rejected, Soft, Written, refusal_or_gap
from augtune.generation.prompt import folded, load
from augtune.generation.votes import Poll
from augtune.generation.waves import Ask
from augtune.llm.messages import Message, Reply, Request

if TYPE_CHECKING:
    from augtune.generation.gpt3mix import Gpt3Mix
    from augtune.llm.client import LLM

__all__ = ["Form", "Mix"]

from augtune.generation.schemas import schema_of
from augtune.generation.soft import soft_label

Form = Literal["completion", "chat", "schema"]
LABEL_FIELD = re.compile(r'"label"\s*:\s*"')
UNREADABLE = Rejected("unreadable", "the reply is not a line of the form 'text (label type: label)'", can_repair=True)
CUT_OFF = Rejected("cut off", "the reply reached max_tokens before its line was complete")


@dataclass(frozen=True, slots=True)
class _Shown:
    """A row as the prompt shows it."""

    text: str
    word: str


class Mix(Plan):
    """What gpt3mix asks for: the list of some rows, to be continued by one.

    Args:
        settings: The generator.
        train: The human rows.
        seed: Seed of the rows shown and of the draws.
        quota: Rows wanted per label, or in all.
        names: What the prompt calls a text, a label and the labels.
        chooser: Draws the rows shown.
    """

    def __init__(
        self,
        settings: Gpt3Mix,
        train: HumanDataset,
        seed: int,
        quota: dict[str, int],
        *,
        names: Names,
        chooser: Chooser,
    ) -> None:
        super().__init__(settings, train, seed, quota)
        self.settings, self.words, self.chooser, self.form = settings, names.words, chooser, settings.asked_by
        self.text_type, self.label_type = names.text_type, names.label_type
        self.label_of = {key(word): label for label, word in self.words.items()}
        self.is_stated = "stated" in settings.sources
        self.list_prompt = load(settings.list_prompt)
        self.chat_prompt = load("gpt3mix_schema" if self.form == "schema" else "gpt3mix_chat")
        self.vote_prompt = load("vote")

    @property
    def mark(self) -> str:
        """Names and versions of the prompts."""
        prompts = [self.list_prompt] if self.form == "completion" else [self.chat_prompt, self.list_prompt]
        return "+".join(prompt.mark for prompt in prompts)

    def rows(self, target: str, index: int) -> Sequence[int]:
        """Return which rows request ``index`` shows."""
        return self.chooser.rows(target, seeds.generator(self.seed, self.kind, index))

    def prompt(self, target: str, index: int) -> str:
        """Return the prompt of request ``index``."""
        text = self._list(self.shown(target, index))
        if self.form == "completion":
            return text
        if self.form == "schema":  # an object does not continue the list's last line
            text = text.rpartition("\n")[0]
            return self.chat_prompt.render(list=text, stated=self.is_stated, **self._values())
        return self.chat_prompt.render(list=text, **self._values())

    def _list(self, rows: Sequence[int]) -> str:
        return self.list_prompt.render(examples=self._examples(rows), **self._values())

    def _examples(self, rows: Sequence[int]) -> list[_Shown]:
        texts, names = self.train.texts, self.train.label_names
        return [_Shown(texts[row], self.words[names[row]]) for row in rows]

    def _values(self) -> dict[str, Any]:
        return {"text_type": self.text_type, "label_type": self.label_type, "words": list(self.words.values())}

    def request(self, llm: LLM, prompt: str, **sampling: Any) -> Request:
        """Return the request for a prompt, in the form asked for."""
        settings = self.settings
        sampling["frequency_penalty"] = settings.frequency_penalty
        sampling["logprobs"] = settings.top_logprobs if "logprobs" in settings.sources else None
        if self.form == "completion":
            return llm.request(prompt=prompt, stop=("\n",), **sampling)
        if self.form == "schema":
            sampling["schema"] = self._schema()
        return llm.request(messages=(Message("user", prompt),), **sampling)

    def _schema(self) -> dict[str, Any]:
        words = list(self.words.values())
        fields: dict[str, Any] = {"text": {"type": "string"}, "label": {"type": "string", "enum": words}}
        if self.is_stated:
            fields["probabilities"] = schema_of({word: {"type": "number"} for word in words})
        return schema_of(fields)

    def read(self, reply: Reply, ask: Ask) -> Written | Rejected:
        """Return the text and label of a reply, or why it has none."""
        return self._read_object(reply) if self.form == "schema" else self._read_line(reply)

    def _read_line(self, reply: Reply) -> Written | Rejected:
        line = read_line(reply.text, self.text_type, self.label_type)
        problem = self._problem(reply, line)
        if line is None or problem is not None:
            return problem or UNREADABLE
        return Written(line.text, self.label_of[key(line.word)])

    def _problem(self, reply: Reply, line: Line | None) -> Rejected | None:
        if not reply.text.strip():
            return Rejected(*nothing_said(reply))
        if reply.finish_reason == "refusal":
            return Rejected("refused", "the model refused to answer")
        if reply.finish_reason == "length" and (line is None or not line.is_ended):
            return CUT_OFF
        if line is None:
            return Rejected("refused", "the model refused to answer") if is_refusal(reply.text) else UNREADABLE
        if key(line.word) not in self.label_of:
            return Rejected("unknown label", f"{line.word!r} is not the word of any label", can_repair=True)
        return None if line.text else Rejected("empty", "the line has a label and no text", can_repair=True)

    def _read_object(self, reply: Reply) -> Written | Rejected:
        gap = refusal_or_gap(reply)
        if gap is not None:
            return gap
        if reply.finish_reason == "length":
            return CUT_OFF
        try:
            found = object_in(reply.text, ["text", "label", *["probabilities"] * self.is_stated])
            text, word = found["text"], found["label"]
            if not isinstance(text, str) or not isinstance(word, str):
                raise ReplyError("expected 'text' and 'label' to be texts")
            if key(word) not in self.label_of:
                return Rejected("unknown label", f"{word!r} is not the word of any label", can_repair=True)
            if not text.strip():
                return Rejected("empty", "the object has a label and no text", can_repair=True)
            label = self.label_of[key(word)]
            return Written(text.strip(), label, self._stated(found, label))
        except ReplyError as error:
            return Rejected("unreadable", str(error), can_repair=True)

    def _stated(self, found: Mapping[str, Any], label: str) -> Soft | None:
        """Return the probabilities an object states, columns in the order of the labels."""
        if not self.is_stated:
            return None
        shares = distribution(found["probabilities"], list(self.words.values()))
        if shares[self.train.labels.index(label)] < max(shares):
            raise ReplyError(f"the label is {self.words[label]!r}, and another one has the highest probability")
        return shares

    def logprobs(self, reply: Reply) -> Soft | None:
        """Return the label's probabilities where the reply's tokens tell them."""
        if reply.logprobs is None:
            return None
        # Tokens need not join to the reply's own text (stop texts, raw bytes), so the label is found in the tokens.
        joined, words = "".join(entry.token for entry in reply.logprobs), list(self.words.values())
        if self.form == "schema":
            places = list(LABEL_FIELD.finditer(joined))
            return soft_label(reply.logprobs, places[-1].end(), words, closed_by='"') if places else None
        line = read_line(joined, self.text_type, self.label_type)
        return None if line is None else soft_label(reply.logprobs, line.start, words)

    def poll(self) -> Poll:
        """Return how the label of a finished text is asked for: by going on with the list itself, or in a chat."""
        if self.form == "completion":
            opening = self.label_type.lower().capitalize()
            return Poll(
                self.words,
                self.label_type,
                self.list_prompt.mark,
                lambda text, rows: f"{self._list(rows)} {folded(text)} ({opening}:",
                stop=(")", "\n"),
                spoken=tuple(f" {self.settings.spoken(word)})" for word in self.words.values()),
            )
        described = {word: self.train.labels.descriptions.get(label, "") for label, word in self.words.items()}
        return Poll(
            self.words,
            self.label_type,
            self.vote_prompt.mark,
            lambda text, rows: self.vote_prompt.render(
                text=text, examples=self._examples(rows), descriptions=described, **self._values()
            ),
        )

    def usual(self) -> list[str]:
        """Return the human rows as lines."""
        rows = zip(self.train.texts, self.train.label_names, strict=True)
        return [f" {text} ({self.label_type}: {self.words[label]})" for text, label in rows]
