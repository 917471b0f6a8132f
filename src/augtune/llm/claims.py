"""The calls that are out, on record in the cache before they leave, so that no other process makes them too.

Who makes calls holds a lock on one byte of a file beside the cache for as long as it lives. The system lets go of the
lock when the process ends, however it ends: a record left by one that is gone is known at once, and its number, drawn
at random, is no one else's.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO

from augtune.core.errors import StorageError
from augtune.llm.payments import Payment
from augtune.llm.store import Store

try:
    import fcntl

    CAN_LOCK = True
except ImportError:  # Windows
    CAN_LOCK = False

__all__ = ["CAN_LOCK", "Claim", "Claims"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One call that another process has out.

    Args:
        most: The most it can cost.
        is_left: Whether the run that asked for it is gone.
    """

    most: Payment
    is_left: bool


class Claims:
    """Which calls are out, and who makes them.

    Args:
        store: The cache.
        path: Its file.
    """

    def __init__(self, store: Store, path: Path) -> None:
        self._store = store
        self._path = path.with_name(f"{path.name}.senders")
        self._file: IO[bytes] | None = None
        self._own: int | None = None

    def enlist(self) -> None:
        """Become one who makes calls, until this process ends."""
        number = secrets.randbits(48)
        fcntl.lockf(self._locks(), fcntl.LOCK_EX, 1, number)
        self._own = number

    def take(self, calls: Sequence[Payment]) -> set[str]:
        """Put calls on record that are about to be made; return the keys of those that must not be.

        Those have a reply by now, or another process has them out.

        Args:
            calls: The most each can cost.
        """
        refused = set()
        with self._store.transaction():
            for call in calls:
                if self._is_known(call.key):
                    refused.add(call.key)
                    continue
                usd = None if call.usd is None else str(call.usd)
                row = (call.key, self._own, 0, usd, call.tokens_in, call.tokens_out)
                self._store.execute("INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?)", row)
        return refused

    def _is_known(self, key: str) -> bool:
        if self._store.execute("SELECT 1 FROM replies WHERE key = ?", (key,)):
            return True
        holders = self._store.execute("SELECT sender FROM claims WHERE key = ?", (key,))
        if holders and not self._lives(holders[0][0]):
            self._bury(holders[0][0])
            return False
        return bool(holders)

    def drop(self, key: str) -> None:
        """Take a call off the record: it has come to something."""
        self._store.execute("DELETE FROM claims WHERE key = ?", (key,))

    def leave(self) -> None:
        """Put on record that no one waits here any more for the calls this process still has out."""
        self._store.execute("UPDATE claims SET is_left = 1 WHERE sender = ?", (self._own,))

    def others(self) -> Mapping[str, Claim]:
        """Return the calls that other living processes have out, by key.

        Those of processes that are gone are booked at their most, since they may have been billed, and forgotten.
        """
        found: dict[str, Claim] = {}
        dead = set()
        alive: dict[int, bool] = {}
        rows = self._store.execute("SELECT key, sender, is_left, usd, tokens_in, tokens_out FROM claims")
        for key, sender, is_left, usd, tokens_in, tokens_out in rows:
            if sender not in alive:
                alive[sender] = self._lives(sender)
            if not alive[sender]:
                dead.add(sender)
            elif sender != self._own:
                most = Payment(key, None if usd is None else Decimal(usd), tokens_in, tokens_out)
                found[key] = Claim(most, bool(is_left))
        if dead:
            self._bury_all(dead)
        return found

    def _bury_all(self, senders: Iterable[int]) -> None:
        with self._store.transaction():
            for sender in senders:
                self._bury(sender)

    def _bury(self, sender: int) -> None:
        """Book and forget the calls of a process that is gone; to be called within a transaction."""
        select = "SELECT key, usd, tokens_in, tokens_out FROM claims WHERE sender = ?"
        for key, usd, tokens_in, tokens_out in self._store.execute(select, (sender,)):
            self._store.pay(Payment(key, None if usd is None else Decimal(usd), tokens_in, tokens_out))
        self._store.execute("DELETE FROM claims WHERE sender = ?", (sender,))

    def _lives(self, sender: int) -> bool:
        if sender == self._own:
            return True
        if not CAN_LOCK:
            return False
        locks = self._locks()
        try:
            fcntl.lockf(locks, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, sender)
        except OSError:
            return True
        fcntl.lockf(locks, fcntl.LOCK_UN, 1, sender)
        return False

    def _locks(self) -> IO[bytes]:
        """Return the file of locks, opened once: closing any copy of it would let go of all this process holds."""
        if self._file is None:
            try:
                self._file = self._path.open("a+b")
            except OSError as error:
                raise StorageError(f"{self._path}: cannot be written: {error.strerror or error}.") from error
        return self._file

    def close(self) -> None:
        """Close the file of locks."""
        if self._file is not None:
            self._file.close()
