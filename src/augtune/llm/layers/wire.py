"""The innermost layer: the time limit of one attempt, and the record of which calls are really out."""

from __future__ import annotations

import asyncio
from typing import Any

from augtune.llm.failures import CallError
from augtune.llm.messages import Reply, Request
from augtune.llm.provider import Provider

__all__ = ["Wire"]


class Wire:
    """Send at once, and wait no longer than ``timeout_s`` for the whole reply.

    All waiting for a turn is done by then, so it never counts as a time-out.

    Args:
        inner: Who is asked.
        timeout_s: Seconds until the whole reply has to be there; None for a provider that has a line of its own.
        is_timed: Whether this layer keeps the time; False where whoever is asked does.
    """

    def __init__(self, inner: Provider, timeout_s: float | None, *, is_timed: bool = True) -> None:
        self._inner = inner
        self._is_timed = is_timed
        self._timeout_s = timeout_s
        self._out: set[asyncio.Task[Any] | None] = set()
        self._last: set[asyncio.Task[Any]] = set()

    async def send(self, request: Request) -> Reply:
        """Return the reply.

        Raises:
            CallError: If it is not there in time.
        """
        task = asyncio.current_task()
        self._out.add(task)
        try:
            async with asyncio.timeout(self._timeout_s if self._is_timed else None):
                return await self._inner.send(request)
        except Exception as error:
            if task in self._last:
                task.cancel()  # its reply was awaited, a second attempt will not be
            if isinstance(error, TimeoutError):
                raise _late(request, self._timeout_s or 0.0) from error
            raise
        finally:
            self._out.discard(task)

    def let_go(self, task: asyncio.Task[Any]) -> None:
        """Cancel a task unless its call is out: that one is paid for, so its reply is awaited first.

        A call without a time limit is not waited for: it is free, or in a batch that a next run picks up.
        """
        if task not in self._out or self._timeout_s is None:
            task.cancel()
        else:
            self._last.add(task)
            task.add_done_callback(self._last.discard)


def _late(request: Request, timeout_s: float) -> CallError:
    return CallError(
        f"{request.provider}/{request.model}: no whole reply within {timeout_s:g} s.",
        "lost",
        hint="Raise llm.timeout_s if the model is slow, or lower llm.max_in_flight if its server is busy.",
    )
