"""The batches that are under way, in the store: a run that is killed picks them up again."""

from __future__ import annotations

import fcntl
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from augtune.core.errors import StorageError
from augtune.core.fingerprint import canonical
from augtune.core.json_text import decoded
from augtune.llm.messages import Reply, Request
from augtune.llm.store import Store

__all__ = ["Job", "Jobs"]


@dataclass(frozen=True, slots=True)
class Job:
    """One batch.

    Args:
        name: Our name for it, on record before anything is sent.
        id: The provider's; None while it is not known to have been started.
        requests: Its calls, by key.
    """

    name: str
    id: str | None
    requests: dict[str, Request]


class Jobs:
    """The batches of one cache. One process at a time may have them.

    Args:
        store: Where they are kept.
        path: The cache's file.

    Raises:
        StorageError: If another process has them.
    """

    def __init__(self, store: Store, path: Path) -> None:
        self._store = store
        self._lock: IO[str] = path.with_name(f"{path.name}.batch").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise StorageError(
                f"{path}: another process has batches under way with this cache.",
                hint="Wait for it, or name another file in llm.cache.",
            ) from None

    def add(self, requests: Sequence[Request]) -> Job:
        """Put a batch on record that is about to be sent."""
        job = Job(uuid.uuid4().hex, None, {request.key: request for request in requests})
        with self._store.transaction():
            self._store.execute("INSERT INTO jobs VALUES (?, NULL, 0, ?)", (job.name, time.time()))
            for key, request in job.requests.items():
                row = (key, job.name, canonical(request.to_json()))
                self._store.execute("INSERT OR REPLACE INTO job_calls VALUES (?, ?, ?)", row)
        return job

    def started(self, job: Job, id: str) -> Job:
        """Put on record what the provider calls a batch."""
        self._store.execute("UPDATE jobs SET id = ? WHERE name = ?", (id, job.name))
        return replace(job, id=id)

    def keep(self, job: Job, replies: Iterable[tuple[str, Reply]]) -> None:
        """Keep the replies of a batch that is over; its calls stay on record until they are known to be paid."""
        with self._store.transaction():
            kept = set()
            for key, reply in replies:
                self._store.put(job.requests[key], reply)
                kept.add(key)
            for key in job.requests.keys() - kept:
                self._store.execute("DELETE FROM job_calls WHERE key = ? AND job = ?", (key, job.name))
            self._store.execute("UPDATE jobs SET is_done = 1 WHERE name = ?", (job.name,))

    def again(self, job: Job) -> Job:
        """Return a batch as it is on record now."""
        rows = self._store.execute("SELECT id FROM jobs WHERE name = ?", (job.name,))
        return replace(job, id=rows[0][0]) if rows else job

    def is_started(self, job: Job) -> bool:
        """Return whether the provider has a batch, as far as is known."""
        return self.again(job).id is not None

    def forget(self, job: Job) -> None:
        """Take a batch off the record: nothing came of it, or all of it is kept and paid."""
        with self._store.transaction():
            self._store.execute("DELETE FROM job_calls WHERE job = ?", (job.name,))
            self._store.execute("DELETE FROM jobs WHERE name = ?", (job.name,))

    def under_way(self) -> list[Job]:
        """Return the batches whose replies are not here yet."""
        return self._read(is_done=False)

    def unpaid(self) -> list[tuple[Request, Reply]]:
        """Return the calls whose replies are kept and whose payment is not, and forget the batches that are over.

        A run killed at the very moment it kept a batch's replies leaves such calls.
        """
        left: list[tuple[Request, Reply]] = []
        for job in self._read(is_done=True):
            before = len(left)
            for key, request in job.requests.items():
                reply = self._store.get(key)
                is_paid = self._store.execute("SELECT 1 FROM payments WHERE key = ? LIMIT 1", (key,))
                if reply is not None and not is_paid:
                    left.append((request, reply))
            if len(left) == before:
                self.forget(job)
        return left

    def has(self, key: str) -> bool:
        """Return whether a call is on record as sent."""
        return bool(self._store.execute("SELECT 1 FROM job_calls WHERE key = ?", (key,)))

    def _read(self, *, is_done: bool) -> list[Job]:
        jobs = []
        for name, id in self._store.execute("SELECT name, id FROM jobs WHERE is_done = ? ORDER BY at", (int(is_done),)):
            rows = self._store.execute("SELECT key, request FROM job_calls WHERE job = ? ORDER BY key", (name,))
            jobs.append(Job(name, id, {key: Request.from_json(decoded(text)) for key, text in rows}))
        return jobs

    def close(self) -> None:
        """Let another process have them."""
        self._lock.close()
