"""Replies and payments in one SQLite file: JSON values, safe between processes, kept when one is killed."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from augtune.core.errors import InputError, StorageError
from augtune.core.fingerprint import canonical
from augtune.core.json_text import decoded
from augtune.llm.messages import Reply, Request
from augtune.llm.payments import Payment
from augtune.llm.providers.replay import Recorded

__all__ = ["Store"]

# Writing takes milliseconds, also where many processes share the file: who has it longer is stopped or hangs.
PATIENCE_S = 30.0
APPLICATION = 0x61756774  # "augt"
VERSION = 1
SCHEMA = f"""
CREATE TABLE replies (key TEXT PRIMARY KEY, request TEXT NOT NULL, reply TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE payments (number INTEGER PRIMARY KEY, key TEXT NOT NULL, usd TEXT, tokens_in INTEGER NOT NULL,
                       tokens_out INTEGER NOT NULL, at REAL NOT NULL);
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
"""
LATER = (  # tables that came after version 1's first files
    "CREATE TABLE IF NOT EXISTS jobs (name TEXT PRIMARY KEY, id TEXT, is_done INTEGER NOT NULL, at REAL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS job_calls (key TEXT PRIMARY KEY, job TEXT NOT NULL, request TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY, sender INTEGER NOT NULL, is_left INTEGER NOT NULL,"
    " usd TEXT, tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL)",
)
COLUMNS = {
    "replies": ["key", "request", "reply", "at"],
    "payments": ["number", "key", "usd", "tokens_in", "tokens_out", "at"],
    "jobs": ["name", "id", "is_done", "at"],
    "job_calls": ["key", "job", "request"],
    "claims": ["key", "sender", "is_left", "usd", "tokens_in", "tokens_out"],
}


class Store:
    """Every reply by its request's key, and every payment.

    Args:
        path: The file, made if it is not there; None keeps everything in memory.

    Raises:
        StorageError: If the file cannot be used or belongs to another program.
    """

    def __init__(self, path: Path | None) -> None:
        self.name = "the cache in memory" if path is None else str(path)
        self._lock = threading.RLock()
        with self._guard():
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(
                path or ":memory:", timeout=PATIENCE_S, isolation_level=None, check_same_thread=False
            )
        try:
            with self._guard():
                self._prepare()
        except StorageError:
            self._file.close()
            raise

    def _prepare(self) -> None:
        self._file.execute(f"PRAGMA busy_timeout = {round(PATIENCE_S * 1000)}")
        _patiently(self._file, "PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA trusted_schema = OFF")
        self._file.execute("PRAGMA synchronous = NORMAL")  # survives kill -9; a power cut may cost the last replies
        _patiently(self._file, "BEGIN IMMEDIATE")
        try:
            owner = self._file.execute("PRAGMA application_id").fetchone()[0]
            version = self._file.execute("PRAGMA user_version").fetchone()[0]
            tables = self._file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if owner == 0 and tables == 0:
                for statement in SCHEMA.split(";"):
                    self._file.execute(statement)
            elif (owner, version) != (APPLICATION, VERSION):
                raise StorageError(
                    f"{self.name}: not a cache of this version of augtune.", hint="Name another file in llm.cache."
                )
            for statement in LATER:
                self._file.execute(statement)
            self._check()
            self._file.execute("COMMIT")
        finally:
            self._undo()

    def _check(self) -> None:
        """Refuse a file that does more than keep rows: triggers, views, or tables of ours with other columns.

        Raises:
            StorageError: If there is.
        """
        for kind, name in self._file.execute("SELECT type, name FROM sqlite_master").fetchall():
            columns = [row[1] for row in self._file.execute("SELECT * FROM pragma_table_info(?)", (name,)).fetchall()]
            if kind not in ("table", "index") or columns != COLUMNS.get(name, columns):
                raise StorageError(
                    f"{self.name}: holds a {kind} {name!r} that is not of a cache augtune wrote.",
                    hint="It was made by something else; name another file in llm.cache.",
                )

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        """Say what of the file it was that cannot be read.

        Raises:
            StorageError: If the block fails to read it.
        """
        try:
            yield
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, InputError) as error:
            raise StorageError(
                f"{self.name}: what is kept under {str(key)[:12]!r} is no record that augtune wrote "
                f"({type(error).__name__}: {str(error)[:200]}).",
                hint="The file is damaged or was changed by something else; restore a copy, or remove it by hand.",
            ) from error

    def get(self, key: str) -> Reply | None:
        """Return the reply kept under a key, or None."""
        with self._guard():
            row = self._file.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        with self._reading(key):
            return Reply.from_json(decoded(row[0]))

    def put(self, request: Request, reply: Reply) -> Reply:
        """Keep a reply and return the one that is kept: the first, where two processes asked the same thing."""
        row = (request.key, canonical(request.to_json()), canonical(reply.to_json()), time.time())
        with self._guard():
            added = self._file.execute("INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?)", row).rowcount
        return reply if added else self.get(request.key) or reply

    def recorded(self, keys: Iterable[str]) -> Iterator[Recorded]:
        """Yield requests and replies by key, in the order given."""
        for key in keys:
            with self._guard():
                row = self._file.execute("SELECT request, reply FROM replies WHERE key = ?", (key,)).fetchone()
            if row is not None:
                with self._reading(key):
                    found = Recorded(Request.from_json(decoded(row[0])), Reply.from_json(decoded(row[1])))
                yield found

    def pay(self, payment: Payment) -> None:
        """Keep a payment."""
        usd = None if payment.usd is None else str(payment.usd)
        row = (payment.key, usd, payment.tokens_in, payment.tokens_out, time.time())
        with self._guard():
            self._file.execute("INSERT INTO payments VALUES (NULL, ?, ?, ?, ?, ?)", row)

    def payments(self) -> list[Payment]:
        """Return every payment made so far, by any process."""
        with self._guard():
            rows = self._file.execute("SELECT key, usd, tokens_in, tokens_out FROM payments ORDER BY number").fetchall()
        return [self._payment(*row) for row in rows]

    def unpriced_of_others(self, provider: str, model: str) -> set[str]:
        """Return the keys of calls to other models of which it is not on record what they cost in dollars."""
        select = (
            "SELECT payments.key FROM payments JOIN replies ON replies.key = payments.key WHERE usd IS NULL AND "
            "(json_extract(request, '$.provider') IS NOT ? OR json_extract(request, '$.model') IS NOT ?)"
        )
        return {row[0] for row in self.execute(select, (provider, model))}

    def _payment(self, key: str, usd: str | None, ins: int, outs: int) -> Payment:
        with self._reading(key):
            paid = None if usd is None else Decimal(usd)
            if (paid is not None and not (paid.is_finite() and paid >= 0)) or ins < 0 or outs < 0:
                raise ValueError("a payment that is none")
            return Payment(key, paid, ins, outs)

    def payments_after(self, number: int, key: str) -> list[Payment]:
        """Return what a call cost, of the payments made after the one with a number."""
        select = "SELECT usd, tokens_in, tokens_out FROM payments WHERE number > ? AND key = ? ORDER BY number"
        rows = self.execute(select, (number, key))
        return [self._payment(key, *row) for row in rows]

    @property
    def last_payment(self) -> int:
        """The number of the latest payment; 0 if there is none."""
        return int(self.execute("SELECT coalesce(max(number), 0) FROM payments")[0][0])

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Run one statement on further tables of the file and return its rows."""
        with self._guard():
            return self._file.execute(statement, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all that is done within, or none of it if the process is killed; one within another is part of it."""
        with self._lock:
            if self._file.in_transaction:
                yield
                return
            self.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.execute("COMMIT")
            finally:
                self._undo()

    def _undo(self) -> None:
        """Undo what is not committed, unless SQLite has undone it by itself, as it does where the disk is full."""
        if self._file.in_transaction:
            self._file.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def _held(self) -> StorageError:
        return StorageError(
            f"{self.name}: another process has kept it to itself for {PATIENCE_S:.0f} s.",
            hint="See whether a run with this cache is stopped (Ctrl-Z) or hangs, and end it. Then run again: every "
            "reply that came is kept.",
        )

    @contextmanager
    def _guard(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                    raise self._held() from error
                raise StorageError(
                    f"{self.name}: cannot be used as a cache: {error}.",
                    hint="Free some space if the disk is full; a damaged file has to be removed by hand.",
                ) from error
            except OSError as error:
                raise StorageError(f"{self.name}: cannot be written: {error.strerror or error}.") from error


def _patiently(file: sqlite3.Connection, statement: str) -> None:
    """Run a statement that SQLite refuses at once, timeout or not, while another process starts to use the file."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            file.execute(statement)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return
