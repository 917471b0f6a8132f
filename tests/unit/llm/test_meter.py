from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augtune.core.errors import BudgetError, ProviderError, SettingsError
from augtune.core.outcomes import Cost
from augtune.llm.failures import CallError
from augtune.llm.layers.meter import Meter
from augtune.llm.messages import Reply, Request
from augtune.llm.payments import Payment
from augtune.llm.prices import FREE, Budget, Price, list_price
from augtune.llm.tokens import most_tokens_in

from .conftest import Obedient, ask

PRICE = Price(input=1.0, output=2.0)


@pytest.mark.parametrize(
    ("text", "amount", "unit", "shown"),
    [
        ("2 USD", "2", "USD", "2 USD"),
        ("0.25USD", "0.25", "USD", "0.25 USD"),
        ("500 calls", "500", "calls", "500 calls"),
        ("1 call", "1", "calls", "1 call"),
        ("2M tokens", "2000000", "tokens", "2000000 tokens"),
        ("1.5k tokens", "1500", "tokens", "1500 tokens"),
    ],
)
def test_a_budget_is_read(text: str, amount: str, unit: str, shown: str):
    budget = Budget.parse(text)
    assert (budget.amount, budget.unit, str(budget)) == (Decimal(amount), unit, shown)
    assert Budget.parse(str(budget)) == budget


@pytest.mark.parametrize(
    ("text", "more"),
    [
        *((text, "") for text in ("", "2", "USD 2", "2 EUR", "-1 USD", "2 usd", "1e3 calls", "2,5 USD", "NaN USD")),
        ("1k USD", "; write dollars in full"),
        ("1.5 calls", "; calls are whole"),
    ],
)
def test_what_is_no_budget_is_refused(text: str, more: str):
    with pytest.raises(SettingsError) as caught:
        Budget.parse(text)
    assert str(caught.value) == (
        f"expected an amount and a unit, like '2 USD', '500 calls' or '2M tokens', got {text!r}{more}"
    )


def test_prices_are_exact_and_cached_tokens_are_cheaper():
    price = Price(input=0.1, output=0.3, cached=0.01)
    assert price.usd(tokens_in=30, tokens_out=10, tokens_cached=10) == Decimal("0.0000051")
    assert price.usd(tokens_in=5, tokens_out=0, tokens_cached=99) == Decimal("0.00000005")
    assert price.most_usd(tokens_in=30, tokens_out=10) == Decimal("0.000006")


def test_prompt_tokens_that_may_be_written_to_a_cache_are_counted_at_the_dearer_price():
    price = Price(input=1.0, cached=0.1, cache_write=1.25, output=0.0, batch=0.5)
    assert price.usd(tokens_in=1_000_000, tokens_out=0, tokens_cached=200_000) == Decimal("1.02")
    assert price.most_usd(tokens_in=1_000_000, tokens_out=0) == Decimal("1.25")
    assert price.in_batch().input == 0.625


def test_a_fine_tuned_model_has_a_list_price_of_its_own():
    assert list_price("openai", "ft:gpt-4.1-mini-2025-04-14:acme::Cx1") == Price(
        input=0.80, cached=0.20, output=3.20, batch=0.5
    )
    assert list_price("openai", "ft:gpt-3-2020-01-01:acme::Cx1") is None


def test_list_prices_are_known_with_and_without_a_date():
    known = list_price("openai", "gpt-4.1-mini")
    assert known == Price(input=0.40, output=1.60, cached=0.10, batch=0.5)
    assert list_price("openai", "gpt-4.1-mini-2025-04-14") == known
    assert list_price("openai", "gpt-4.1-mini-tuned") is None


class World:
    """A meter over a provider whose every call takes a random number of tokens, or fails."""

    def __init__(self, price: Price, budget: Budget, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.most = Decimal(0)
        self.true = Decimal(0)
        self.lost = Decimal(0)
        self.price, self.budget = price, budget
        self.meter = Meter(Obedient(self.act), budget=budget, price=price)

    def amount(self, tokens_in: int, tokens_out: int) -> Decimal:
        if self.budget.unit == "calls":
            return Decimal(1)
        if self.budget.unit == "tokens":
            return Decimal(tokens_in + tokens_out)
        return self.price.usd(tokens_in=tokens_in, tokens_out=tokens_out)

    def act(self, request: Request) -> Any:
        assert self.meter.spent + self.meter._held <= self.budget.amount
        fate = self.random.random()
        if fate < 0.1:
            return CallError("Down.", "server")
        if fate < 0.15:
            self.lost += self.amount(most_tokens_in(request), request.max_tokens or 0)
            return CallError("Late.", "lost")
        tokens_in = int(self.random.integers(1, most_tokens_in(request) + 1))
        tokens_out = int(self.random.integers(0, (request.max_tokens or 0) + 1))
        self.true += self.amount(tokens_in, tokens_out)
        return Reply("Hello.", tokens_in=tokens_in, tokens_out=tokens_out)

    async def run(self, requests: list[Request]) -> list[Any]:
        gate = asyncio.Semaphore(64)

        async def one(request: Request) -> Any:
            async with gate:
                try:
                    return await self.meter.send(request)
                except ProviderError as error:
                    return error
                except BudgetError as error:
                    return error

        return await asyncio.gather(*(one(request) for request in requests))


UNITS = st.sampled_from(["USD", "calls", "tokens"])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.001, 100), st.floats(0.001, 100), UNITS, st.floats(0, 1.2))
def test_a_budget_is_never_exceeded_with_64_calls_in_flight(
    seed: int, price_in: float, price_out: float, unit: Any, share: float
):
    hold(seed, price_in, price_out, unit, share)


@pytest.mark.slow
def test_a_budget_is_never_exceeded_in_1000_runs():
    for seed in range(1000):
        draw = np.random.default_rng(seed)
        unit = ("USD", "calls", "tokens")[seed % 3]
        hold(seed, float(draw.uniform(0.001, 100)), float(draw.uniform(0.001, 100)), unit, float(draw.uniform(0, 1.2)))


def hold(seed: int, price_in: float, price_out: float, unit: Any, share: float) -> None:
    """Ask for 150 replies of random length within a share of what they may cost at most, and check the account."""
    price = Price(input=price_in, output=price_out)
    random = np.random.default_rng(seed)
    requests = [
        ask("x" * int(random.integers(1, 400)), max_tokens=int(random.integers(1, 200)), draw=i) for i in range(150)
    ]
    probe = World(price, Budget(Decimal(10**9), unit), seed)
    everything = sum(probe.amount(most_tokens_in(r), r.max_tokens or 0) for r in requests)
    budget = Budget(
        (Decimal(str(share)) * everything).quantize(Decimal("0.000000001") if unit == "USD" else Decimal(1)), unit
    )
    world = World(price, budget, seed)
    answers = asyncio.run(world.run(requests))
    assert world.true + world.lost == world.meter.spent <= budget.amount
    refused = [request for request, answer in zip(requests, answers, strict=True) if isinstance(answer, BudgetError)]
    for request in refused:
        assert budget.amount - world.meter.spent < world.amount(most_tokens_in(request), request.max_tokens or 0)


def test_a_call_waits_for_the_budget_as_long_as_others_may_leave_some():
    meter = Meter(
        Obedient(lambda _: Reply("Hello.", tokens_in=5, tokens_out=1)), budget=Budget.parse("200 tokens"), price=None
    )

    async def story() -> list[Reply]:
        return await asyncio.gather(*(meter.send(ask(max_tokens=60, draw=i)) for i in range(12)))

    assert len(asyncio.run(story())) == 12  # the most of one call is 120 tokens, so no two are in flight at once
    assert meter.spent == 72


@pytest.mark.parametrize(
    ("is_kept", "hint"),
    [
        (True, "Every reply is kept. Raise llm.budget and run again to carry on from here."),
        (
            False,
            "Replies were kept in memory alone, so a next run pays for them again. Raise llm.budget, and name a file in "
            "llm.cache (augtune predict: --cache FILE) from which it can carry on.",
        ),
    ],
)
def test_the_budget_is_reached_when_the_next_call_might_exceed_it(is_kept, hint):
    meter = Meter(Obedient(lambda _: "Hello."), budget=Budget.parse("2 calls"), price=None, is_kept=is_kept)
    for draw in range(2):
        asyncio.run(meter.send(ask(draw=draw)))
    with pytest.raises(BudgetError) as caught:
        asyncio.run(meter.send(ask(draw=2)))
    assert str(caught.value) == (
        f"the budget of 2 calls is reached: 2 calls spent, and the next call may take up to 1 call.\n  {hint}"
    )


def test_payments_of_earlier_runs_count_towards_the_budget():
    paid = [Payment("a", Decimal("0.0009"), 500, 200), Payment("b", None, 50, 25)]
    meter = Meter(Obedient(lambda _: "Hello."), budget=Budget.parse("0.001 USD"), price=PRICE, paid=paid)
    with pytest.raises(BudgetError) as caught:
        asyncio.run(meter.send(ask()))
    assert caught.value.message == (
        "the budget of 0.001 USD is reached: 0.001 USD spent (0.001 USD of it by earlier runs), and the next call may "
        "take up to 0.000078 USD."
    )
    assert meter.cost == Cost()


def test_a_failed_call_costs_nothing_and_a_lost_one_its_most():
    for kind, spent in (("server", 0), ("limit", 0), ("lost", 1)):
        meter = Meter(
            Obedient(lambda _, kind=kind: CallError("No.", kind)), budget=Budget.parse("9 calls"), price=PRICE
        )
        with pytest.raises(CallError):
            asyncio.run(meter.send(ask("x" * 12)))
        assert meter.spent == spent
    assert meter.cost == Cost(usd=0.00008, calls=1, tokens_in=60, tokens_out=10)


def test_a_call_without_counted_tokens_is_booked_at_its_most_unless_it_is_free():
    for price, cost in ((PRICE, Cost(0.00008, 1, 0, 60, 10)), (FREE, Cost(0.0, 1, 0, 0, 0))):
        meter = Meter(Obedient(lambda _: "Hello."), budget=None, price=price)
        asyncio.run(meter.send(ask("x" * 12)))
        assert meter.cost == cost


def test_a_budget_in_money_or_tokens_needs_the_length_of_the_reply_limited():
    meter = Meter(Obedient(lambda _: "Hello."), budget=Budget.parse("1 USD"), price=PRICE)
    with pytest.raises(SettingsError) as caught:
        asyncio.run(meter.send(ask(max_tokens=None)))
    assert str(caught.value) == (
        "max_tokens: missing; a budget of 1 USD can only be held if the length of a reply is limited"
    )
    in_calls = Meter(Obedient(lambda _: "Hello."), budget=Budget.parse("1 call"), price=None)
    assert asyncio.run(in_calls.send(ask(max_tokens=None))).text == "Hello."
    assert repr(in_calls.cost) == "price unknown"


def test_a_call_cut_off_in_flight_is_booked_at_its_most():
    class Endless:
        async def send(self, request: Request) -> Reply:
            await asyncio.sleep(60)
            return Reply("Never.")

    booked: list[Payment] = []
    meter = Meter(Endless(), budget=Budget.parse("9 calls"), price=PRICE, record=booked.append)

    async def story() -> None:
        task = asyncio.create_task(meter.send(ask()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(story())
    assert meter.spent == 1
    assert len(booked) == 1
