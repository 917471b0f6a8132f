"""Recorded replies: a JSON-lines file of requests and what was answered, served with no network and at no cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request and the reply it got."""

    request: Request
    reply: Reply


class Replay(Settings):
    """Answer from a recording made with ``LLM.save_replies``."""

    kind: ClassVar[str] = "replay"

    path: Path
    """The recording: JSON lines ``{"key", "request", "reply"}``."""

    _replies: dict[str, Reply] = PrivateAttr(default_factory=dict)
    _models: list[tuple[str, str | None, str]] = PrivateAttr(default_factory=list)

    def __init__(self, path: str | Path, **fields: Any) -> None:
        super().__init__(path=Path(path), **fields)
        for entry in read_recording(self.path):
            known = self._replies.setdefault(entry.request.key, entry.reply)
            if known != entry.reply:
                raise DataError(
                    f"{self.path}: the request {entry.request.key[:12]} has two different replies.",
                    hint="Repeated samples of one prompt are told apart by 'draw' in the request.",
                )
            model = (entry.request.provider, entry.request.base_url, entry.request.model)
            if model not in self._models:
                self._models.append(model)

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
    """Yield what a recording holds.

    Raises:
        DataError: If a line is no recorded reply, or its key is not its request's.
    """
    for number, line in enumerate(read_jsonl(path), start=1):
        try:
            request, reply = Request.from_json(line["request"]), Reply.from_json(line["reply"])
        except (TypeError, KeyError, ValueError, AttributeError, InputError) as error:
            raise DataError(
                f"{path}: reply {number}: expected {{'key', 'request', 'reply'}} as llm.save_replies writes it, "
                f"got something else ({type(error).__name__}: {error})."
            ) from error
        if line.get("key", request.key) != request.key:
            raise DataError(
                f"{path}: reply {number}: the key is not that of its request, {request.key}.",
                hint="The request was changed by hand. Leave out 'key' if that was meant.",
            )
        yield Recorded(request, reply)


def write_recording(path: Path, entries: Iterable[Recorded]) -> int:
    """Write a recording, one JSON object a line, and return how many replies it holds."""
    count = 0

    def lines() -> Iterator[dict[str, Any]]:
        nonlocal count
        for entry in entries:
            count += 1
            yield {"key": entry.request.key, "request": entry.request.to_json(), "reply": entry.reply.to_json()}

    write_jsonl(path, lines())
    return count
