"""The calls of OpenAI's Batch API: upload a file of requests, start a batch, look at it, download what came of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augtune.core.extras import need
from augtune.core.json_text import decoded
from augtune.llm.failures import CallError
from augtune.llm.keys import hidden_in_reply
from augtune.llm.messages import Reply, Request
from augtune.llm.providers.openai import OpenAI
from augtune.llm.providers.trouble import READ, Place, failure_of, kind_of, status_in
from augtune.llm.providers.wire_format import json_body, reply_of

__all__ = ["BatchFiles", "BatchState", "GoneError", "endpoint_of", "line_of", "read_lines"]

CALL_S = 600
LISTED = 100  # batches looked through for one whose number was not received
GONE = {404, 410}
RUNNING = {"validating", "in_progress", "finalizing", "cancelling"}


@dataclass(frozen=True, slots=True)
class BatchState:
    """How a batch stands.

    Args:
        id: The provider's name for it.
        status: ``validating``, ``in_progress``, ``finalizing``, ``cancelling``; or, when it is over, ``completed``,
            ``failed``, ``expired``, ``cancelled``.
        files: Ids of the files of results and of errors there are.
        problem: What the provider says is wrong with the whole batch, if anything.
    """

    id: str
    status: str
    files: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status not in RUNNING


class GoneError(CallError):
    """A batch, or a file of what came of it, that the provider had and has no more."""


class BatchFiles:
    """Files and batches at one address.

    Args:
        provider: How the address is called.
    """

    def __init__(self, provider: OpenAI) -> None:
        self._provider = provider

    @property
    def base_url(self) -> str:
        """The address."""
        return self._provider.base_url

    async def upload(self, requests: Sequence[Request]) -> str:
        """Upload a file of requests and return its id."""
        text = "".join(line_of(request, self._provider.max_tokens_field) for request in requests)
        found = await self._call(
            lambda client: client.files.create(file=("augtune.jsonl", text.encode()), purpose="batch")
        )
        return str(found["id"])

    async def start(self, file: str, endpoint: str, *, name: str, window: str) -> BatchState:
        """Start a batch of an uploaded file; it bears our own name, by which ``find`` can find it."""
        return _state(
            await self._call(
                lambda client: client.batches.create(
                    input_file_id=file, endpoint=endpoint, completion_window=window, metadata={"augtune": name}
                )
            )
        )

    async def look(self, batch: str) -> BatchState:
        """Return how a batch stands."""
        return _state(await self._call(lambda client: client.batches.retrieve(batch), was_there=True))

    async def find(self, name: str) -> BatchState | None:
        """Return the batch that bears our name, if it is among the latest ones."""
        listed = await self._call(lambda client: client.batches.list(limit=LISTED))
        mine = [row for row in listed.get("data") or () if (row.get("metadata") or {}).get("augtune") == name]
        return _state(mine[0]) if mine else None

    async def download(self, file: str) -> str:
        """Return a file's text."""
        return str(await self._call(lambda client: client.files.content(file), is_json=False, was_there=True))

    async def _call(self, work: Callable[[Any], Any], *, is_json: bool = True, was_there: bool = False) -> Any:
        provider = self._provider
        client = provider.connected().with_raw_response
        place = Place("batch", provider.base_url, provider.api_key_env, provider.key)
        try:
            async with asyncio.timeout(CALL_S):
                text = (await work(client)).http_response.text
        except TimeoutError:
            raise CallError(f"batch: no whole reply from {provider.base_url} within {CALL_S} s.", "lost") from None
        except need("openai", extra="llm", to="call a language model").OpenAIError as error:
            raise _failure_of(error, place, was_there=was_there) from None
        text = hidden_in_reply(text, provider.key)
        if not is_json:
            return text
        try:
            found = decoded(text)
            if isinstance(found, dict):
                return found
        except ValueError:
            pass
        raise CallError(
            f"batch: {provider.base_url} answered with no JSON object: {place.hide(text[:READ])[:80]!r}", "lost"
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._provider.aclose()


def _failure_of(error: Any, place: Place, *, was_there: bool) -> CallError:
    """Return our error for one of the SDK's about a file or a batch: what is refused there is no single request."""
    found = failure_of(error, place)
    if was_there and getattr(error, "status_code", None) in GONE:
        return GoneError(found.message, "setup", hint=found.hint)
    return CallError(found.message, "setup", hint=found.hint) if found.kind == "forbidden" else found


def endpoint_of(request: Request) -> str:
    """Return the path that a request goes to."""
    return "/v1/completions" if request.prompt is not None else "/v1/chat/completions"


def line_of(request: Request, max_tokens_field: str) -> str:
    """Return the line of a batch file that makes a request; its id there is the request's key."""
    body = json_body(request, max_tokens_field)
    line = {"custom_id": request.key, "method": "POST", "url": endpoint_of(request), "body": body}
    return json.dumps(line, ensure_ascii=False) + "\n"


def read_lines(text: str, requests: Mapping[str, Request]) -> dict[str, Reply | CallError]:
    """Return what a file of results or errors says, by request key; lines of other requests are passed over."""
    found: dict[str, Reply | CallError] = {}
    for line in text.split("\n"):  # a reply may hold other ends of lines, such as U+2028, as they are
        if not line.strip():
            continue
        try:
            entry = decoded(line)
            key = entry["custom_id"]
            request = requests[key]
        except (ValueError, TypeError, KeyError):
            continue
        found[key] = _outcome(entry, request)
    return found


def _outcome(entry: Mapping[str, Any], request: Request) -> Reply | CallError:
    name = f"{request.provider}/{request.model}"
    response = entry.get("response") or {}
    body, status = response.get("body") or {}, response.get("status_code")
    error = entry.get("error") or (body.get("error") if isinstance(body, dict) else None) or {}
    if status == 200:
        try:
            return reply_of(body, request)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            if not error:
                return CallError(f"{name}: a reply in the batch is not what the API gives.", "lost")
            status = status_in(error)
    known = error if isinstance(error, dict) else {"message": error}
    code = known.get("code")
    said = " ".join(str(known.get("message") or code or "no explanation").split())[:300]
    if not isinstance(status, int):
        return _not_made(name, said)
    return CallError(f"{name}: HTTP {status} in the batch: {said}", kind_of(status, code))


def _not_made(name: str, said: str) -> CallError:
    return CallError(
        f"{name}: the batch ended before this call was made: {said}",
        "setup",
        hint="Such calls are not charged. Every reply is kept; run again to send the rest in a new batch.",
    )


def _state(row: Mapping[str, Any]) -> BatchState:
    problems = (row.get("errors") or {}).get("data") or ()
    said = "; ".join(" ".join(str(one.get("message")).split()) for one in problems[:3]) or None
    files = tuple(str(row[name]) for name in ("output_file_id", "error_file_id") if row.get(name))
    return BatchState(str(row["id"]), str(row.get("status")), files, said)
