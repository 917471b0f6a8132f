"""As many calls at once, and per minute, as the provider takes."""

from __future__ import annotations

import asyncio
from collections import deque

from augtune.core.errors import ProviderError
from augtune.llm.clock import Clock
from augtune.llm.failures import is_limit
from augtune.llm.messages import Reply, Request
from augtune.llm.provider import Provider
from augtune.llm.tokens import most_tokens_in

__all__ = ["Bucket", "Gate", "Pace"]

DECREASE = 0.75
SUCCESSES_PER_INCREASE = 25
# Up to this share of the latest calls may be refused before fewer are made at once. A refused call costs nothing but
# its wait; without this, one refusal in twenty that no pace can avoid would let calls through almost one by one.
TOLERATED_SHARE = 0.1
LATEST = 100


class Gate:
    """How many calls may be in flight: fewer after limits, more again as calls succeed (AIMD, Chiu and Jain 1989).

    A limit counts if more than ``TOLERATED_SHARE`` of the latest calls met one.

    Args:
        most: Calls in flight to start with, and the most there can ever be.
        clock: Time.
    """

    def __init__(self, most: int, clock: Clock) -> None:
        self.limit = float(most)
        self.in_flight = 0
        self._most = most
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._burst = 0
        self._successes = 0
        self._latest: deque[bool] = deque(maxlen=LATEST)
        self._shut_until = clock.now()

    async def enter(self) -> None:
        """Wait for one's turn, first come, first served."""
        if not self._waiting and self.in_flight < int(self.limit):
            self.in_flight += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()  # it was our turn in the same moment
            raise

    def leave(self) -> None:
        """Let the next one in."""
        self.in_flight -= 1
        self._admit()

    async def open(self) -> int:
        """Wait while the provider asked for a pause; return the number of the burst that a call sent now belongs to."""
        while (wait_s := self._shut_until - self._clock.now()) > 0:
            await self._clock.sleep(wait_s)
        return self._burst

    def slow(self, burst: int, pause_s: float | None) -> None:
        """Take note of a limit; the calls that were in flight together lower the number only once."""
        if pause_s is not None:
            self._shut_until = max(self._shut_until, self._clock.now() + pause_s)
        self._latest.append(True)
        if burst == self._burst and sum(self._latest) > TOLERATED_SHARE * len(self._latest):
            self._burst += 1
            self._successes = 0
            self.limit = max(1.0, self.limit * DECREASE)

    def succeeded(self) -> None:
        """Take note of a reply."""
        self._latest.append(False)
        self._successes += 1
        if self._successes >= SUCCESSES_PER_INCREASE:
            self._successes = 0
            self.limit = min(float(self._most), self.limit + 1)
            self._admit()

    def _admit(self) -> None:
        while self._waiting and self.in_flight < int(self.limit):
            turn = self._waiting.popleft()
            if not turn.done():
                self.in_flight += 1
                turn.set_result(None)


class Bucket:
    """An allowance per minute, handed out evenly: no more than a second's worth at once.

    Args:
        per_minute: The allowance.
        clock: Time.
    """

    def __init__(self, per_minute: float, clock: Clock) -> None:
        self._rate = per_minute / 60
        self._most = max(1.0, self._rate)
        self._level = self._most
        self._clock = clock
        self._seen = clock.now()
        self._line = asyncio.Lock()

    async def take(self, amount: float) -> None:
        """Wait until there is ``amount``; more than a second's worth is taken on credit, and the next one waits."""
        async with self._line:
            while True:
                now = self._clock.now()
                self._level = min(self._most, self._level + (now - self._seen) * self._rate)
                self._seen = now
                missing = min(amount, self._most) - self._level
                if missing <= 1e-9:
                    self._level -= amount
                    return
                await self._clock.sleep(missing / self._rate)

    def give_back(self, amount: float) -> None:
        """Return what was taken and not used; a negative amount was used and not taken."""
        self._level = min(self._most, self._level + amount)


class Pace:
    """Hold calls back until it is their turn.

    Args:
        inner: Who is asked.
        max_in_flight: Most calls at once.
        requests_per_minute: Most calls a minute; None for no limit.
        tokens_per_minute: Most tokens a minute, in and out; None for no limit.
        clock: Time.
    """

    def __init__(
        self,
        inner: Provider,
        *,
        max_in_flight: int,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or Clock()
        self.gate = Gate(max_in_flight, clock)
        self._inner = inner
        self._requests = Bucket(requests_per_minute, clock) if requests_per_minute else None
        self._tokens = Bucket(tokens_per_minute, clock) if tokens_per_minute else None

    async def send(self, request: Request) -> Reply:
        """Return the reply, once it was the request's turn."""
        await self.gate.enter()
        try:
            return await self._send(request)
        finally:
            self.gate.leave()

    async def _send(self, request: Request) -> Reply:
        expected = most_tokens_in(request) + (request.max_tokens or 0) if self._tokens else 0
        if self._requests:
            await self._requests.take(1)
        if self._tokens:
            await self._tokens.take(expected)
        burst = await self.gate.open()
        used = 0
        try:
            reply = await self._inner.send(request)
            used = reply.tokens_in + reply.tokens_out or expected
        except ProviderError as error:
            if is_limit(error):
                self.gate.slow(burst, error.retry_after_s)
            raise
        finally:
            if self._tokens:
                self._tokens.give_back(expected - used)
        self.gate.succeeded()
        return reply
