from __future__ import annotations

import asyncio
from typing import Any

import pytest

from augtune.core.errors import ProviderError
from augtune.llm.failures import CallError
from augtune.llm.layers.retry import Retry, RetryPolicy

from .conftest import Obedient, TurnedClock, ask


def attempt(outcomes: list[Any], clock: TurnedClock, policy: RetryPolicy | None = None, seed: int = 0) -> Any:
    left = list(outcomes)
    inner = Obedient(lambda _: left.pop(0) if len(left) > 1 else left[0])
    try:
        return asyncio.run(Retry(inner, policy, clock=clock, seed=seed).send(ask())).text, len(inner.asked)
    except ProviderError as error:
        return error, len(inner.asked)


def test_a_limit_is_waited_for_as_long_as_it_says(clock: TurnedClock):
    limit = CallError("Too many.", "limit", retry_after_s=7.0)
    assert attempt([limit, limit, "Hello."], clock) == ("Hello.", 3)
    assert all(7.0 <= wait <= 7.7 for wait in clock.waits)


def test_a_server_error_is_waited_for_longer_and_longer(clock: TurnedClock):
    failed = CallError("Down.", "server")
    assert attempt([failed] * 4 + ["Hello."], clock) == ("Hello.", 5)
    for wait, most in zip(clock.waits, (0.5, 1.0, 2.0, 4.0), strict=True):
        assert most / 2 <= wait <= most


def test_the_jitter_is_that_of_the_seed():
    waits = []
    for seed in (0, 0, 1):
        clock = TurnedClock()
        attempt([CallError("Down.", "server"), "Hello."], clock, seed=seed)
        waits.append(clock.waits)
    assert waits[0] == waits[1] != waits[2]


@pytest.mark.parametrize("kind", ["setup", "request"])
def test_what_cannot_pass_fails_at_once(clock: TurnedClock, kind: Any):
    refused = CallError("No.", kind, hint="Check the key.")
    assert attempt([refused], clock) == (refused, 1)
    assert clock.waits == []


@pytest.mark.parametrize(("kind", "attempts"), [("server", 6), ("lost", 6), ("connection", 4)])
def test_it_gives_up_after_some_attempts(clock: TurnedClock, kind: Any, attempts: int):
    error, asked = attempt([CallError("Down.", kind, hint="Look.")], clock)
    assert asked == attempts
    assert str(error) == f"Down (given up after {attempts} attempts).\n  Look."
    assert error.kind == kind


def test_a_limit_is_waited_for_until_the_total_is_used_up(clock: TurnedClock):
    error, asked = attempt(
        [CallError("Too many.", "limit", retry_after_s=10.0)], clock, RetryPolicy(give_up_after_s=60)
    )
    assert asked == 6
    assert sum(clock.waits) <= 60
    assert str(error) == "Too many (given up after 6 attempts)."


@pytest.mark.parametrize("asked", [0.0, -1.0, None])
def test_a_limit_that_asks_for_no_wait_is_waited_for_longer_and_longer_too(clock: TurnedClock, asked: float | None):
    limit = CallError("Too many.", "limit", retry_after_s=asked)
    error, attempts = attempt([limit] * 9 + ["Too late."], clock, RetryPolicy(give_up_after_s=60))
    assert 30 < sum(clock.waits) <= 60
    assert str(error) == f"Too many (given up after {attempts} attempts)."


def test_a_limit_that_asks_for_hardly_any_wait_has_its_way_for_six_attempts(clock: TurnedClock):
    limit = CallError("Too many.", "limit", retry_after_s=0.001)
    error, attempts = attempt([limit] * 20, clock, RetryPolicy(give_up_after_s=60))
    assert str(error) == f"Too many (given up after {attempts} attempts)."
    assert max(clock.waits[:6]) < 0.002
    assert min(clock.waits[6:]) >= 0.25
    assert 20 < sum(clock.waits) <= 60


def test_a_wait_longer_than_the_total_is_not_begun(clock: TurnedClock):
    error, asked = attempt([CallError("Too many.", "limit", retry_after_s=86400.0)], clock)
    assert (asked, clock.waits) == (1, [])
    assert str(error) == "Too many (given up after 1 attempt; it asks to wait 86400 s more)."


def test_a_foreign_provider_error_is_retried_if_it_says_so(clock: TurnedClock):
    assert attempt([ProviderError("Busy.", retryable=True), "Hello."], clock) == ("Hello.", 2)
    error, asked = attempt([ProviderError("Busy.", retryable=True)], clock)
    assert (str(error), asked) == ("Busy (given up after 6 attempts).", 6)
