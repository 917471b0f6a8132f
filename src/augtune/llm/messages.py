"""What is asked of a language model and what it answers, as plain frozen values.

``Request.key`` names a request by everything that changes the answer and by nothing else: the cache, the recordings and
the resumption of a killed run all rest on it.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, cast

from augtune.core.errors import InputError
from augtune.core.fingerprint import canonical

__all__ = ["OWN_FIELDS", "FinishReason", "Message", "Reply", "Request", "Score", "TokenLogprobs", "not_extra"]

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "refusal", "other"]

# What `extra` may not hold: the request has a field for it, or the reply would not be one reply of known length.
OWN_FIELDS = frozenset(
    "model messages prompt temperature top_p max_tokens max_completion_tokens stop frequency_penalty presence_penalty "
    "logprobs top_logprobs response_format seed n best_of stream".split()
)

PROBLEMS: dict[str, str | None] = {
    "stop": None,
    "length": "the reply was cut off at max_tokens",
    "refusal": "the model refused to answer",
    "other": "the model stopped for an unknown reason",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat.

    Args:
        role: Who speaks: ``system``, ``user`` or ``assistant``.
        content: What is said.
    """

    role: Role
    content: str


@dataclass(frozen=True)
class Request:
    """One call of a language model. Every field changes the answer, so every field is part of ``key``.

    Args:
        provider: Name of the provider, e.g. ``openai``.
        base_url: Address of the provider's API; for a model in a folder ``weights:`` and a fingerprint of it; or None.
        model: The model's name at the provider, e.g. ``gpt-4.1-mini``.
        messages: The chat; empty if ``prompt`` is given.
        prompt: Text to be continued (the legacy completion form); None for a chat.
        temperature: Sampling temperature; None leaves it to the provider, as for each optional field below.
        top_p: Share of probability that tokens are drawn from.
        max_tokens: Most tokens of the reply; a budget in money or tokens needs it.
        stop: Texts that end the reply.
        frequency_penalty: Penalty on tokens by how often they came up.
        presence_penalty: Penalty on tokens that came up at all.
        logprobs: Return log-probabilities of the reply's tokens and of this many alternatives per place.
        schema: JSON schema the reply has to follow.
        seed: Seed the provider is asked to draw with.
        draw: Number of this sample of the same prompt, from 0; it tells repeated samples apart and is not sent.
        extra: Further fields of the request's body, e.g. ``{"reasoning_effort": "none"}``.
        continuations: Texts to score as what comes next, in place of writing a reply; the reply has their ``scores``.

    Raises:
        InputError: If neither or both of ``messages`` and ``prompt`` are given, or ``extra`` has what it may not have.
    """

    provider: str
    base_url: str | None
    model: str
    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: int | None = None
    schema: Mapping[str, Any] | None = None
    seed: int | None = None
    draw: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)
    continuations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.messages) == (self.prompt is not None):
            raise InputError("a request needs either messages (a chat) or a prompt (a text to continue).")
        if own := OWN_FIELDS.intersection(self.extra):
            raise InputError(not_extra(own))
        object.__setattr__(self, "messages", tuple(self.messages))
        object.__setattr__(self, "stop", tuple(self.stop))
        object.__setattr__(self, "continuations", tuple(self.continuations))
        for name in ("temperature", "top_p", "frequency_penalty", "presence_penalty"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, float(value))
        for name in ("schema", "extra"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, json.loads(canonical(value)))

    @functools.cached_property
    def key(self) -> str:
        """SHA-256, in hex, of the request's canonical JSON. Fields left at their defaults are not in it."""
        return hashlib.sha256(canonical(self.to_json()).encode()).hexdigest()

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def text(self) -> str:
        """The whole prompt as one text: the prompt itself, or the contents of the messages."""
        return self.prompt if self.prompt is not None else "\n\n".join(message.content for message in self.messages)

    def to_json(self) -> dict[str, Any]:
        """Return the request as a JSON object; fields at their defaults are left out."""
        value = {name: getattr(self, name) for name in ("provider", "base_url", "model")}
        for item in fields(self)[3:]:
            content = getattr(self, item.name)
            if content is not None and content != item.default and content != {}:
                value[item.name] = content
        if self.messages:
            value["messages"] = [{"role": message.role, "content": message.content} for message in self.messages]
        for name in ("stop", "continuations"):
            if getattr(self, name):
                value[name] = list(getattr(self, name))
        if self.schema is not None:
            value["schema"] = self.schema
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Request:
        """Return the request a JSON object of ``to_json`` describes."""
        known = dict(value)
        if "messages" in known:
            known["messages"] = tuple(Message(m["role"], m["content"]) for m in known["messages"])
            if not all(isinstance(message.content, str) for message in known["messages"]):
                raise TypeError("a message is a text")
        for name in ("stop", "continuations"):
            if name in known:
                known[name] = tuple(known[name])
        return cls(**known)


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """One token of a reply, and what could have stood in its place.

    Args:
        token: The token that was drawn.
        logprob: Its natural log-probability.
        top: The most probable tokens of this place with theirs, best first; may or may not hold ``token``.
    """

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """How likely a text is as what comes next.

    Args:
        text: The continuation.
        logprob: Natural log of its probability: the sum over its tokens.
        tokens: How many tokens that sum is over.
    """

    text: str
    logprob: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered.

    Args:
        text: The reply; for a refusal, what it said instead of an answer.
        finish_reason: Why it ended. Only a reply with ``stop`` is data: see ``problem``.
        tokens_in: Tokens of the prompt as the provider counted them; 0 if it did not.
        tokens_out: Tokens of the reply, thinking included, as the provider counted them.
        tokens_cached: How many of ``tokens_in`` the provider had cached on its side.
        logprobs: One entry per token, or None if the provider gave none.
        model: The model that answered, as the provider calls it; dated where the request's name was not.
        scores: One for each of the request's ``continuations``, in their order; the likeliest is the ``text``.
    """

    text: str
    finish_reason: FinishReason = "stop"
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    logprobs: tuple[TokenLogprobs, ...] | None = None
    model: str | None = None
    scores: tuple[Score, ...] | None = None

    @property
    def problem(self) -> str | None:
        """Why this reply must not be taken for data (cut off, refused, empty), or None if it may be."""
        return PROBLEMS[self.finish_reason] or (None if self.text.strip() else "the reply was empty")

    def to_json(self) -> dict[str, Any]:
        """Return the reply as a JSON object; fields at their defaults are left out, except text and finish reason."""
        value: dict[str, Any] = {"text": self.text, "finish_reason": self.finish_reason}
        for name in ("tokens_in", "tokens_out", "tokens_cached", "model"):
            if getattr(self, name):
                value[name] = getattr(self, name)
        if self.logprobs is not None:
            value["logprobs"] = [
                {"token": t.token, "logprob": t.logprob, "top": [list(pair) for pair in t.top]} for t in self.logprobs
            ]
        if self.scores is not None:
            value["scores"] = [{"text": s.text, "logprob": s.logprob, "tokens": s.tokens} for s in self.scores]
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Reply:
        """Return the reply a JSON object of ``to_json`` describes; only ``text`` is needed.

        Raises:
            ValueError, TypeError, KeyError: If it describes none.
        """
        known = dict(value)
        if known.get("logprobs") is not None:
            known["logprobs"] = tuple(_token(entry) for entry in cast("Sequence[Mapping[str, Any]]", known["logprobs"]))
        if known.get("scores") is not None:
            known["scores"] = tuple(Score(**entry) for entry in cast("Sequence[Mapping[str, Any]]", known["scores"]))
        counts = [known.get(name, 0) for name in ("tokens_in", "tokens_out", "tokens_cached")]
        if not isinstance(known.get("text"), str) or known.get("finish_reason", "stop") not in PROBLEMS:
            raise ValueError("a reply has a text and a finish reason that is known")
        if any(type(count) is not int or count < 0 for count in counts):
            raise ValueError(f"tokens are counted from 0, got {counts}")
        known["text"].encode()  # half of a surrogate pair, which JSON can name, is no character
        return cls(**known)


def not_extra(names: Iterable[str]) -> str:
    """Return the message for names that ``extra`` may not hold."""
    listed, renamed = ", ".join(sorted(names)), "; the name of its limit is max_tokens_field"
    field = "give a field of that meaning to the request, one call gives one whole reply"
    return f"extra may not hold {listed}: {field}{renamed if 'max_completion_tokens' in names else ''}"


def _token(value: Mapping[str, Any]) -> TokenLogprobs:
    top = tuple((str(token), float(logprob)) for token, logprob in value.get("top", ()))
    return TokenLogprobs(str(value["token"]), float(value["logprob"]), top)
