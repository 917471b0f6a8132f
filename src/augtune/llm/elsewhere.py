"""The calls that other processes have out with the same cache: they are waited for, not made again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from augtune.core.errors import StorageError
from augtune.llm.claims import Claim, Claims
from augtune.llm.clock import Clock
from augtune.llm.payments import Payment
from augtune.llm.store import Store

__all__ = ["Elsewhere"]

LOOK_S = 0.05

_log = logging.getLogger("augtune.llm")


class Ledger(Protocol):
    """Counts what calls of other processes cost; the meter does."""

    def land(self, key: str, payments: Sequence[Payment]) -> None:
        """Count what a call cost that another process made and put on record."""


class Elsewhere:
    """Know which calls are out elsewhere, and see them land.

    Those of a process that is gone are on no record any more once this is made.

    Args:
        claims: Which calls are out.
        store: Where they land.
        clock: Time.
    """

    def __init__(self, claims: Claims, store: Store, clock: Clock | None = None) -> None:
        self.ledger: Ledger | None = None
        self._claims = claims
        self._store = store
        self._clock = clock or Clock()
        self._out: dict[str, Claim | None] = {}
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._was_told = self._is_over = False
        with store.transaction():  # what is paid and what is out, at one moment
            self._out.update(claims.others())
            self._since = store.last_payment
            self.paid = store.payments()

    @property
    def out(self) -> list[Payment]:
        """The most that each call can cost that was out elsewhere when this was made."""
        return [claim.most for claim in self._out.values() if claim is not None]

    def __contains__(self, key: str) -> bool:
        return key in self._out

    def add(self, key: str) -> None:
        """Take note of a call that turned out to be made elsewhere."""
        self._out.setdefault(key, None)

    async def landed(self, key: str) -> None:
        """Return once a call is out no more; its reply is in the store by then, if it got one."""
        if key not in self._waiting:
            self._waiting[key] = asyncio.get_running_loop().create_future()
        await self.look()
        await asyncio.shield(self._waiting[key])

    async def look(self) -> None:
        """Watch the calls land, until none is out."""
        if self._out and (self._looking is None or self._looking.done()):
            self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        while self._out:
            await self._clock.sleep(LOOK_S)
            if self._is_over:
                return
            try:
                still = self._claims.others()
                for key in self._out.keys() - still.keys():
                    self._land(key)
            except StorageError as error:
                if not self._is_over:
                    self._fail(error)
                return
            self._tell([still[key] for key in self._waiting if key in still])

    def _land(self, key: str) -> None:
        if self.ledger is not None:
            self.ledger.land(key, self._store.payments_after(self._since, key))
        del self._out[key]
        waiting = self._waiting.pop(key, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def _fail(self, error: StorageError) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(error)
        self._waiting.clear()
        self._out.clear()

    def _tell(self, claims: Sequence[Claim]) -> None:
        if claims and not self._was_told:
            self._was_told = True
            calls = "1 call" if len(claims) == 1 else f"{len(claims)} calls"
            whose = "an interrupted run" if all(claim.is_left for claim in claims) else "another run"
            _log.warning("waiting for %s of %s", calls, whose)

    def close(self) -> None:
        """Look no more."""
        self._is_over = True
