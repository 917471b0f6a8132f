"""How a call can fail, so that each layer knows what to do about it."""

from __future__ import annotations

from typing import Literal

from augtune.core.errors import ProviderError

__all__ = ["CallError", "Kind", "TakenError", "is_fatal", "is_limit", "is_refusal", "may_be_billed"]

Kind = Literal["limit", "server", "lost", "connection", "request", "forbidden", "setup"]

RETRYABLE = {"limit", "server", "lost", "connection"}


class CallError(ProviderError):
    """A call that got no reply.

    Args:
        message: What the provider said or did.
        kind: ``limit``: too many calls (429). ``server``: it failed (5xx). ``lost``: no whole reply came, in time or
            at all, so the call may have been billed. ``connection``: there is no one at the address. ``request``: this
            one request was refused. ``forbidden``: the account may not use the model, or this one request was flagged
            (403). ``setup``: every request will be refused (key, model, address).
        hint: What to do next.
        retry_after_s: Seconds the provider asked to wait, if it did.
    """

    def __init__(
        self, message: str, kind: Kind, *, hint: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, hint=hint, retryable=kind in RETRYABLE, retry_after_s=retry_after_s)
        self.kind: Kind = kind


class TakenError(ProviderError):
    """A call that was not made because another process has it out, or had; its reply will be in the cache."""

    def __init__(self) -> None:
        super().__init__("another process makes this call.")


def is_limit(error: ProviderError) -> bool:
    """Return whether the provider said that it is asked too much at once."""
    return error.kind == "limit" if isinstance(error, CallError) else error.retry_after_s is not None


def is_fatal(error: ProviderError, *, answered: bool) -> bool:
    """Return whether every other request would fail in the same way.

    Args:
        error: How this one failed.
        answered: Whether one of the latest calls got a reply, so that there is someone at the address who may be asked.
    """
    if not isinstance(error, CallError):
        return False
    return error.kind == "setup" or (error.kind in ("connection", "forbidden") and not answered)


def is_refusal(error: ProviderError) -> bool:
    """Return whether the provider refused a request, maybe this one alone, and did nothing for it."""
    return isinstance(error, CallError) and error.kind in ("request", "forbidden")


def may_be_billed(error: ProviderError) -> bool:
    """Return whether the provider may have done the work and charged for it, although no reply came."""
    return isinstance(error, CallError) and error.kind == "lost"
