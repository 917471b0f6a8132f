"""The process that makes the calls of a run, and outlives it for as long as calls are out.

``python -m augtune.llm.sender DESCRIPTOR`` is started by ``augtune.llm.sending`` with one end of a pair of sockets. The
first line it reads says where replies are kept, whom to ask and what that costs; each line after it is a request. A
call is put on record before it leaves; its reply, what it cost and the end of that record are written in one
transaction, before the run hears of it. When the run is gone, in whatever way, no new call is made; those that are out
are finished, within their time limit, and kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from augtune.core.errors import AugtuneError
from augtune.llm.claims import Claims
from augtune.llm.failures import CallError
from augtune.llm.layers.wire import Wire
from augtune.llm.messages import Reply, Request
from augtune.llm.payments import Payment, most_of, paid_for
from augtune.llm.pipe import Lines, error_to
from augtune.llm.prices import Price
from augtune.llm.providers.openai import OpenAI
from augtune.llm.reserve import Reserve
from augtune.llm.store import Store

__all__ = ["main"]

LOOK_S = 1.0

Outcome = Reply | AugtuneError


class _Desk:
    """Makes calls and keeps what comes of them.

    Args:
        told: The run's first line.
        lines: The way to the run.

    Raises:
        AugtuneError: If the cache cannot be used.
    """

    def __init__(self, told: dict[str, Any], lines: Lines) -> None:
        cache = Path(told["cache"])
        provider = OpenAI(**told["provider"])
        provider.connected()  # so that loading the SDK counts towards no call's time
        self._price = None if told["price"] is None else Price(**told["price"])
        self._wire = Wire(provider, told["timeout_s"])
        self._store = Store(cache)
        self._reserve = Reserve(cache.parent)
        self._full: AugtuneError | None = None
        self._claims = Claims(self._store, cache)
        self._claims.enlist()
        self._lines = lines
        self._tasks: set[asyncio.Task[None]] = set()
        self._came: list[tuple[Request, Payment, Outcome]] = []

    def make(self, values: list[Any]) -> None:
        """Begin calls, except those that have a reply by now or that another process has out."""
        requests = {key: Request.from_json(value) for key, value in values}
        most = {key: most_of(request, self._price) for key, request in requests.items()}
        try:
            if self._full is not None:
                raise self._full
            taken = self._claims.take(list(most.values()))
        except AugtuneError as error:
            for key in requests:
                self._lines.say([key, "error", error_to(error)])
            return
        for key, request in requests.items():
            if key in taken:
                self._lines.say([key, "taken", None])
                continue
            task = asyncio.get_running_loop().create_task(self._make(request, most[key]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _make(self, request: Request, most: Payment) -> None:
        outcome: Outcome
        try:
            outcome = await self._wire.send(request)
        except AugtuneError as error:
            outcome = error
        except Exception as error:
            outcome = CallError(f"{request.provider}/{request.model}: the call broke off ({error!r}).", "lost")
        if not self._came:
            asyncio.get_running_loop().call_soon(self._keep)
        self._came.append((request, most, outcome))

    def _keep(self) -> None:
        """Write all that came together in one transaction, then pass it on.

        Where that fails because the disk is full, the room set aside for this is given back, and no call is made after.
        """
        came, self._came = self._came, []
        try:
            try:
                self._write(came)
            except AugtuneError as error:
                self._full = error
                if not self._reserve.release():
                    raise
                self._write(came)
        except AugtuneError as error:
            came = [(request, most, error) for request, most, _ in came]
        for request, _, outcome in came:
            if isinstance(outcome, Reply):
                self._lines.say([request.key, "reply", outcome.to_json()])
            else:
                self._lines.say([request.key, "error", error_to(outcome)])

    def _write(self, came: list[tuple[Request, Payment, Outcome]]) -> None:
        with self._store.transaction():
            for request, most, outcome in came:
                if isinstance(outcome, Reply):
                    self._store.put(request, outcome)
                paid = paid_for(outcome, most, self._price)
                if paid is not None:
                    self._store.pay(paid)
                self._claims.drop(request.key)

    async def finish(self) -> None:
        """Wait for the calls that are out, and keep them."""
        if self._tasks:
            with contextlib.suppress(AugtuneError):  # only a matter of words
                self._claims.leave()
            await asyncio.gather(*self._tasks)
        while self._came:
            await asyncio.sleep(0)

    def close(self) -> None:
        """Close the cache."""
        self._store.close()


async def _serve(end: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    run = os.getppid()
    desk: _Desk | None = None

    def heard(values: list[Any]) -> None:
        nonlocal desk
        if over.is_set() or os.getppid() != run:  # what it still said is not begun: the next run may be counting
            return
        try:
            if desk is None:
                desk = _Desk(values.pop(0), lines)
                lines.say(["", "ready", None])
            if values:
                desk.make(values)
        except AugtuneError as error:
            lines.say(["", "error", error_to(error)])
            over.set()

    lines = Lines(heard, over.set)
    await loop.create_connection(lambda: lines, sock=end)
    loop.add_signal_handler(signal.SIGTERM, over.set)
    watch = loop.create_task(_until_orphaned(run, over))
    await over.wait()
    watch.cancel()
    if desk is not None:
        await desk.finish()
        desk.close()
    lines.close()
    await asyncio.sleep(0)


async def _until_orphaned(run: int, over: asyncio.Event) -> None:
    """See that the run is gone also where a child of it still holds its end of the line."""
    while os.getppid() == run:
        await asyncio.sleep(LOOK_S)
    over.set()


def main(descriptor: int) -> None:
    """Make calls until the run is gone and none is out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_serve(socket.socket(fileno=descriptor)))
    sys.stderr.flush()
    os._exit(0)  # all is written and closed; taking the modules down would take a third of a second


if __name__ == "__main__":
    main(int(sys.argv[1]))
