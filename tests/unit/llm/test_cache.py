from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from augtune.core.errors import StorageError
from augtune.llm.failures import CallError
from augtune.llm.layers.cache import Cache
from augtune.llm.messages import Reply, Request
from augtune.llm.payments import Payment
from augtune.llm.reserve import Reserve
from augtune.llm.store import Store

from .conftest import Obedient, ask


def test_a_reply_is_kept_over_restarts(tmp_path: Path):
    path = tmp_path / "deep" / "cache.sqlite"
    store = Store(path)
    store.put(ask(), Reply("Hëllo.", tokens_in=3))
    store.pay(Payment(ask().key, Decimal("0.1"), 3, 1))
    store.pay(Payment(ask().key, None, 3, 1))
    store.close()
    again = Store(path)
    assert again.get(ask().key) == Reply("Hëllo.", tokens_in=3)
    assert again.get(ask(draw=1).key) is None
    assert [payment.usd for payment in again.payments()] == [Decimal("0.1"), None]
    again.close()


def test_the_file_can_be_read_with_plain_sqlite(tmp_path: Path):
    store = Store(tmp_path / "c.sqlite")
    store.put(ask(), Reply("Hello."))
    store.close()
    with sqlite3.connect(tmp_path / "c.sqlite") as file:
        rows = file.execute(
            "SELECT json_extract(request, '$.model'), json_extract(reply, '$.text') FROM replies"
        ).fetchall()
    file.close()
    assert rows == [("m", "Hello.")]


def test_the_first_reply_to_a_request_stays():
    store = Store(None)
    assert store.put(ask(), Reply("First.")) == Reply("First.")
    assert store.put(ask(), Reply("Second.")) == Reply("First.")


class Unwilling:
    """A connection that does not commit while ``is_full``, and undoes what was not committed as SQLite does if wanted."""

    def __init__(self, file: sqlite3.Connection, *, undoes: bool) -> None:
        self.file, self.undoes, self.is_full = file, undoes, True

    def execute(self, statement: str, *values: Any) -> Any:
        if statement == "COMMIT" and self.is_full:
            if self.undoes:
                self.file.execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")
        return self.file.execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@pytest.mark.parametrize("undoes", [True, False])
def test_what_a_full_disk_did_not_take_is_undone_and_later_replies_are_kept(tmp_path: Path, undoes: bool):
    store = Store(tmp_path / "c.sqlite")
    store._file = full = Unwilling(store._file, undoes=undoes)  # type: ignore[assignment]
    with pytest.raises(StorageError, match="database or disk is full"), store.transaction():
        store.put(ask(), Reply("Lost."))
    full.is_full = False
    with store.transaction():
        store.put(ask(draw=1), Reply("Kept."))
    other = Store(tmp_path / "c.sqlite")
    assert (other.get(ask().key), other.get(ask(draw=1).key)) == (None, Reply("Kept."))
    other.close()
    store.close()


def test_the_error_of_a_file_that_may_not_grow_is_the_one_that_is_told(tmp_path: Path):
    store = Store(tmp_path / "c.sqlite")
    pages = store.execute("PRAGMA page_count")[0][0]
    store.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(StorageError) as raised, store.transaction():
        store.put(ask(), Reply("x" * 50_000))
    assert raised.value.message == f"{tmp_path / 'c.sqlite'}: cannot be used as a cache: database or disk is full."
    store.execute(f"PRAGMA max_page_count = {pages + 100}")
    with store.transaction():
        store.put(ask(), Reply("Kept."))
    store.close()
    with sqlite3.connect(tmp_path / "c.sqlite") as file:
        assert file.execute("SELECT count(*) FROM replies").fetchall() == [(1,)]
    file.close()


def test_room_for_replies_is_taken_until_it_is_needed(tmp_path: Path):
    reserve = Reserve(tmp_path, 1 << 20)
    assert reserve._file is not None
    assert os.fstat(reserve._file.fileno()).st_blocks * 512 >= 1 << 20
    assert list(tmp_path.iterdir()) == []
    assert [reserve.release(), reserve.release()] == [True, False]


def test_no_room_for_replies_is_said_before_any_call(tmp_path: Path):
    with pytest.raises(StorageError) as raised:
        Reserve(tmp_path, 1 << 60)
    assert raised.value.message.startswith(f"{tmp_path}: no room of {1 << 40} MiB for replies: ")
    assert raised.value.message.endswith(". No call was made.")


FILL = """
import sys
from decimal import Decimal
from pathlib import Path
from augtune.llm.payments import Payment
from augtune.llm.messages import Reply, Request
from augtune.llm.store import Store
store = Store(Path(sys.argv[1]))
for draw in range(int(sys.argv[2]), int(sys.argv[2]) + 100):
    store.put(Request("p", None, "m", prompt="Hi.", draw=draw), Reply(f"{draw}"))
    store.pay(Payment("k", Decimal(1), 1, 1))
store.close()
"""


def test_processes_share_one_file(tmp_path: Path):
    path = tmp_path / "c.sqlite"
    processes = [subprocess.Popen([sys.executable, "-c", FILL, str(path), str(start)]) for start in (0, 50, 100)]
    assert [process.wait() for process in processes] == [0] * 3
    store = Store(path)
    keys = [Request("p", None, "m", prompt="Hi.", draw=draw).key for draw in range(200)]
    assert [store.get(key) for key in keys] == [Reply(f"{draw}") for draw in range(200)]
    assert len(store.payments()) == 300
    store.close()


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path):
    text, foreign = tmp_path / "notes.txt", tmp_path / "foreign.sqlite"
    text.write_text("Not a database. " * 100)
    with sqlite3.connect(foreign) as file:
        file.execute("CREATE TABLE things (name TEXT)")
    file.close()
    with pytest.raises(StorageError) as caught:
        Store(text)
    assert caught.value.message == f"{text}: cannot be used as a cache: file is not a database."
    with pytest.raises(StorageError) as caught:
        Store(foreign)
    assert str(caught.value) == (
        f"{foreign}: not a cache of this version of augtune.\n  Name another file in llm.cache."
    )
    assert text.read_text().startswith("Not a database.")


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError) as caught:
        Store(tmp_path / "file" / "c.sqlite")
    assert str(caught.value).startswith(f"{tmp_path / 'file' / 'c.sqlite'}: cannot be written: ")


def test_a_request_is_sent_once():
    inner = Obedient(lambda request: f"{request.draw}")
    cache = Cache(inner, Store(None))

    async def story() -> list[Reply]:
        await cache.send(ask(draw=0))
        return await asyncio.gather(*(cache.send(ask(draw=draw % 3)) for draw in range(12)))

    assert [reply.text for reply in asyncio.run(story())] == ["0", "1", "2"] * 4
    assert len(inner.asked) == 3
    assert (cache.hits, cache.answered) == (10, 13)


def test_a_failure_is_not_kept():
    outcomes: list[Any] = [CallError("Down.", "server"), "Hello."]
    cache = Cache(Obedient(lambda _: outcomes.pop(0)), Store(None))

    async def story() -> list[Any]:
        both = await asyncio.gather(cache.send(ask()), cache.send(ask()), return_exceptions=True)
        return [*both, await cache.send(ask())]

    first, second, third = asyncio.run(story())
    assert first is second
    assert first.message == "Down."
    assert third.text == "Hello."


def test_a_call_goes_on_for_others_when_the_one_who_sent_it_is_gone():
    inner = Obedient(lambda _: "Hello.")
    cache = Cache(inner, Store(None))

    async def story() -> Any:
        first = asyncio.create_task(cache.send(ask()))
        second = asyncio.create_task(cache.send(ask()))
        await asyncio.sleep(0)
        first.cancel()
        return await asyncio.gather(first, second, return_exceptions=True)

    first, second = asyncio.run(story())
    assert isinstance(first, asyncio.CancelledError)
    assert second.text == "Hello."


def test_one_who_waits_can_be_cancelled():
    cache = Cache(Obedient(lambda _: "Hello."), Store(None))

    async def story() -> Any:
        first = asyncio.create_task(cache.send(ask()))
        second = asyncio.create_task(cache.send(ask()))
        await asyncio.sleep(0)
        second.cancel()
        return await asyncio.gather(first, second, return_exceptions=True)

    first, second = asyncio.run(story())
    assert first.text == "Hello."
    assert isinstance(second, asyncio.CancelledError)
