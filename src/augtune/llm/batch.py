"""Calls made in batches: slower, at half the price with most providers, and picked up again by the next run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, Protocol, TypeVar

from pydantic import Field

from augtune.core.errors import ProviderError
from augtune.core.settings import Settings
from augtune.llm.clock import Clock
from augtune.llm.failures import CallError
from augtune.llm.jobs import Job, Jobs
from augtune.llm.messages import Reply, Request
from augtune.llm.providers.batch_files import BatchFiles, BatchState, GoneError, endpoint_of, line_of, read_lines

__all__ = ["MOST_CALLS", "Batch", "BatchSettings"]

T = TypeVar("T")

_log = logging.getLogger("augtune.llm")

MOST_CALLS = 50_000
MOST_BYTES = 190 * 1024 * 1024  # providers take files of 200 MB
GATHER_S = 0.2
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0


class BatchSettings(Settings):
    """How calls are made in batches."""

    poll_s: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    """Seconds between two looks at a batch."""

    window: Literal["24h"] = "24h"
    """Time the provider may take; at OpenAI 24h is the only one there is."""

    calls: int = Field(default=MOST_CALLS, ge=1, le=MOST_CALLS)
    """Most calls in one batch."""


class Books(Protocol):
    """Keeps account of calls that this run did not send; the meter does."""

    def book(self, request: Request, outcome: Reply | Exception | None) -> None:
        """Take note of what came of a call of an earlier run: a reply, a failure, or nothing that costs."""

    def stall(self, error: Exception) -> None:
        """Take note that calls of an earlier run will bring nothing in this one, and why."""


class Batch:
    """Gather calls until no more come, send them as a batch, and answer each when the batch is over.

    A batch is on record in the store before it is sent, and bears its name there, so that a run killed at any moment
    finds it again. Its replies are kept in one transaction, asked for by now or not.

    Args:
        files: The provider's calls.
        jobs: What is under way.
        settings: How often to look, how large batches are.
        give_up_after_s: Most seconds to wait for a provider that does not answer.
        clock: Time.
    """

    takes_its_time = True
    books: Books
    """Told what batches of earlier runs brought that no one here asked for."""

    def __init__(
        self,
        files: BatchFiles,
        jobs: Jobs,
        settings: BatchSettings,
        *,
        give_up_after_s: float = 600.0,
        clock: Clock | None = None,
    ) -> None:
        self._files = files
        self._jobs = jobs
        self._settings = settings
        self._give_up_after_s = give_up_after_s
        self._clock = clock or Clock()
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._new: dict[str, Request] = {}
        self._sent: set[str] = set()
        self._stalled: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._gathering: asyncio.Task[None] | None = None
        self._is_over = False

    async def send(self, request: Request) -> Reply:
        """Return the reply, once the batch it is in is over."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[request.key] = future
        if (job := self._stalled.get(request.key)) is not None:
            self._resume(job)
        elif request.key not in self._sent:
            self._new[request.key] = request
            if self._gathering is None or self._gathering.done():
                self._gathering = self._start(self._gather())
        try:
            return await future
        finally:
            self._new.pop(request.key, None)
            if self._waiting.get(request.key) is future:
                del self._waiting[request.key]

    async def resume(self) -> None:
        """Follow the batches of earlier runs."""
        for job in self._jobs.under_way():
            self._resume(job)

    def _resume(self, job: Job) -> None:
        for key in job.requests:
            self._stalled.pop(key, None)
        self._sent.update(job.requests)
        self._start(self._follow(job, is_earlier=True))

    def _start(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _gather(self) -> None:
        while self._new:
            count = 0
            while count != len(self._new):
                count = len(self._new)
                await self._clock.sleep(GATHER_S)
            requests, self._new = list(self._new.values()), {}
            for part in _parts(requests, self._settings.calls):
                job = self._jobs.add(part)
                self._sent.update(job.requests)
                self._start(self._follow(job))

    async def _follow(self, job: Job, *, is_earlier: bool = False) -> None:
        """See a batch through to its end, and answer its calls."""
        try:
            state = await self._begun(job, is_earlier=is_earlier)
            if state is None:
                self._send_anew(job)
                return
            while not state.is_over:
                await self._clock.sleep(self._settings.poll_s)
                state = await self._patiently(partial(self._files.look, state.id))
            outcomes = await self._harvest(job, state)
        except Exception as error:
            if self._is_over:
                return
            if not (is_earlier and isinstance(error, GoneError) and self._is_of_this_address(job)):
                self._stop_following(job, error)
                return
            outcomes = self._given_up(job, error)
        self._sent.difference_update(job.requests)
        failed = [key for key in job.requests if not isinstance(outcomes[key], Reply)]
        for key in job.requests.keys() - failed:
            self._answer(job.requests[key], outcomes[key])
        await asyncio.sleep(0)  # a failure may end the run; the replies are booked by then
        for key in failed:
            self._answer(job.requests[key], outcomes[key])

    async def _begun(self, job: Job, *, is_earlier: bool) -> BatchState | None:
        """Start a batch, unless it was started before; None if an earlier run put it on record and got no further."""
        if job.id is not None:
            return await self._patiently(partial(self._files.look, job.id))
        if is_earlier:
            state = await self._patiently(partial(self._files.find, job.name))
        else:
            state = await self._patiently(_Beginning(self._files, job, self._settings.window))
        if state is None:
            self._jobs.forget(job)
        else:
            self._jobs.started(job, state.id)
        return state

    def _send_anew(self, job: Job) -> None:
        """Send what of a batch that never was is still asked for."""
        self._sent.difference_update(job.requests)
        for key, request in job.requests.items():
            if key in self._waiting:
                self._new[key] = request
            else:
                self.books.book(request, None)
        if self._new and (self._gathering is None or self._gathering.done()):
            self._gathering = self._start(self._gather())

    def _is_of_this_address(self, job: Job) -> bool:
        return all(request.base_url == self._files.base_url for request in job.requests.values())

    def _given_up(self, job: Job, error: CallError) -> dict[str, Reply | Exception]:
        """Forget a batch that the provider has no more; what it did may be billed, and is bought again where asked for.

        Only a batch of an earlier run is given up: where batches cannot be looked at, no run then buys a call twice.
        """
        self._jobs.forget(job)
        calls = "its 1 call is" if len(job.requests) == 1 else f"its {len(job.requests)} calls are"
        _log.warning(
            "a batch of an earlier run is gone (%s): %s booked at the most that may be billed, and sent again where "
            "still asked for",
            error.message.rstrip("."),
            calls,
        )
        return dict.fromkeys(job.requests, CallError(error.message, "lost"))

    def _stop_following(self, job: Job, error: Exception) -> None:
        """Fail a batch's calls; unless it was refused it goes on at the provider, and stays on record and paid for."""
        passes = isinstance(error, ProviderError) and error.retryable
        if not passes and not self._jobs.is_started(job):
            self._jobs.forget(job)
            self._sent.difference_update(job.requests)
            for request in job.requests.values():
                self._answer(request, error)
            return
        why = _picked_up_later(error)
        self._stalled.update(dict.fromkeys(job.requests, self._jobs.again(job)))
        self.books.stall(why)
        for key in job.requests.keys() & self._waiting.keys():
            self._answer(job.requests[key], why)

    async def _harvest(self, job: Job, state: BatchState) -> dict[str, Reply | Exception]:
        found: dict[str, Reply | Exception] = {}
        for file in state.files:
            text = await self._patiently(partial(self._files.download, file))
            found.update(read_lines(text, job.requests))
        missing = _unmade(state)
        outcomes = {key: found.get(key, missing) for key in job.requests}
        self._jobs.keep(job, [(key, one) for key, one in outcomes.items() if isinstance(one, Reply)])
        return outcomes

    def _answer(self, request: Request, outcome: Reply | Exception) -> None:
        future = self._waiting.get(request.key)
        if future is None or future.done():
            self.books.book(request, outcome)
        elif isinstance(outcome, Reply):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do a call of the provider again while that may help: a batch outlasts a lost connection."""
        waited_s, wait_s = 0.0, FIRST_WAIT_S
        while True:
            try:
                return await work()
            except ProviderError as error:
                wait_s = max(wait_s, error.retry_after_s or 0.0)
                if not error.retryable or waited_s + wait_s > self._give_up_after_s:
                    raise
            await self._clock.sleep(wait_s)
            waited_s, wait_s = waited_s + wait_s, min(2 * wait_s, LONGEST_WAIT_S)

    def let_go(self) -> None:
        """Use the record no more, from any thread; the batches go on at the provider and stay on it."""
        self._is_over = True
        self._jobs.close()

    async def aclose(self) -> None:
        """Stop looking and close the connections."""
        for task in list(self._tasks):
            task.cancel()
        await self._files.aclose()


class _Beginning:
    """Upload and start a batch; asked again after a reply was lost, it looks whether the batch was started."""

    def __init__(self, files: BatchFiles, job: Job, window: str) -> None:
        self._files = files
        self._job = job
        self._window = window
        self._may_be_there = False

    async def __call__(self) -> BatchState:
        if self._may_be_there and (found := await self._files.find(self._job.name)) is not None:
            return found
        requests = list(self._job.requests.values())
        file = await self._files.upload(requests)
        self._may_be_there = True
        return await self._files.start(file, endpoint_of(requests[0]), name=self._job.name, window=self._window)


def _parts(requests: Sequence[Request], most: int) -> Iterator[list[Request]]:
    """Yield the calls of each batch: of one endpoint and one model, and no more than a provider takes."""
    sorts: dict[tuple[str, str], list[Request]] = {}
    for request in requests:
        sorts.setdefault((endpoint_of(request), request.model), []).append(request)
    for members in sorts.values():
        part: list[Request] = []
        size = 0
        for request in members:
            more = len(line_of(request, "max_completion_tokens").encode())
            if part and (len(part) == most or size + more > MOST_BYTES):
                yield part
                part, size = [], 0
            part.append(request)
            size += more
        yield part


def _unmade(state: BatchState) -> CallError:
    """Return why a call of a batch that is over has no reply."""
    said = f": {state.problem.rstrip('.')}" if state.problem else ""
    if state.status == "failed":
        return CallError(f"batch {state.id}: the provider refused it{said}.", "setup", hint="Nothing was charged.")
    if state.status == "completed":
        return CallError(f"batch {state.id}: it is over and says nothing of this call.", "lost")
    return CallError(
        f"batch {state.id}: it has {state.status} before all calls were made{said}.",
        "setup",
        hint="What was made is kept, the rest is not charged. Run again to send the rest in a new batch.",
    )


def _picked_up_later(error: Exception) -> Exception:
    """Return an error that ends the run in place of one that a call would be sent again for."""
    if not isinstance(error, ProviderError):
        return error
    hint = "The batch goes on at the provider and is on record: run again to pick it up."
    return CallError(error.message, "setup", hint=hint)
