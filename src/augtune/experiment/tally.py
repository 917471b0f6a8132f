"""A language model that also says what its answers are worth, those included that the run's cache had already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar

from augtune.core.outcomes import Cost
from augtune.llm.client import LLM, Answer, OnAnswer
from augtune.llm.messages import Reply, Request
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
        self._replies: dict[str, Reply] = {}

    def worth(self, work: Callable[[], T]) -> tuple[T, Cost]:
        """Return what some work comes to, and what all the answers it got cost, each request counted once.

        Replies of a recording cost nothing and are counted as cached.
        """
        self._replies = {}
        made = work()
        replies = list(self._replies.values())
        if self.settings.replay is not None:
            return made, Cost(cached=len(replies))
        tokens_in, tokens_out = sum(one.tokens_in for one in replies), sum(one.tokens_out for one in replies)
        return made, Cost(self._usd(replies), len(replies), 0, tokens_in, tokens_out)

    def _usd(self, replies: Sequence[Reply]) -> float | None:
        if self.price is None:
            return None if replies else 0.0
        prices = (
            self.price.usd(tokens_in=one.tokens_in, tokens_out=one.tokens_out, tokens_cached=one.tokens_cached)
            for one in replies
        )
        return float(sum(prices, Decimal(0)))

    def send_all(self, requests: Sequence[Request], *, on_answer: OnAnswer | None = None) -> list[Answer]:
        """Return the answers to all requests, as ``LLM.send_all`` does, and count them."""
        answers = super().send_all(requests, on_answer=on_answer)
        for request, answer in zip(requests, answers, strict=True):
            if isinstance(answer, Reply):
                self._replies[request.key] = answer
        return answers
