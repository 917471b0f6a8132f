"""Nothing is asked twice: a reply that is kept is served from the store, a request in flight is waited for."""

from __future__ import annotations

import asyncio

from augtune.llm.messages import Reply, Request
from augtune.llm.provider import Provider
from augtune.llm.store import Store

__all__ = ["Cache"]


class Cache:
    """Keep every reply, also one that was cut off or refused: it was paid for, and ``draw`` asks for another.

    Args:
        inner: Who is asked what is not known yet.
        store: Where replies are kept.
    """

    def __init__(self, inner: Provider, store: Store) -> None:
        self.hits = 0
        self.answered = 0
        self._inner = inner
        self._store = store
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
            reply = self._store.put(request, await self._inner.send(request))
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
