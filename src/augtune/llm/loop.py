"""The one event loop of the engine, in a thread of its own, so that it works in scripts and notebooks alike."""

from __future__ import annotations

import asyncio
import atexit
import os
import queue
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = ["Mail", "call_soon", "is_here", "submit"]

T = TypeVar("T")


class Mail(Generic[T]):
    """Items that the loop posts and another thread reads, woken once for all that arrive together."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[list[T] | None] = queue.SimpleQueue()
        self._bag: list[T] = []

    def post(self, item: T) -> None:
        """Post an item; to be called on the loop."""
        if not self._bag:
            asyncio.get_running_loop().call_soon(self._flush)
        self._bag.append(item)

    def end(self) -> None:
        """Say that nothing more comes; to be called on the loop."""
        self._flush()
        self._queue.put(None)

    def _flush(self) -> None:
        if self._bag:
            bag, self._bag = self._bag, []
            self._queue.put(bag)

    def __iter__(self) -> Iterator[T]:
        while (bag := self._queue.get()) is not None:
            yield from bag


@dataclass(frozen=True, slots=True)
class Worker:
    """A thread that runs an event loop, and the process it belongs to; a forked child starts its own."""

    loop: asyncio.AbstractEventLoop
    thread: threading.Thread
    process: int


_lock = threading.Lock()
_worker: Worker | None = None


def _running() -> asyncio.AbstractEventLoop:
    global _worker
    with _lock:
        if _worker is None or _worker.process != os.getpid():
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=loop.run_forever, name="augtune-llm", daemon=True)
            thread.start()
            _worker = Worker(loop, thread, os.getpid())
        return _worker.loop


def submit(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Start a coroutine on the engine's loop and return its future; safe from any thread."""
    return asyncio.run_coroutine_threadsafe(work, _running())


def call_soon(function: Any, *args: Any) -> None:
    """Run a plain function on the engine's loop, soon; safe from any thread."""
    _running().call_soon_threadsafe(function, *args)


def is_here() -> bool:
    """Return whether the code that asks runs on the engine's loop."""
    return _worker is not None and threading.current_thread() is _worker.thread


def _close() -> None:
    if _worker is None or _worker.process != os.getpid():
        return
    _worker.loop.call_soon_threadsafe(_worker.loop.stop)
    _worker.thread.join(timeout=2)
    if not _worker.thread.is_alive():
        _worker.loop.close()


atexit.register(_close)
