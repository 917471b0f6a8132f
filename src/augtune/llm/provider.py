"""The one seam of the engine: a provider answers requests, and every layer is a provider that wraps another."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from augtune.llm.messages import Reply, Request

__all__ = ["Provider"]


@runtime_checkable
class Provider(Protocol):
    """Anything that answers requests.

    A class with this one method can be given to ``LLM`` in place of a model's name. It may say ``can_score = True`` if
    it answers requests with ``continuations`` by their scores, and ``takes_its_time = True`` if calls wait in a line of
    its own, so that ``timeout_s`` does not apply.
    """

    async def send(self, request: Request) -> Reply:
        """Return the model's reply.

        Raises:
            ProviderError: If there is none; ``retryable`` says whether asking again may help.
        """
        ...
