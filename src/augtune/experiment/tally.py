"""A language model that also says what its answers are worth, those included that the run's cache had already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar

from augtune.core.outcomes import Cost
from augtune.llm.client import LLM, Answer, OnAnswer
from augtune.llm.messages import Reply, Request
from augtune.llm.payments import Payment
from augtune.llm.provider import Provider
from augtune.llm.settings import LLMSettings

__all__ = ["Tallied"]

T = TypeVar("T")


class Tallied(LLM):
    """The language model of a run.

    Two arms that ask the same thing pay once, and so does a run that was cut off; yet each arm has to be compared by
    what it would cost alone. ``worth`` tells that.
    """

    def _open(self, settings: LLMSettings, provider: Provider | None) -> None:
        super()._open(settings, provider)
        self._asked: set[str] = set()
        self._answered: set[str] = set()

    def worth(self, work: Callable[[], T]) -> tuple[T, Cost]:
        """Return what some work comes to, and what all the calls it takes have cost, whichever run paid for them.

        So a run that was cut off says the same as one that was not. Calls whose reply was lost on the way count too,
        since they may have been billed. Replies of a recording cost nothing and are counted as cached.
        """
        self._asked, self._answered = set(), set()
        made = work()
        if self.settings.replay is not None:
            return made, Cost(cached=len(self._answered))
        if not self._asked:
            return made, Cost()
        paid = [payment for payment in self._running().store.payments() if payment.key in self._asked]
        tokens_in, tokens_out = sum(one.tokens_in for one in paid), sum(one.tokens_out for one in paid)
        return made, Cost(self._usd(paid), len(paid), 0, tokens_in, tokens_out)

    def _usd(self, paid: Sequence[Payment]) -> float | None:
        """Return dollars; those of calls made before the price was known are worked out now."""
        known = [one.usd for one in paid if one.usd is not None]
        later = [one for one in paid if one.usd is None]
        if later and self.price is None:
            return None
        if self.price is not None:
            known += [self.price.usd(tokens_in=one.tokens_in, tokens_out=one.tokens_out) for one in later]
        return float(sum(known, Decimal(0)))

    def send_all(self, requests: Sequence[Request], *, on_answer: OnAnswer | None = None) -> list[Answer]:
        """Return the answers to all requests, as ``LLM.send_all`` does, and count them."""
        answers = super().send_all(requests, on_answer=on_answer)
        for request, answer in zip(requests, answers, strict=True):
            self._asked.add(request.key)
            if isinstance(answer, Reply):
                self._answered.add(request.key)
        return answers
