"""Many requests at once over one provider, in order of asking, until all are answered or going on is pointless."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from augtune.core.errors import AugtuneError, ProviderError
from augtune.llm.messages import Reply, Request
from augtune.llm.provider import Provider

__all__ = ["Dispatch"]


class Dispatch:
    """One list of requests on its way.

    Args:
        provider: Who answers; it limits how many calls are really in flight.
        width: Most requests under way or waiting at once.
        deliver: Called with the index of a request and its answer as each arrives.
    """

    def __init__(
        self, provider: Provider, *, width: int, deliver: Callable[[tuple[int, Reply | ProviderError]], None]
    ) -> None:
        self._provider = provider
        self._width = width
        self._deliver = deliver
        self._failure: AugtuneError | None = None
        self._stopped = False

    def stop(self) -> None:
        """Start no further request."""
        self._stopped = True

    async def run(self, requests: Sequence[Request]) -> None:
        """Send all requests.

        Raises:
            AugtuneError: What would fail every request, after those under way are answered.
        """
        queue = iter(enumerate(requests))
        await asyncio.gather(*(self._work(queue) for _ in range(min(self._width, len(requests)))))
        if self._failure is not None:
            raise self._failure

    async def _work(self, queue: Iterator[tuple[int, Request]]) -> None:
        for index, request in queue:
            if self._stopped:
                return
            try:
                self._deliver((index, await self._provider.send(request)))
            except ProviderError as error:
                self._deliver((index, error))
            except AugtuneError as error:
                self._failure = self._failure or error
                self.stop()
