"""The layers around a provider, put together: cache, retry, pace, meter, wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from augtune.core.errors import StorageError
from augtune.core.outcomes import Cost
from augtune.llm import loop
from augtune.llm.batch import MOST_CALLS, Batch
from augtune.llm.claims import Claims
from augtune.llm.elsewhere import Elsewhere
from augtune.llm.jobs import Jobs
from augtune.llm.layers.cache import Cache
from augtune.llm.layers.meter import Meter
from augtune.llm.layers.pace import Pace
from augtune.llm.layers.retry import Retry, RetryPolicy
from augtune.llm.layers.wire import Wire
from augtune.llm.payments import Payment, most_of
from augtune.llm.prices import Budget, Price
from augtune.llm.provider import Provider
from augtune.llm.providers.batch_files import BatchFiles
from augtune.llm.providers.openai import OpenAI
from augtune.llm.providers.replay import Replay
from augtune.llm.sending import Sending, is_sent_apart
from augtune.llm.settings import LLMSettings, Target
from augtune.llm.store import Store

__all__ = ["Engine"]


class Engine:
    """A provider with every layer around it, and the store they share.

    ```
    Cache      known or in flight already? else
      Retry      ask, and where it may help ask again
        Pace       when it is its turn
          Meter      if the budget covers it
            Wire       at once, within the time limit
              provider, or the process that asks it and keeps its replies (``Sending``)
    ```

    A recording needs none but the cache, which keeps what was served of it.

    Args:
        provider: Who answers in the end.
        settings: Pace, budget, time limits and where replies are kept.
        target: Which model it is.
        price: What tokens cost, if known.
    """

    def __init__(self, provider: Provider, settings: LLMSettings, target: Target, price: Price | None) -> None:
        self._meter: Meter | None = None
        path = None if isinstance(provider, Replay) else settings.cache
        self.store = Store(path)
        jobs = _jobs(provider, settings, self.store)
        self._claims = None if path is None else Claims(self.store, path)
        self._elsewhere = None if self._claims is None else Elsewhere(self._claims, self.store)
        self._innermost = answering = _innermost(provider, jobs, settings, price)
        timeout_s = None if getattr(answering, "takes_its_time", False) else settings.timeout_s
        self.wire = Wire(answering, timeout_s, is_timed=not isinstance(answering, Sending))
        inner: Provider = self.wire
        if not isinstance(provider, Replay):
            self._meter = self._metered(settings, target, price, jobs)
            inner = Retry(_pace(self._meter, settings), RetryPolicy(give_up_after_s=settings.give_up_after_s))
        is_kept = isinstance(answering, Sending)
        self._cache = Cache(inner, self.store, elsewhere=self._elsewhere, is_kept=is_kept)
        self.provider: Provider = self._cache

    def _metered(self, settings: LLMSettings, target: Target, price: Price | None, jobs: Jobs | None) -> Meter:
        """Return the meter, which knows of the calls that are out already: in batches, or made by other processes."""
        answering, elsewhere = self._innermost, self._elsewhere
        out = [] if jobs is None else [most_of(r, price) for job in jobs.under_way() for r in job.requests.values()]
        out += [] if elsewhere is None else elsewhere.out
        paid = self.store.payments() if elsewhere is None else elsewhere.paid
        sent_apart = answering if isinstance(answering, Sending) else None
        budget = None if settings.budget is None else Budget.parse(settings.budget)
        meter = Meter(
            self.wire,
            budget=budget,
            price=price,
            paid=self._counting(paid, budget, target),
            record=self.store.pay if sent_apart is None else None,
            resumed=out,
            is_kept=settings.cache is not None,
            survives=jobs.has if jobs is not None else sent_apart.has_out if sent_apart is not None else None,
        )
        if elsewhere is not None:
            elsewhere.ledger = meter
            loop.submit(elsewhere.look())
        if sent_apart is not None:
            sent_apart.books = meter
        if isinstance(answering, Batch) and jobs is not None:
            self._resume(answering, jobs, meter)
        return meter

    def _counting(self, paid: Sequence[Payment], budget: Budget | None, target: Target) -> Sequence[Payment]:
        """Return the payments that count towards the budget.

        This model's price says nothing of what another model's calls cost: in dollars, theirs count where it is on
        record what they were.
        """
        if budget is None or budget.unit != "USD":
            return paid if budget else ()
        foreign = self.store.unpriced_of_others(target.provider, target.model)
        return [payment for payment in paid if payment.usd is not None or payment.key not in foreign]

    def _resume(self, batch: Batch, jobs: Jobs, meter: Meter) -> None:
        batch.books = meter
        for request, reply in jobs.unpaid():
            meter.book(request, reply)
        loop.submit(batch.resume())

    @property
    def cost(self) -> Cost:
        """What the calls of this engine cost; what the cache or a recording answered is counted apart and is free."""
        if self._meter is None:
            return Cost(cached=self._cache.answered)
        return replace(self._meter.cost, cached=self._cache.hits)

    @property
    def paid(self) -> Cost:
        """What the calls recorded in the store cost, those of earlier runs included."""
        payments = self.store.payments()
        known = all(payment.usd is not None for payment in payments)
        return Cost(
            float(sum((payment.usd or Decimal(0) for payment in payments), Decimal(0))) if known else None,
            len(payments),
            0,
            sum(payment.tokens_in for payment in payments),
            sum(payment.tokens_out for payment in payments),
        )

    def close(self) -> None:
        """Close the provider's connections and the store."""
        if isinstance(self._innermost, Batch):
            self._innermost.let_go()
        if self._elsewhere is not None:
            self._elsewhere.close()
        if isinstance(self._innermost, Sending):
            self._innermost.close()
        close: Any = getattr(self._innermost, "aclose", None)
        if close is not None:
            loop.submit(close())
        if self._claims is not None:
            self._claims.close()
        self.store.close()


def _jobs(provider: Provider, settings: LLMSettings, store: Store) -> Jobs | None:
    """Return the batches under way, if calls are made in batches."""
    if settings.batch is None or settings.cache is None or not isinstance(provider, OpenAI):
        return None
    try:
        return Jobs(store, settings.cache)
    except StorageError:
        store.close()
        raise


def _innermost(provider: Provider, jobs: Jobs | None, settings: LLMSettings, price: Price | None) -> Provider:
    """Return who answers: the provider, its batches, or a process of its own that asks it."""
    if not isinstance(provider, OpenAI):
        return provider
    if jobs is not None and settings.batch is not None:
        return Batch(BatchFiles(provider), jobs, settings.batch, give_up_after_s=settings.give_up_after_s)
    if settings.cache is not None and is_sent_apart(provider, settings, price):
        return Sending(provider, cache=settings.cache, timeout_s=settings.timeout_s, price=price)
    return provider


def _pace(inner: Provider, settings: LLMSettings) -> Pace:
    """Return the pace of single calls; a batch has none, the more there are in it the better."""
    if settings.batch is not None:
        return Pace(inner, max_in_flight=MOST_CALLS)
    return Pace(
        inner,
        max_in_flight=settings.max_in_flight,
        requests_per_minute=settings.requests_per_minute,
        tokens_per_minute=settings.tokens_per_minute,
    )
