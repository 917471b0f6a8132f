"""Nothing is asked twice: a reply that is kept is served from the store, a request in flight is waited for."""

from __future__ import annotations

import asyncio

from augtune.llm.elsewhere import Elsewhere
from augtune.llm.failures import TakenError
from augtune.llm.messages import Reply, Request
from augtune.llm.provider import Provider
from augtune.llm.store import Store

__all__ = ["Cache"]


class Cache:
    """Keep every reply, also one that was cut off or refused: it was paid for, and ``draw`` asks for another.

    Args:
        inner: Who is asked what is not known yet.
        store: Where replies are kept.
        elsewhere: The calls that other processes have out with the same store; None if it is in memory.
        is_kept: Whether replies come from ``inner`` as they are in the store already.
    """

    def __init__(
        self, inner: Provider, store: Store, *, elsewhere: Elsewhere | None = None, is_kept: bool = False
    ) -> None:
        self.hits = 0
        self.answered = 0
        self._inner = inner
        self._store = store
        self._elsewhere = elsewhere
        self._is_kept = is_kept
        self._flying: dict[str, asyncio.Future[Reply]] = {}

    async def send(self, request: Request) -> Reply:
        """Return the reply; by then it is in the store."""
        while True:
            known = self._store.get(request.key)
            if known is not None:
                self.hits += 1
                self.answered += 1
                return known
            flying = self._flying.get(request.key)
            if flying is None:
                return await self._lead(request)
            try:
                await asyncio.shield(flying)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not flying.cancelled() or (task is not None and task.cancelling()):
                    raise

    async def _lead(self, request: Request) -> Reply:
        """Send a request that no one else has in flight."""
        flying: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._flying[request.key] = flying
        try:
            reply = await self._found_elsewhere(request) or await self._ask(request)
            self.answered += 1
        except asyncio.CancelledError:
            flying.cancel()
            raise
        except Exception as error:
            flying.set_exception(error)
            flying.exception()  # seen: there need not be anyone waiting
            raise
        else:
            flying.set_result(reply)
            return reply
        finally:
            del self._flying[request.key]

    async def _ask(self, request: Request) -> Reply:
        while True:
            try:
                reply = await self._inner.send(request)
            except TakenError:
                if self._elsewhere is None:
                    raise
                self._elsewhere.add(request.key)
                found = await self._found_elsewhere(request)
                if found is not None:
                    return found
            else:
                return reply if self._is_kept else self._store.put(request, reply)

    async def _found_elsewhere(self, request: Request) -> Reply | None:
        """Return the reply to a call that another process has out, once it is there; None if nothing came of it."""
        if self._elsewhere is None or request.key not in self._elsewhere:
            return None
        await self._elsewhere.landed(request.key)
        known = self._store.get(request.key)
        self.hits += known is not None
        return known
