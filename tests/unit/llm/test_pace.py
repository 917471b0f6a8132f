from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from augtune.llm.clock import Clock
from augtune.llm.failures import CallError
from augtune.llm.layers.pace import Bucket, Gate, Pace
from augtune.llm.layers.wire import Wire
from augtune.llm.messages import Reply

from .conftest import Obedient, TurnedClock, ask


async def send_many(provider: Any, count: int) -> list[Any]:
    return await asyncio.gather(*(provider.send(ask(f"{i}")) for i in range(count)), return_exceptions=True)


def test_no_more_calls_are_in_flight_than_allowed():
    inner = Obedient(lambda _: "Hello.")
    asyncio.run(send_many(Pace(inner, max_in_flight=4), 50))
    assert inner.most_in_flight == 4
    assert [request.text for request in inner.asked] == [str(i) for i in range(50)]


def test_a_burst_of_limits_lowers_the_number_once_and_successes_raise_it_again(clock: TurnedClock):
    state = {"limited": True}
    inner = Obedient(lambda _: CallError("Too many.", "limit") if state["limited"] else "Hello.")
    pace = Pace(inner, max_in_flight=16, clock=clock)

    async def story() -> list[float]:
        limits = []
        await send_many(pace, 16)
        limits.append(pace.gate.limit)
        state["limited"] = False
        for count in (24, 1, 75, 200):
            await send_many(pace, count)
            limits.append(pace.gate.limit)
        return limits

    assert asyncio.run(story()) == [12, 12, 13, 16, 16]


def test_the_number_never_falls_below_one(clock: TurnedClock):
    gate = Gate(2, clock)
    for burst in range(20):
        gate.slow(burst, None)
    assert gate.limit == 1


def test_everyone_waits_when_the_provider_asks_for_a_pause(clock: TurnedClock):
    replies: list[Any] = [CallError("Too many.", "limit", retry_after_s=30.0), "Hello."]
    inner = Obedient(lambda _: replies.pop(0))
    pace = Pace(inner, max_in_flight=4, clock=clock)

    async def story() -> None:
        with pytest.raises(CallError):
            await pace.send(ask())
        await pace.send(ask())

    asyncio.run(story())
    assert clock.waits == [30.0]


def test_requests_per_minute_are_spread_evenly(clock: TurnedClock):
    asyncio.run(send_many(Pace(Obedient(lambda _: "Hello."), max_in_flight=8, requests_per_minute=30, clock=clock), 16))
    assert clock.time - 1000 == pytest.approx(30.0)


def test_tokens_per_minute_count_what_was_used(clock: TurnedClock):
    inner = Obedient(lambda _: Reply("Hello.", tokens_in=900, tokens_out=100))
    asyncio.run(send_many(Pace(inner, max_in_flight=1, tokens_per_minute=6000, clock=clock), 31))
    assert clock.time - 1000 == pytest.approx(300, rel=0.05)


def test_a_failed_call_gives_its_tokens_back(clock: TurnedClock):
    inner = Obedient(lambda _: CallError("Down.", "server"))
    asyncio.run(send_many(Pace(inner, max_in_flight=1, tokens_per_minute=6000, clock=clock), 100))
    assert clock.time == 1000


def test_an_amount_larger_than_a_second_is_taken_on_credit(clock: TurnedClock):
    async def story() -> None:
        bucket = Bucket(60, clock)
        await bucket.take(10)
        await bucket.take(1)

    asyncio.run(story())
    assert clock.time - 1000 == pytest.approx(10.0)


def test_waiting_in_our_own_queue_is_no_time_out():
    class Slow:
        async def send(self, request: Any) -> Reply:
            await asyncio.sleep(0.03)
            return Reply("Hello.")

    pace = Pace(Wire(Slow(), timeout_s=0.2), max_in_flight=1)
    replies = asyncio.run(send_many(pace, 12))
    assert replies == [Reply("Hello.")] * 12


def test_a_call_cancelled_while_it_waits_leaves_the_queue():
    async def story() -> int:
        gate = Gate(1, Clock())
        await gate.enter()
        waiting = [asyncio.create_task(gate.enter()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        gate.leave()  # it is the turn of the second
        waiting[1].cancel()  # which goes in the same moment, so it is the third's
        await asyncio.gather(*waiting, return_exceptions=True)
        assert not waiting[2].cancelled()
        return gate.in_flight

    assert asyncio.run(story()) == 1


def test_a_late_reply_is_lost():
    class Stalled:
        async def send(self, request: Any) -> Reply:
            await asyncio.sleep(60)
            return Reply("Too late.")

    with pytest.raises(CallError) as caught:
        asyncio.run(Wire(Stalled(), timeout_s=0.02).send(ask()))
    assert str(caught.value) == (
        "openai/m: no whole reply within 0.02 s.\n"
        "  Raise llm.timeout_s if the model is slow, or lower llm.max_in_flight if its server is busy."
    )
    assert (caught.value.kind, caught.value.retryable) == ("lost", True)


@pytest.mark.parametrize(("share", "least", "most"), [(0.05, 48, 64), (0.5, 1, 3)])
def test_few_refusals_that_no_pace_avoids_do_not_stop_the_flow(share, least, most):
    gate, chance = Gate(64, Clock()), random.Random(0)
    limits = []
    for _ in range(2000):
        burst = gate._burst
        for _ in range(int(gate.limit)):
            if chance.random() < share:
                gate.slow(burst, None)
            else:
                gate.succeeded()
        limits.append(int(gate.limit))
    assert least <= sum(limits[500:]) / len(limits[500:]) <= most
