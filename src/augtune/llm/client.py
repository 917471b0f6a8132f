"""``LLM``: a language model one can ask many things at once, from ordinary synchronous code."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from augtune.core.errors import ProviderError, SettingsError
from augtune.core.outcomes import Cost
from augtune.llm import loop
from augtune.llm.batch import MOST_CALLS
from augtune.llm.dispatch import Dispatch, Health
from augtune.llm.engine import Engine
from augtune.llm.messages import Message, Reply, Request
from augtune.llm.provider import Provider
from augtune.llm.providers.local import Local, check_place
from augtune.llm.providers.openai import OpenAI
from augtune.llm.providers.replay import Replay, write_recording
from augtune.llm.providers.scripted import Scripted
from augtune.llm.scoring import calibrated, logprobs_of
from augtune.llm.settings import LLMSettings, Target, price_of, target_of
from augtune.llm.thinking import without_thinking

__all__ = ["LLM", "Answer", "OnAnswer"]

Answer = Reply | ProviderError
GRACE_S = 10.0
DIGEST = 32
OnAnswer = Callable[[int, Answer], None]


class LLM:
    """A language model: cached, paced, metered.

    ::

        LLM("openai/gpt-4.1-mini", budget="2 USD")          # key from OPENAI_API_KEY or .env
        LLM("ollama/llama3.2", cache="replies.sqlite")      # every reply kept, over restarts
        LLM(replay="replies.jsonl")                         # offline
        LLM(Scripted(["first reply", "second reply"]))      # or any object with ``async send(request) -> Reply``

    Args:
        model: PROVIDER/MODEL, or a ``Provider``; may be left out if a recording of one model is replayed.
        budget: Most that its calls may cost: ``"2 USD"``, ``"500 calls"`` or ``"2M tokens"``.
        replay: A recording to answer from, with no network.
        cache: SQLite file to keep replies in; by default they are kept as long as this object lives.
        settings: The other fields of ``LLMSettings``.

    Raises:
        SettingsError: With one line for each wrong setting.
    """

    def __init__(
        self,
        model: str | Provider | None = None,
        *,
        budget: str | None = None,
        replay: str | Path | None = None,
        cache: str | Path | None = None,
        **settings: Any,
    ) -> None:
        given: dict[str, Any] = {"budget": budget, "replay": replay, "cache": cache, **settings}
        if isinstance(model, str):
            given["model"] = model
        known = LLMSettings.parse({name: value for name, value in given.items() if value is not None}, where="llm")
        self._open(known, model if isinstance(model, Provider) else None)

    @classmethod
    def from_settings(cls, settings: LLMSettings, *, cache: Path | None = None) -> Self:
        """Return the model that settings describe.

        Args:
            settings: The ``llm:`` section.
            cache: Where replies are kept if the settings do not say.
        """
        made = cls.__new__(cls)
        made._open(settings if settings.cache or cache is None else settings.model_copy(update={"cache": cache}), None)
        return made

    def _open(self, settings: LLMSettings, provider: Provider | None) -> None:
        self.settings = settings
        self._target, self._provider = _connect(settings, provider)
        self.price = price_of(settings, self._target)
        self._health = Health()
        self._engine: Engine | None = None
        self._before = Cost()
        self._used = bytearray()  # the digests of the requests answered: 32 bytes a call, also after millions
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The model's name at its provider, e.g. ``gpt-4.1-mini``."""
        return self._target.model

    @property
    def can_score(self) -> bool:
        """Whether ``score`` works: the model runs in this process, or its scores are on record."""
        return bool(getattr(self._provider, "can_score", False))

    @property
    def is_batch(self) -> bool:
        """Whether calls are made in batches: one reply takes as long as thousands, so ask for all at once."""
        return self.settings.batch is not None and isinstance(self._provider, OpenAI)

    @property
    def cost(self) -> Cost:
        """What the calls made through this object have cost so far; None where its price is unknown."""
        return self._before if self._engine is None else self._before + self._engine.cost

    @property
    def paid(self) -> Cost:
        """What all calls whose replies are in the cache have cost, those of earlier runs included."""
        return self._running().paid

    def _running(self) -> Engine:
        with self._lock:
            if self._engine is None:
                self._engine = Engine(self._provider, self.settings, self._target, self.price)
                weakref.finalize(self, self._engine.close).atexit = False
            return self._engine

    def request(
        self, *, messages: Sequence[Message] | None = None, prompt: str | None = None, **sampling: Any
    ) -> Request:
        """Return a request to this model.

        Args:
            messages: A chat.
            prompt: Or a text to be continued, in the legacy completion form.
            sampling: Other fields of ``Request``: temperature, top_p, max_tokens, stop, logprobs, schema, draw, ...
        """
        extra: Mapping[str, Any] = {**self.settings.extra, **sampling.pop("extra", {})}
        target = self._target
        return Request(
            target.provider,
            target.base_url,
            target.model,
            messages=tuple(messages or ()),
            prompt=prompt,
            extra=extra,
            **sampling,
        )

    def send(self, request: Request) -> Reply:
        """Return the reply to one request.

        Raises:
            ProviderError: If the model did not answer it.
            BudgetError: If the budget does not cover it.
        """
        return _reply(self.send_all([request])[0])

    def score(
        self,
        continuations: Sequence[str],
        *,
        messages: Sequence[Message] | None = None,
        prompt: str | None = None,
        by_length: bool = False,
        content_free: Sequence[str | Sequence[Message]] = (),
    ) -> tuple[float, ...]:
        """Return how likely each text is as what comes next: natural logs of probabilities, one per text.

        For many prompts at once, send requests with ``continuations`` and read the replies with
        ``augtune.llm.scoring``.

        Args:
            continuations: The ``K`` texts, with the blank they begin with, e.g. ``(" positive", " negative")``.
            messages: A chat.
            prompt: Or a text to be continued.
            by_length: Divide each by its number of tokens.
            content_free: The same prompt with texts that say nothing, to calibrate by; the result then sums to 1 as
                probabilities.

        Raises:
            ProviderError: If the model gives no scores.
        """
        asked = [(messages, prompt), *((None, one) if isinstance(one, str) else (one, None) for one in content_free)]
        answers = self.send_all(
            [self.request(messages=m, prompt=p, continuations=tuple(continuations)) for m, p in asked]
        )
        read = [logprobs_of(_reply(answer), by_length=by_length) for answer in answers]
        return calibrated(read[0], read[1:]) if content_free else read[0]

    def send_all(self, requests: Sequence[Request], *, on_answer: OnAnswer | None = None) -> list[Answer]:
        """Return the answers to all requests, in their order; many are under way at once.

        A request that failed by itself has its ``ProviderError`` in its place. What would fail every request (a wrong
        key, an unknown model, no connection, the budget, most calls failing) is raised once the calls under way are in.
        What a model thinks aloud before its answer (``<think>...</think>``) stays in the cache and is not in the reply.

        Args:
            requests: What to ask.
            on_answer: Called in this thread with the index of a request and its answer as each arrives; the reply is
                in the cache by then.

        Raises:
            BudgetError: If the next call might exceed the budget.
            ProviderError: If the provider fails every call alike, or most of them.
            InputError: If no key is given where one is needed.
        """
        answers: dict[int, Answer] = {}
        arrived: loop.Mail[tuple[int, Answer]] = loop.Mail()
        engine = self._running()
        width = MOST_CALLS if self.is_batch else 2 * self.settings.max_in_flight
        dispatch = Dispatch(engine.provider, engine.wire, self._health, width=width, deliver=arrived.post)
        done = loop.submit(dispatch.run(requests))
        done.add_done_callback(lambda _: arrived.end())
        try:
            for index, answer in arrived:
                answers[index] = without_thinking(answer) if isinstance(answer, Reply) else answer
                if isinstance(answer, Reply):
                    self._used += bytes.fromhex(requests[index].key)
                if on_answer is not None:
                    on_answer(index, answers[index])
        except BaseException:
            _wind_down(dispatch, done)
            raise
        done.result()
        return [answers[index] for index in range(len(requests))]

    def save_replies(self, path: str | Path, *, prompts: bool = True) -> int:
        """Write every reply this object gave as a recording that ``replay`` can serve; return how many there are.

        Args:
            path: The recording.
            prompts: Whether the requests are written whole. Without them the recording shows no row of the data but
                what a reply repeats of one, and serves just the same.
        """
        used = memoryview(self._used)
        keys = dict.fromkeys(used[i : i + DIGEST].hex() for i in range(0, len(used), DIGEST))
        return write_recording(Path(path), self._running().store.recorded(keys), prompts=prompts)

    def close(self) -> None:
        """Close connections and the cache; what was kept in memory is gone, and a next call opens them again."""
        with self._lock:
            engine, self._engine = self._engine, None
            self._before = self._before + engine.cost if engine else self._before
        if engine is not None:
            engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{self._target.provider}/{self._target.model} · {self.cost}"


def _reply(answer: Answer) -> Reply:
    if isinstance(answer, ProviderError):
        raise answer
    return answer


def _wind_down(dispatch: Dispatch, done: Future[None]) -> None:
    """Send nothing more, and give the calls that are out some seconds to be answered and kept."""
    loop.call_soon(dispatch.stop)
    try:
        wait([done], timeout=GRACE_S)
    finally:
        loop.call_soon(dispatch.abandon)
        wait([done], timeout=GRACE_S)


def _connect(settings: LLMSettings, provider: Provider | None) -> tuple[Target, Provider]:
    if provider is not None:
        name = getattr(provider, "kind", "") or type(provider).__name__.lower()
        return Target(
            name, None, getattr(provider, "model", "replies"), is_free=isinstance(provider, Scripted)
        ), provider
    if settings.replay is not None:
        recording = Replay(settings.replay)
        return _recorded_target(settings, recording), recording
    target = target_of(settings)
    if settings.batch is not None:
        _check_batch(settings, target)
    if target.provider == "scripted":
        return target, Scripted(Path(target.model))
    if target.provider == "local":
        place = str(settings.model).partition("/")[2]
        check_place(place)
        return target, Local(model=place, **settings.local.model_dump())
    return target, OpenAI(
        base_url=target.base_url or "", api_key_env=target.api_key_env, max_tokens_field=target.max_tokens_field
    )


def _check_batch(settings: LLMSettings, target: Target) -> None:
    if target.provider in ("local", "scripted"):
        raise SettingsError(f"llm.batch: {target.provider}/{target.model} takes no batches; leave it out")
    if settings.cache is None:
        raise SettingsError("llm.cache: missing; batch needs a file to keep in which batches are under way")


def _recorded_target(settings: LLMSettings, recording: Replay) -> Target:
    """Return the recorded model that is meant; the address may be left out as long as it is clear."""
    models = [Target(*model, is_free=True) for model in recording.models]
    if settings.model is not None:
        wanted = target_of(settings)
        known = {wanted.model, wanted.model.rpartition("/")[2]}  # a local model's folder need not be here
        same = [m for m in models if m.provider == wanted.provider and m.model in known]
        alone = len(same) == 1 and settings.base_url is None
        return same[0] if alone else replace(wanted, is_free=True)
    if len(models) != 1:
        names = ", ".join(f"{m.provider}/{m.model}" for m in models) or "none"
        raise SettingsError(f"llm.model: missing; it has to say whose replies of {recording.path} are meant: {names}")
    return models[0]
