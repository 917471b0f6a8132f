"""A budget that holds: the most a call can cost is set aside before it is sent, what it did cost is booked after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from augtune.core.errors import BudgetError, ProviderError, SettingsError
from augtune.core.outcomes import Cost
from augtune.llm.messages import Reply, Request
from augtune.llm.payments import Payment, most_of, paid_for
from augtune.llm.prices import Budget, Price
from augtune.llm.provider import Provider

__all__ = ["Meter"]

KEPT = "Every reply is kept. Raise llm.budget and run again to carry on from here."
IN_MEMORY = (
    "Replies were kept in memory alone, so a next run pays for them again. Raise llm.budget, and name a file in "
    "llm.cache (augtune predict: --cache FILE) from which it can carry on."
)


class Meter:
    """Let a call through only if the budget covers the most it can cost, together with all calls in flight.

    A call that does not fit waits while others are in flight, because they will cost less than was set aside for them.
    If none is, the budget is reached. A call that failed costs nothing, unless its reply was lost on the way: then it
    is booked at its most, as is one whose provider counts no tokens and is not free.

    Args:
        inner: Who is asked.
        budget: The most to spend; None for no limit.
        price: What tokens cost; None if unknown.
        paid: Payments made before, by earlier runs with the same cache; they count towards the budget.
        record: Called with each payment.
        resumed: The most that calls of other runs can cost that are still out; it is set aside from the start.
        is_kept: Whether replies are kept in a file, where a next run finds them.
        survives: Given where calls outlive this process: whether the call with a key was sent, so that it goes on when
            no one here waits for it any more. One that was not costs nothing.

    Raises:
        SettingsError: If the budget is in money and the price is unknown.
    """

    def __init__(
        self,
        inner: Provider,
        *,
        budget: Budget | None,
        price: Price | None,
        paid: Iterable[Payment] = (),
        record: Callable[[Payment], None] | None = None,
        resumed: Iterable[Payment] = (),
        is_kept: bool = False,
        survives: Callable[[str], bool] | None = None,
    ) -> None:
        self._inner = inner
        self._budget = budget
        self._price = price
        self._record = record
        self._is_kept = is_kept
        self._earlier = sum((self._amount(payment) for payment in paid), Decimal(0)) if budget else Decimal(0)
        self._spent = self._earlier
        self._line = asyncio.Lock()
        self._settled = asyncio.Event()
        self._usd = Decimal(0)
        self._calls = self._tokens_in = self._tokens_out = 0
        self._survives = survives
        self._stalled: Exception | None = None
        self._resumed = {most.key: most for most in resumed}
        self._held = sum((self._amount(most) for most in self._resumed.values()), Decimal(0))
        self._in_flight = len(self._resumed)

    @property
    def spent(self) -> Decimal:
        """What is spent so far in the budget's unit, earlier runs included; 0 without a budget."""
        return self._spent

    @property
    def cost(self) -> Cost:
        """What this meter's own calls cost."""
        usd = None if self._price is None and self._calls else float(self._usd)
        return Cost(usd, self._calls, 0, self._tokens_in, self._tokens_out)

    async def send(self, request: Request) -> Reply:
        """Return the reply, and book what it cost.

        Raises:
            BudgetError: If the call might exceed the budget.
            SettingsError: If a budget in money or tokens meets a request without ``max_tokens``.
        """
        most = self._most(request)
        if self._resumed.pop(request.key, None) is None:
            await self._reserve(most)
        paid: Payment | None = most  # what a call that is cut off in flight is booked at
        reply = None
        try:
            reply = await self._inner.send(request)
            paid = paid_for(reply, most, self._price)
        except ProviderError as error:
            paid = paid_for(error, most, self._price)
            raise
        except asyncio.CancelledError:
            paid = most if self._survives is None else None
            raise
        finally:
            if reply is None and self._survives is not None and self._survives(request.key):
                self._resumed[request.key] = most
            else:
                self._settle(most, paid)
        return reply

    def book(self, request: Request, outcome: Reply | Exception | None) -> None:
        """Book a call that no one here waits for, or let go of it if nothing came of it."""
        most = self._resumed.pop(request.key, None)
        paid = None if outcome is None else paid_for(outcome, most_of(request, self._price), self._price)
        if most is not None:
            self._settle(most, paid)
        elif paid is not None:
            self._pay(paid)

    def land(self, key: str, payments: Sequence[Payment]) -> None:
        """Count what a call cost that another process made and put on record."""
        most = self._resumed.pop(key, None)
        amount = sum((self._amount(payment) for payment in payments), Decimal(0)) if self._budget else Decimal(0)
        self._spent += amount
        self._earlier += amount
        if most is not None:
            self._settle(most, None)

    def stall(self, error: Exception) -> None:
        """Take note that calls of earlier runs will not be settled in this one: who waits for that is told so."""
        self._stalled = error
        self._settled.set()

    def _most(self, request: Request) -> Payment:
        if self._budget is not None and self._budget.unit != "calls" and _is_endless(request):
            raise SettingsError(
                f"max_tokens: missing; a budget of {self._budget} can only be held if the length of a reply is limited"
            )
        return most_of(request, self._price)

    def _amount(self, payment: Payment) -> Decimal:
        if self._budget is None:
            return Decimal(0)
        if self._budget.unit == "calls":
            return Decimal(1)
        if self._budget.unit == "tokens":
            return Decimal(payment.tokens_in + payment.tokens_out)
        if payment.usd is not None:
            return payment.usd
        if self._price is None:
            raise SettingsError(f"llm.price: missing; a budget of {self._budget} cannot be held without it")
        return self._price.usd(tokens_in=payment.tokens_in, tokens_out=payment.tokens_out)

    async def _reserve(self, most: Payment) -> None:
        amount = self._amount(most)
        async with self._line:  # first come, first served: a budget pays for the first requests, whatever they cost
            while self._budget is not None and self._spent + self._held + amount > self._budget.amount:
                if not self._in_flight:
                    raise self._reached(amount)
                if self._stalled is not None and len(self._resumed) == self._in_flight:
                    raise self._stalled
                self._settled.clear()
                await self._settled.wait()
            self._held += amount
            self._in_flight += 1

    def _settle(self, most: Payment, paid: Payment | None) -> None:
        self._held -= self._amount(most)
        self._in_flight -= 1
        if paid is not None:
            self._pay(paid)
        self._settled.set()

    def _pay(self, paid: Payment) -> None:
        self._spent += self._amount(paid)
        self._calls += 1
        self._usd += paid.usd or 0
        self._tokens_in += paid.tokens_in
        self._tokens_out += paid.tokens_out
        if self._record is not None:
            self._record(paid)

    def _reached(self, amount: Decimal) -> BudgetError:
        budget = self._budget or Budget(Decimal(0), "USD")
        before = f" ({budget.show(self._earlier)} of it by earlier runs)" if self._earlier else ""
        return BudgetError(
            f"the budget of {budget} is reached: {budget.show(self._spent)} spent{before}, and the next call may take "
            f"up to {budget.show(amount)}.",
            hint=KEPT if self._is_kept else IN_MEMORY,
        )


def _is_endless(request: Request) -> bool:
    """Return whether nothing limits a reply's length; scores have none."""
    return request.max_tokens is None and not request.continuations
