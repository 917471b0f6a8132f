"""Asking a model along which dimensions texts differ, and reading what it proposes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from augtune.core import seeds
from augtune.core.dataset import HumanDataset
from augtune.core.errors import ProviderError
from augtune.core.replies import ReplyError, object_in
from augtune.generation.naming import Names
from augtune.generation.prompt import load
from augtune.generation.schemas import schema_of
from augtune.generation.waves import draw_number
from augtune.llm.messages import Message, Reply, Request

if TYPE_CHECKING:
    from augtune.generation.attributes import Attributes
    from augtune.llm.client import LLM

__all__ = ["Dimensions", "Proposals", "Unread", "read_dimensions"]

Dimensions = Mapping[str, Sequence[str]]
TOKENS_PER_VALUE = 16
LEAST_VALUES = 2
SHOWN = 8  # human rows that a proposal is shown
QUOTED = 100


@dataclass(frozen=True, slots=True)
class Unread:
    """A proposal that cannot be used.

    Args:
        reply: What the model wrote.
        because: What is wrong with it.
    """

    reply: str
    because: str


class Proposals:
    """Asks a model for dimensions and values, once for all labels or once for each.

    Args:
        settings: The generator.
        train: The human rows; some are shown.
        seed: Seed of the rows shown and of the draw.
        names: What the prompt calls a text, a label and the labels.
        descriptions: What each label means.
        labels: The labels of which rows are wanted.
    """

    def __init__(
        self,
        settings: Attributes,
        train: HumanDataset,
        seed: int,
        *,
        names: Names,
        descriptions: Mapping[str, str],
        labels: Sequence[str],
    ) -> None:
        self.settings, self.train, self.seed, self.labels = settings, train, seed, labels
        self.names, self.descriptions = names, descriptions
        self.template = load("attributes")
        self.mark = self.template.mark

    @property
    def prompts(self) -> dict[str, str]:
        """The prompts, by the label they are for; ``""`` for all labels."""
        return {label: self._prompt(label) for label in (self.labels if self.settings.by_label else [""])}

    def _prompt(self, label: str) -> str:
        pool = [i for i, name in enumerate(self.train.label_names) if label in ("", name)]
        order = seeds.generator(self.seed, self.settings.kind, "shown", label).permutation(len(pool))
        return self.template.render(
            text_type=self.names.text_type,
            label_type=self.names.label_type,
            words=list(self.names.words.values()),
            word=self.names.words.get(label, ""),
            description=self.descriptions.get(label, ""),
            dimensions=self.settings.dimensions,
            values=self.settings.values,
            examples=[self.train.texts[pool[int(i)]] for i in order[:SHOWN]],
        )

    def ask(self, llm: LLM) -> dict[str, Dimensions]:
        """Return the dimensions that the model proposes, by label.

        Raises:
            ProviderError: If a proposal cannot be read, nor what comes back after one repair turn.
        """
        prompts = self.prompts
        asked = [self._request(llm, (Message("user", prompt),)) for prompt in prompts.values()]
        found = [self._read(reply) for reply in llm.send_all(asked)]
        unread = [i for i, one in enumerate(found) if isinstance(one, Unread) and one.reply.strip()]
        again = [self._once_more(llm, asked[i], found[i]) for i in unread]
        for i, reply in zip(unread, llm.send_all(again), strict=True):
            found[i] = self._read(reply)
        by_label = {label: self._usable(one, label) for label, one in zip(prompts, found, strict=True)}
        return by_label if self.settings.by_label else dict.fromkeys(self.labels, by_label[""])

    def _usable(self, found: Dimensions | Unread, label: str) -> Dimensions:
        if not isinstance(found, Unread):
            return found
        whose = f" for {label!r}" if label else ""
        wrote = f"; it wrote {found.reply[:QUOTED]!r}" if found.reply.strip() else ""
        raise ProviderError(
            f"{self.settings.kind}: the model's proposal of dimensions{whose} cannot be used: {found.because}{wrote}.",
            hint="Give them yourself, attributes: {length: [short, long], tone: [kind, angry]}, or ask another model.",
        )

    def _request(self, llm: LLM, messages: Sequence[Message]) -> Request:
        settings = self.settings
        one = schema_of({"name": {"type": "string"}, "values": {"type": "array", "items": {"type": "string"}}})
        schema = schema_of({"dimensions": {"type": "array", "items": one}})
        return llm.request(
            messages=messages,
            schema=schema if settings.form == "schema" else None,
            temperature=settings.temperature,
            top_p=settings.top_p,
            max_tokens=max(settings.max_tokens, settings.dimensions * settings.values * TOKENS_PER_VALUE),
            draw=draw_number(self.seed, 0),
        )

    def _once_more(self, llm: LLM, asked: Request, found: Dimensions | Unread) -> Request:
        wrote, because = (found.reply, found.because) if isinstance(found, Unread) else ("", "")
        turns = (Message("assistant", wrote), Message("user", load("repair").render(error=because)))
        return self._request(llm, (*asked.messages, *turns))

    def _read(self, reply: Reply | ProviderError) -> Dimensions | Unread:
        if isinstance(reply, ProviderError):
            return Unread("", f"the provider gave no reply: {reply.message}")
        if reply.problem is not None:
            return Unread(reply.text, reply.problem)
        try:
            return read_dimensions(reply.text, dimensions=self.settings.dimensions, values=self.settings.values)
        except ReplyError as error:
            return Unread(reply.text, str(error))


def read_dimensions(reply: str, *, dimensions: int, values: int) -> Dimensions:
    """Return the dimensions and values of a proposal; what is more than was asked for is left out.

    Raises:
        ReplyError: If it is no such object, a name comes twice, or a dimension has fewer than two different values.
    """
    entries = object_in(reply, ["dimensions"])["dimensions"]
    if not isinstance(entries, list) or not entries:
        raise ReplyError("expected 'dimensions' to be a list of objects with 'name' and 'values'")
    found: dict[str, list[str]] = {}
    for entry in entries[:dimensions]:
        if not isinstance(entry, dict) or set(entry) != {"name", "values"} or not isinstance(entry["values"], list):
            raise ReplyError("expected each dimension to be an object with 'name' and a list of 'values'")
        name = entry["name"].strip() if isinstance(entry["name"], str) else ""
        if not name or name in found:
            raise ReplyError(f"expected each dimension to have a name of its own, got {entry['name']!r}")
        texts = [value.strip() for value in entry["values"] if isinstance(value, str) and value.strip()]
        found[name] = list(dict.fromkeys(texts))[:values]
        if len(found[name]) < LEAST_VALUES:
            raise ReplyError(f"expected at least {LEAST_VALUES} different values of {name!r}, got {entry['values']!r}")
    return found
