"""What one call cost, or can cost at most."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from augtune.core.errors import ProviderError
from augtune.llm.failures import may_be_billed
from augtune.llm.messages import Reply, Request
from augtune.llm.prices import FREE, Price
from augtune.llm.tokens import most_tokens_in

__all__ = ["Payment", "most_of", "paid_for"]


@dataclass(frozen=True, slots=True)
class Payment:
    """What one call cost.

    Args:
        key: Key of its request.
        usd: US dollars; None if the price is unknown.
        tokens_in: Prompt tokens.
        tokens_out: Tokens of the reply.
    """

    key: str
    usd: Decimal | None
    tokens_in: int
    tokens_out: int


def most_of(request: Request, price: Price | None) -> Payment:
    """Return the most a call can cost; one without ``max_tokens`` is counted as if its reply had no length."""
    tokens_in, tokens_out = most_tokens_in(request), request.max_tokens or 0
    usd = None if price is None else price.most_usd(tokens_in=tokens_in, tokens_out=tokens_out)
    return Payment(request.key, usd, tokens_in, tokens_out)


def paid_for(outcome: Reply | Exception, most: Payment, price: Price | None) -> Payment | None:
    """Return what a call cost, or None if it cost nothing.

    A call whose reply was lost on the way is counted at its most, because it may have been billed; so is one whose
    provider counts no tokens and is not free.

    Args:
        outcome: What came of it.
        most: The most it can cost.
        price: What tokens cost, if known.
    """
    if not isinstance(outcome, Reply):
        return most if isinstance(outcome, ProviderError) and may_be_billed(outcome) else None
    if outcome.tokens_in + outcome.tokens_out == 0 and price != FREE:
        return most
    counts = {"tokens_in": outcome.tokens_in, "tokens_out": outcome.tokens_out}
    usd = None if price is None else price.usd(**counts, tokens_cached=outcome.tokens_cached)
    return Payment(most.key, usd, **counts)
