"""A model whose replies are written down beforehand: for tests, demonstrations and recorded examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import PrivateAttr

from augtune.core.errors import DataError
from augtune.core.files import read_jsonl
from augtune.core.settings import Settings
from augtune.llm.failures import CallError
from augtune.llm.messages import Reply, Request

__all__ = ["Scripted"]

Entry = str | Reply | Exception
Replies = Sequence[Any] | Callable[[Request], Entry]


class Scripted(Settings):
    """Give replies that were written beforehand, at no cost.

    A list is handed out in the order in which requests are drawn, each entry once; a callable is asked with each
    request. An exception among the replies is raised in its place.
    """

    kind: ClassVar[str] = "scripted"

    replies: Any
    """Path of a JSON-lines file, a list, or a callable. An entry is a text or ``{"text": ..., "match": ...}`` with any
    field of a Reply; one with ``match`` is given only to a prompt that contains that text."""

    _entries: list[tuple[str | None, Entry]] = PrivateAttr(default_factory=list)
    _given: int = PrivateAttr(default=0)

    def __init__(self, replies: str | Path | Replies, **fields: Any) -> None:
        super().__init__(replies=replies, **fields)
        if callable(self.replies):
            return
        source = self.replies
        if isinstance(source, (str, Path)):
            where = str(source)
            source = read_jsonl(Path(source))
        else:
            where = "scripted replies"
        self._entries.extend(_entry(value, f"{where}: entry {number}") for number, value in enumerate(source, start=1))

    async def send(self, request: Request) -> Reply:
        """Return the next reply written for such a request.

        Raises:
            CallError: If all of them have been given.
        """
        found = self.replies(request) if callable(self.replies) else self._next(request)
        if isinstance(found, Exception):
            raise found
        return Reply(found) if isinstance(found, str) else found

    def _next(self, request: Request) -> Entry:
        for place, (match, entry) in enumerate(self._entries):
            if match is None or match in request.text:
                del self._entries[place]
                self._given += 1
                return entry
        raise CallError(
            f"scripted: no reply is left for the prompt {request.text[:60]!r} ({self._given} were given).",
            "setup",
            hint="Write more replies, or give a callable that answers any request.",
        )


def _entry(value: Any, where: str) -> tuple[str | None, Entry]:
    if isinstance(value, (str, Reply, Exception)):
        return None, value
    try:
        known = dict(value)
        match = known.pop("match", None)
        return match, Reply.from_json(known)
    except (TypeError, ValueError, KeyError) as error:
        raise DataError(f"{where}: expected a text or an object with 'text', got {value!r}.") from error
