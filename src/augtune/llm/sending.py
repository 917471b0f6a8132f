"""Calls made by a process of their own: killing this one does not lose those that are out."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess  # our own program, no shell, fixed arguments  # nosec B404
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol

from augtune.core.errors import AugtuneError, InputError
from augtune.llm import loop
from augtune.llm.claims import CAN_LOCK
from augtune.llm.failures import CallError, TakenError
from augtune.llm.keys import read_key
from augtune.llm.messages import Reply, Request
from augtune.llm.pipe import Lines, error_from
from augtune.llm.prices import FREE, Price
from augtune.llm.provider import Provider
from augtune.llm.providers.openai import OpenAI
from augtune.llm.settings import LLMSettings

__all__ = ["Sending", "is_sent_apart"]

SLACK_S = 30.0
START_S = 60.0
END_S = 2.0

Outcome = Reply | AugtuneError


def is_sent_apart(provider: Provider, settings: LLMSettings, price: Price | None) -> bool:
    """Return whether a process of its own makes the calls: they cost money, go over HTTP and are kept in a file."""
    costs = isinstance(provider, OpenAI) and price != FREE
    can_start = CAN_LOCK and not getattr(sys, "frozen", False)  # in a frozen program there is no interpreter to start
    return costs and can_start and settings.own_process and settings.cache is not None and settings.batch is None


class Books(Protocol):
    """Keeps account of calls that no one here waits for any more; the meter does."""

    def book(self, request: Request, outcome: Reply | Exception | None) -> None:
        """Take note of what came of a call."""


class Sending:
    """Have a process of its own make the calls and keep the replies; start it with the first call.

    It is in a session of its own, so that neither a signal to this process nor the terminal's Ctrl-C reaches it, and
    has the key from its environment alone. A call that no one waits for any more goes on, and is booked when it lands.

    Args:
        provider: Whom it asks.
        cache: Where it keeps replies.
        timeout_s: Seconds until a whole reply has to be there.
        price: What tokens cost, if known.
    """

    def __init__(self, provider: OpenAI, *, cache: Path, timeout_s: float, price: Price | None) -> None:
        self.books: Books | None = None
        self._provider = provider
        self._timeout_s = timeout_s
        self._told = {
            "cache": str(cache.absolute()),
            "provider": provider.model_dump(mode="json"),
            "timeout_s": timeout_s,
            "price": None if price is None else price.model_dump(mode="json"),
        }
        self._out: dict[str, _Call] = {}
        self._helper: _Helper | None = None
        self._starting = asyncio.Lock()
        self._is_over = False
        self._owner = os.getpid()

    def has_out(self, key: str) -> bool:
        """Return whether a call has been handed over and has not come to anything yet."""
        return key in self._out

    async def send(self, request: Request) -> Reply:
        """Return the reply; by then it is in the cache.

        Raises:
            TakenError: If another process makes this call.
            ProviderError: If there is none.
            AugtuneError: If calls cannot be made, or replies not be kept.
        """
        if self._owner != os.getpid():  # in a forked child, the line is the parent's
            self._owner, self._helper, self._out = os.getpid(), None, {}
        if request.key not in self._out:
            helper = await self._helped()
            self._out[request.key] = _Call(request, asyncio.get_running_loop().create_future())
            helper.lines.say([request.key, request.to_json()])
        call = self._out[request.key]
        call.waiting += 1
        try:
            return await self._await(call)
        except asyncio.CancelledError:
            if call.outcome is not None:  # it landed in this very moment
                self._book(call)
            raise
        finally:
            call.waiting -= 1

    async def _await(self, call: _Call) -> Reply:
        limit_s = self._timeout_s + SLACK_S
        if self._helper is not None and not self._helper.is_ready:
            limit_s += START_S
        done, _ = await asyncio.wait([call.coming], timeout=limit_s)
        if not done:
            if self._helper is not None:
                self._helper.process.kill()  # it keeps to the time limit by itself, unless it hangs
            await asyncio.wait([call.coming])
        if isinstance(call.outcome, Reply):
            return call.outcome
        raise call.outcome or AssertionError("unreachable")

    async def _helped(self) -> _Helper:
        async with self._starting:
            if self._helper is None:
                helper = _Helper(self._provider.api_key_env)
                await helper.connect(self._heard, partial(self._ended, helper))
                helper.lines.say(self._told)
                self._helper = helper
                if self._is_over:
                    helper.lines.close()
            return self._helper

    def _heard(self, values: list[Any]) -> None:
        for key, what, content in values:
            if key in self._out:
                self._settle(key, _outcome(what, content))
            elif what == "error":
                self._fail(error_from(content))
            elif self._helper is not None:
                self._helper.is_ready = True

    def _ended(self, helper: _Helper) -> None:
        """Take note that the process is gone: what it had out may have been billed."""
        self._helper = None
        if self._out:
            self._fail(CallError("the model was closed.", "lost") if self._is_over else helper.obituary())
        helper.forget()

    def _fail(self, error: AugtuneError) -> None:
        for key in list(self._out):
            self._settle(key, error)

    def _settle(self, key: str, outcome: Outcome) -> None:
        call = self._out.pop(key)
        call.outcome = outcome
        call.coming.set_result(None)
        if not call.waiting:
            self._book(call)

    def _book(self, call: _Call) -> None:
        if self.books is not None:
            self.books.book(call.request, call.outcome)

    def close(self) -> None:
        """Let the process end, at once or as soon as what is out is kept; from any thread."""
        self._is_over = True
        helper, is_idle = self._helper, not self._out
        if helper is not None:
            loop.call_soon(helper.lines.close)
            if is_idle and not loop.is_here():
                helper.reaper.join(END_S)


@dataclass(slots=True)
class _Call:
    """A call that has been handed over, what came of it, and how many wait for that."""

    request: Request
    coming: asyncio.Future[None]
    outcome: Outcome | None = None
    waiting: int = 0


def _outcome(what: str, content: Any) -> Outcome:
    if what == "reply":
        return Reply.from_json(content)
    return TakenError() if what == "taken" else error_from(content)


class _Helper:
    """The process, the line to it, and the thread that takes note of its end.

    Args:
        api_key_env: Environment variable of the key it needs, which it gets from this process's environment or .env.

    Raises:
        InputError: If there is no key, or no process can be started.
    """

    def __init__(self, api_key_env: str | None) -> None:
        path = [entry for entry in sys.path if entry]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
        if api_key_env is not None:
            environment[api_key_env] = read_key(api_key_env)
        self.is_ready = False
        self.lines: Lines
        self._here, there = socket.socketpair()
        self._said: IO[bytes] = tempfile.TemporaryFile()
        try:
            self.process = subprocess.Popen(  # nosec B603
                [sys.executable, "-P", "-m", "augtune.llm.sender", str(there.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                env=environment,
                pass_fds=(there.fileno(),),
                start_new_session=True,
            )
        except OSError as error:
            self._here.close()
            self._said.close()
            raise InputError(
                f"the process that makes the calls cannot be started: {error.strerror or error}.",
                hint="llm.own_process: false makes them in this one; then those out at a kill are lost.",
            ) from error
        finally:
            there.close()
        self.reaper = threading.Thread(target=self.process.wait, name="augtune-sender", daemon=True)
        self.reaper.start()

    async def connect(self, heard: Callable[[list[Any]], None], ended: Callable[[], None]) -> None:
        """Begin to listen."""
        self.lines = Lines(heard, ended)
        await asyncio.get_running_loop().create_connection(lambda: self.lines, sock=self._here)

    def obituary(self) -> AugtuneError:
        """Return what to tell those whose calls it had out."""
        self.reaper.join(END_S)
        self._said.seek(0)
        last = self._said.read().decode(errors="replace").strip().rpartition("\n")[2]
        why = f": {last}" if last else f" (status {self.process.returncode})"
        if self.is_ready:
            return CallError(f"the process that makes the calls ended{why}.", "lost")
        return InputError(
            f"the process that makes the calls ended at its start{why}.",
            hint="llm.own_process: false makes them in this one; then those out at a kill are lost.",
        )

    def forget(self) -> None:
        """Close what it wrote before it ended."""
        self._said.close()
