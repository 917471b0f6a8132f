"""Recorded replies: a JSON-lines file of requests and what was answered, served with no network and at no cost.

A recording may leave the prompts out, so that it can be passed on where the rows that the prompts show may not. What is
left of a request is its key and which model it was for, which is all that serving its reply takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import PrivateAttr

from augtune.core.errors import DataError, InputError
from augtune.core.files import read_jsonl, write_jsonl
from augtune.core.settings import Settings
from augtune.llm.failures import CallError
from augtune.llm.messages import Reply, Request

__all__ = ["Recorded", "Replay", "read_recording", "write_recording"]

MODEL = ("provider", "base_url", "model")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request and the reply it got."""

    request: Request
    reply: Reply


@dataclass(frozen=True, slots=True)
class _Kept:
    """What serving takes: a request's key, its provider, base address and model, and the reply."""

    key: str
    model: tuple[str, str | None, str]
    reply: Reply


class Replay(Settings):
    """Answer from a recording made with ``LLM.save_replies``."""

    kind: ClassVar[str] = "replay"

    path: Path
    """The recording: JSON lines ``{"key", "request", "reply"}``; without prompts, a request names its model alone."""

    _replies: dict[str, Reply] = PrivateAttr(default_factory=dict)
    _models: list[tuple[str, str | None, str]] = PrivateAttr(default_factory=list)

    def __init__(self, path: str | Path, **fields: Any) -> None:
        super().__init__(path=Path(path), **fields)
        for kept in _replies_in(self.path):
            if self._replies.setdefault(kept.key, kept.reply) != kept.reply:
                raise DataError(
                    f"{self.path}: the request {kept.key[:12]} has two different replies.",
                    hint="Repeated samples of one prompt are told apart by 'draw' in the request.",
                )
            if kept.model not in self._models:
                self._models.append(kept.model)

    @property
    def models(self) -> tuple[tuple[str, str | None, str], ...]:
        """Provider, base address and model of every model in the recording, in order of appearance."""
        return tuple(self._models)

    @property
    def can_score(self) -> bool:
        """Whether scores of continuations are among the replies."""
        return any(reply.scores is not None for reply in self._replies.values())

    async def send(self, request: Request) -> Reply:
        """Return the recorded reply.

        Raises:
            CallError: If the recording has none.
        """
        if request.key in self._replies:
            return self._replies[request.key]
        names = ", ".join(f"{provider}/{model}" for provider, _, model in self._models) or "no model"
        raise CallError(
            f"{self.path}: no reply is recorded for {request.provider}/{request.model} and this request "
            f"(prompt {' '.join(request.text.split())[:60]!r}, draw {request.draw}); "
            f"the recording has {len(self._replies)} replies of {names}.",
            "setup",
            hint="The prompt, the sampling and the model have to be those of the recording. To record anew, "
            "run once with a live model in place of replay:, then call llm.save_replies(path).",
        )


def read_recording(path: Path) -> Iterator[Recorded]:
    """Yield what a recording with prompts holds.

    Raises:
        DataError: If a line is no recorded reply, its key is not its request's, or its prompt was left out.
    """
    for number, line in enumerate(read_jsonl(path), start=1):
        if _is_bare(line):
            raise DataError(f"{path}: reply {number}: its prompt was left out when it was recorded.")
        yield _whole(path, number, line)


def write_recording(path: Path, entries: Iterable[Recorded], *, prompts: bool = True) -> int:
    """Write a recording, one JSON object a line, and return how many replies it holds.

    Args:
        path: The file.
        entries: What to write.
        prompts: Whether requests are written whole; else each names its model alone.
    """
    count = 0

    def lines() -> Iterator[dict[str, Any]]:
        nonlocal count
        for entry in entries:
            count += 1
            request = entry.request.to_json()
            asked = request if prompts else {name: request[name] for name in MODEL}
            yield {"key": entry.request.key, "request": asked, "reply": entry.reply.to_json()}

    write_jsonl(path, lines())
    return count


def _replies_in(path: Path) -> Iterator[_Kept]:
    """Yield what serving takes of each line, prompt or no prompt."""
    for number, line in enumerate(read_jsonl(path), start=1):
        if not _is_bare(line):
            entry = _whole(path, number, line)
            asked = entry.request
            yield _Kept(asked.key, (asked.provider, asked.base_url, asked.model), entry.reply)
            continue
        with _told(path, number):
            asked = line["request"]
            model = (str(asked["provider"]), asked["base_url"], str(asked["model"]))
            yield _Kept(str(line["key"]), model, Reply.from_json(line["reply"]))


def _is_bare(line: Any) -> bool:
    """Return whether a line's prompt was left out."""
    asked = line.get("request") if isinstance(line, Mapping) else None
    return isinstance(asked, Mapping) and "key" in line and set(asked) == set(MODEL)


def _whole(path: Path, number: int, line: Any) -> Recorded:
    """Return the request and the reply of a line."""
    with _told(path, number):
        request, reply = Request.from_json(line["request"]), Reply.from_json(line["reply"])
        key = request.key
    if line.get("key", key) != key:
        raise DataError(
            f"{path}: reply {number}: the key is not that of its request, {request.key}.",
            hint="The request was changed by hand. Leave out 'key' if that was meant.",
        )
    return Recorded(request, reply)


@contextmanager
def _told(path: Path, number: int) -> Iterator[None]:
    """Say which line it was that is no recorded reply."""
    try:
        yield
    except (TypeError, KeyError, ValueError, AttributeError, InputError) as error:
        raise DataError(
            f"{path}: reply {number}: expected {{'key', 'request', 'reply'}} as llm.save_replies writes it, "
            f"got something else ({type(error).__name__}: {error})."
        ) from error
