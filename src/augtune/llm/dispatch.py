"""Many requests at once over one provider, in order of asking, until all are answered or going on is pointless."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from augtune.core.errors import ProviderError
from augtune.llm.failures import is_fatal
from augtune.llm.layers.wire import Wire
from augtune.llm.messages import Reply, Request
from augtune.llm.provider import Provider

__all__ = ["Dispatch", "Health"]

WINDOW = 20


class Health:
    """Whether most of the latest calls failed."""

    def __init__(self) -> None:
        self._failed: deque[bool] = deque(maxlen=WINDOW)

    @property
    def answered(self) -> bool:
        """Whether one of the latest calls got a reply."""
        return False in self._failed

    def saw(self, error: ProviderError | None) -> ProviderError | None:
        """Take note of an outcome; return why to stop, if that is now the case."""
        self._failed.append(error is not None)
        failures = sum(self._failed)
        if error is None or len(self._failed) < WINDOW or failures <= WINDOW // 2:
            return None
        self._failed.clear()
        return ProviderError(
            f"stopped early: {failures} of the last {WINDOW} calls failed, the last one so: {error.message}",
            hint=error.hint or "Every reply so far is kept; run again to carry on once the cause is gone.",
        )


class Dispatch:
    """One list of requests on its way.

    Args:
        provider: Who answers; it limits how many calls are really in flight.
        wire: Its innermost layer, which knows the calls that are out.
        health: Outcomes of the latest calls, over several lists.
        width: Most requests under way or waiting at once.
        deliver: Called with the index of a request and its answer as each arrives.
    """

    def __init__(
        self,
        provider: Provider,
        wire: Wire,
        health: Health,
        *,
        width: int,
        deliver: Callable[[tuple[int, Reply | ProviderError]], None],
    ) -> None:
        self._provider = provider
        self._wire = wire
        self._health = health
        self._width = width
        self._deliver = deliver
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: Exception | None = None
        self._stopped = False

    def stop(self) -> None:
        """Send nothing more; what is out already is paid for, so its reply is still awaited."""
        self._stopped = True
        for task in self._tasks:
            if task is not asyncio.current_task():
                self._wire.let_go(task)

    def abandon(self) -> None:
        """Wait for nothing any more."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()

    async def run(self, requests: Sequence[Request]) -> None:
        """Send all requests.

        Raises:
            AugtuneError: What would fail every request, after those that are out have been answered.
        """
        if self._stopped:
            return
        queue = iter(enumerate(requests))
        self._tasks = [asyncio.create_task(self._work(queue)) for _ in range(min(self._width, len(requests)))]
        outcomes: list[Any] = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        if self._failure is not None:
            raise self._failure

    async def _work(self, queue: Iterator[tuple[int, Request]]) -> None:
        for index, request in queue:
            if self._stopped:
                return
            try:
                reply = await self._provider.send(request)
            except ProviderError as error:
                why = error if is_fatal(error, answered=self._health.answered) else self._health.saw(error)
                if why is error:
                    self._fail(error)
                    return
                self._deliver((index, error))
                if why is not None:
                    self._fail(why)
            except Exception as error:
                self._fail(error)
                return
            else:
                self._health.saw(None)
                self._deliver((index, reply))

    def _fail(self, failure: Exception) -> None:
        if self._failure is None:
            self._failure = failure
            self.stop()
