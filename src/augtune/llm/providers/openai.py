"""Any address that speaks OpenAI's API, through their SDK: chat, and the older completion of a text."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import PrivateAttr

from augtune.core.errors import InputError
from augtune.core.extras import need
from augtune.core.json_text import decoded
from augtune.core.settings import Settings
from augtune.llm.failures import CallError
from augtune.llm.keys import hidden_in_reply, read_key
from augtune.llm.messages import Reply, Request
from augtune.llm.presets import MaxTokensField
from augtune.llm.providers.trouble import READ, Place, failure_in, failure_of
from augtune.llm.providers.wire_format import json_body, reply_of

__all__ = ["OpenAI"]

STREAMED = ("data:", "event:", "id:", "retry:", ": ")  # how a line of server-sent events can begin
NO_KEY = "none"  # what local servers are sent, which ask for no key


class OpenAI(Settings):
    """Call an OpenAI-compatible address. It neither retries nor limits the time: layers do."""

    kind: ClassVar[str] = "openai"

    base_url: str
    """Address of the API, e.g. https://api.openai.com/v1."""

    api_key_env: str | None = None
    """Environment variable that holds the key; None where none is needed."""

    max_tokens_field: MaxTokensField = "max_tokens"
    """Name of the output limit in the body of a chat request."""

    _client: Any = PrivateAttr(default=None)
    _key: str = PrivateAttr(default="")

    async def send(self, request: Request) -> Reply:
        """Return the model's reply.

        Raises:
            CallError: If there is none, with what to do.
            InputError: If the key is missing, or a schema is given for a text completion.
            ExtraError: If the SDK is not installed.
        """
        client = self.connected()
        place = Place(f"{request.provider}/{request.model}", self.base_url, self.api_key_env, self._key)
        if request.schema is not None and request.prompt is not None:
            raise InputError("a schema can be asked for in a chat (messages) only, not for a prompt to be continued.")
        if request.continuations:
            raise _cannot_score(place)
        path = "/completions" if request.prompt is not None else "/chat/completions"
        # A server that honours it makes a call that is sent again after a kill or a lost reply only once.
        options = {"headers": {"Idempotency-Key": request.key}}
        try:
            # The SDK's `create` would also walk the body and build objects of the reply, a fifth of its time.
            text = await client.post(path, cast_to=str, body=json_body(request, self.max_tokens_field), options=options)
        except need("openai", extra="llm", to="call a language model").OpenAIError as error:
            # Not chained: the SDK's error may quote the key, and a traceback would print it.
            raise failure_of(error, place) from None
        return _parsed(hidden_in_reply(text, self._key), request, place)

    @property
    def key(self) -> str:
        """The key in use, only so that it can be hidden; empty if there is none."""
        return self._key

    def connected(self) -> Any:
        """Return the SDK's client of the address, made on first use."""
        if self._client is None:
            sdk = need("openai", extra="llm", to="call a language model")
            self._key = read_key(self.api_key_env) if self.api_key_env else ""
            self._client = sdk.AsyncOpenAI(
                api_key=self._key or NO_KEY, base_url=self.base_url, max_retries=0, timeout=None
            )
        return self._client

    async def aclose(self) -> None:
        """Close its connections; the next call opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def _parsed(text: str, request: Request, place: Place) -> Reply:
    """Return the reply that a response's body holds."""
    body = None
    try:
        body = decoded(text)
        return reply_of(body, request)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError):
        raise failure_in(body, place) or _unreadable(text, place) from None


def _cannot_score(place: Place) -> CallError:
    return CallError(
        f"{place.model}: the API writes replies and cannot score given texts.",
        "setup",
        hint="Take local/FOLDER_OR_HUB_NAME as llm.model, or another source of soft labels.",
    )


def _unreadable(text: str, place: Place) -> CallError:
    start = place.hide(" ".join(text[:READ].split()))[:80]
    if start[:1] == "<":
        return CallError(
            f"{place.model}: {place.base_url} answered with a web page instead of JSON.",
            "setup",
            hint="Check llm.base_url: it is the address of an API and ends in /v1 as a rule.",
        )
    if start.startswith(STREAMED):
        return CallError(
            f"{place.model}: {place.base_url} answered with a stream of events instead of one JSON object.",
            "setup",
            hint="augtune asks for whole replies: have this server not stream them, or take another one.",
        )
    return CallError(f"{place.model}: the reply is not what the API gives: {start!r}", "lost")
