"""Ask again where that may help, and not for ever."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from augtune.core.errors import ProviderError
from augtune.core.seeds import generator
from augtune.llm.clock import Clock
from augtune.llm.failures import CallError, is_limit
from augtune.llm.messages import Reply, Request
from augtune.llm.provider import Provider

__all__ = ["Retry", "RetryPolicy"]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to ask again.

    Args:
        attempts: Most attempts of a call that the provider fails or does not answer in time.
        connection_attempts: Most attempts where no one answers at the address.
        first_wait_s: Wait before the second attempt; it doubles from one to the next.
        longest_wait_s: Longest single wait, unless the provider asks for more.
        give_up_after_s: Most seconds one call may spend on waiting between attempts.
    """

    attempts: int = 6
    connection_attempts: int = 4
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0
    give_up_after_s: float = 600.0


class Retry:
    """Try a failed call again: when the provider said, for some attempts, else after waits that grow, with jitter.

    What cannot pass by itself (400, 401, 403, 404) fails at once. Only waits count towards ``give_up_after_s``, and
    every attempt has its own time limit: the total is bounded, and time in our own queue is never held against a call.

    Args:
        inner: Who is asked.
        policy: When to ask again.
        clock: Time.
        seed: Seed of the jitter.
    """

    def __init__(
        self, inner: Provider, policy: RetryPolicy | None = None, *, clock: Clock | None = None, seed: int = 0
    ) -> None:
        self._inner = inner
        self._policy = policy or RetryPolicy()
        self._clock = clock or Clock()
        self._seed = seed

    async def send(self, request: Request) -> Reply:
        """Return the reply of the first attempt that gets one.

        Raises:
            ProviderError: The last failure, if asking again cannot help or took too long.
        """
        waited_s = 0.0
        for attempt in itertools.count(1):
            try:
                return await self._inner.send(request)
            except ProviderError as error:
                if not error.retryable:
                    raise
                wait_s = self._wait_s(request, attempt, error)
                if attempt >= self._most_attempts(error) or waited_s + wait_s > self._policy.give_up_after_s:
                    raise _given_up(error, attempt, wait_s) from error
            await self._clock.sleep(wait_s)
            waited_s += wait_s
        raise AssertionError("unreachable")

    def _most_attempts(self, error: ProviderError) -> float:
        if is_limit(error):
            return float("inf")
        if isinstance(error, CallError) and error.kind == "connection":
            return self._policy.connection_attempts
        return self._policy.attempts

    def _wait_s(self, request: Request, attempt: int, error: ProviderError) -> float:
        jitter = generator(self._seed, "retry", request.key, attempt).random()
        asked = max(0.0, error.retry_after_s or 0.0)
        # A provider that asks for hardly any wait, time and again, must not be asked without end.
        tries = attempt - self._policy.attempts if asked else attempt
        longest = min(self._policy.longest_wait_s, self._policy.first_wait_s * 2.0 ** min(tries - 1, 30))
        return max(asked * (1 + jitter / 10), longest * (0.5 + jitter / 2) if tries > 0 else 0.0)


def _given_up(error: ProviderError, attempt: int, wait_s: float) -> ProviderError:
    times = "1 attempt" if attempt == 1 else f"{attempt} attempts"
    asked = f"; it asks to wait {error.retry_after_s:.0f} s more" if error.retry_after_s and wait_s > 60 else ""
    message = f"{error.message.rstrip('.')} (given up after {times}{asked})."
    if isinstance(error, CallError):
        return CallError(message, error.kind, hint=error.hint, retry_after_s=error.retry_after_s)
    return ProviderError(message, hint=error.hint, retryable=True, retry_after_s=error.retry_after_s)
