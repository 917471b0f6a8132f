"""What a run and the process that makes its calls say to each other: one JSON value a line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

from augtune.core.errors import AugtuneError, ExtraError, InputError, ProviderError, StorageError
from augtune.llm.failures import CallError

__all__ = ["Lines", "error_from", "error_to"]

KINDS = {kind.__name__: kind for kind in (InputError, ExtraError, StorageError, ProviderError)}


class Lines(asyncio.Protocol):
    """Values over a socket, in both directions.

    Args:
        heard: Called with all values that came in together.
        ended: Called once when the other side is gone.
    """

    def __init__(self, heard: Callable[[list[Any]], None], ended: Callable[[], None]) -> None:
        self._heard = heard
        self._ended = ended
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        self._transport = cast("asyncio.Transport", transport)  # asyncio's own type names the base of all kinds

    def data_received(self, data: bytes) -> None:
        """Hand on the whole lines; half a line waits for its other half, for ever if need be."""
        head, newline, tail = data.rpartition(b"\n")
        if not newline:
            self._rest += data
            return
        lines, self._rest = (self._rest + head).split(b"\n"), tail
        self._heard([json.loads(line) for line in lines])

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that the other side is gone."""
        self._transport = None
        self._ended()

    def say(self, value: Any) -> None:
        """Send a value; nothing happens if no one is there any more."""
        if self._transport is not None:
            self._transport.write(json.dumps(value, ensure_ascii=False).encode() + b"\n")

    def close(self) -> None:
        """Send nothing more, once all that was said is on its way."""
        if self._transport is not None:
            self._transport.close()


def error_to(error: AugtuneError) -> dict[str, Any]:
    """Return an error as JSON."""
    value: dict[str, Any] = {"type": type(error).__name__, "message": error.message, "hint": error.hint}
    if isinstance(error, ProviderError):
        value |= {"retryable": error.retryable, "retry_after_s": error.retry_after_s}
    if isinstance(error, CallError):
        value["kind"] = error.kind
    return value


def error_from(value: dict[str, Any]) -> AugtuneError:
    """Return the error that JSON of ``error_to`` describes."""
    message, hint = value["message"], value["hint"]
    if "kind" in value:
        return CallError(message, value["kind"], hint=hint, retry_after_s=value["retry_after_s"])
    if "retryable" in value:
        return ProviderError(message, hint=hint, retryable=value["retryable"], retry_after_s=value["retry_after_s"])
    return KINDS.get(value["type"], AugtuneError)(message, hint=hint)
