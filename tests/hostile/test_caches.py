"""Cache files that somebody else made or that were damaged: refused with a message, never believed."""

from __future__ import annotations

import sqlite3

import pytest

from augtune.core.errors import StorageError
from augtune.llm.messages import Message, Reply, Request
from augtune.llm.store import Store

ASKED = Request("openai", None, "m", messages=(Message("user", "a"),))
OTHER = Request("openai", None, "m", messages=(Message("user", "b"),))


@pytest.fixture
def path(tmp_path):
    """A cache with one reply, closed, in one file."""
    place = tmp_path / "cache.sqlite"
    store = Store(place)
    store.put(ASKED, Reply("hello"))
    store.close()
    return place


def change(path, script):
    file = sqlite3.connect(path)
    file.executescript(script)
    file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file.close()


def use(path):
    """Do all that a run does with a cache."""
    store = Store(path)
    try:
        found = store.get(ASKED.key)
        list(store.recorded([ASKED.key]))
        store.payments()
        store.put(OTHER, Reply("x"))
        return found
    finally:
        store.close()


EVIL = '\'{"text": "evil"}\''
FORGED = {
    "trigger": f"CREATE TRIGGER t AFTER INSERT ON replies BEGIN UPDATE replies SET reply = {EVIL}; END;",
    "view": f"ALTER TABLE replies RENAME TO r; CREATE VIEW replies AS SELECT key, request, {EVIL} AS reply, at FROM r;",
    "other columns": "DROP TABLE replies; CREATE TABLE replies (key TEXT, other TEXT);",
    "other claims": "DROP TABLE claims; CREATE TABLE claims (x);",
}


@pytest.mark.parametrize("how", FORGED)
def test_cache_of_another_schema_is_refused(path, how):
    change(path, FORGED[how])
    with pytest.raises(StorageError, match=r"cache.sqlite: holds a (trigger|view|table) '\w+' that is not of a cache"):
        use(path)


def deep():
    return f"UPDATE replies SET reply = '{'[' * 100_000}'"


RECORDS = {
    "cut off": 'UPDATE replies SET reply = \'{"text": "he\'',
    "a list": "UPDATE replies SET reply = '[1]'",
    "no text": "UPDATE replies SET reply = '{\"text\": 5}'",
    "other fields": 'UPDATE replies SET reply = \'{"text": "a", "run": 1}\'',
    "other reason": 'UPDATE replies SET reply = \'{"text": "a", "finish_reason": "bought"}\'',
    "tokens given back": 'UPDATE replies SET reply = \'{"text": "a", "tokens_in": -5}\'',
    "half a character": 'UPDATE replies SET reply = \'{"text": "\\ud83d"}\'',
    "bytes": "UPDATE replies SET reply = x'ff00fe'",
    "deep": deep(),
    "no request": "UPDATE replies SET request = '{}'",
    "a payment of letters": "INSERT INTO payments VALUES (NULL, 'k', 'abc', 1, 1, 0)",
    "a payment of nothing": "INSERT INTO payments VALUES (NULL, 'k', 'NaN', 1, 1, 0)",
    "money given back": "INSERT INTO payments VALUES (NULL, 'k', '-100', 1, 1, 0)",
}


@pytest.mark.parametrize("how", RECORDS)
def test_record_that_augtune_did_not_write_is_refused(path, how):
    change(path, RECORDS[how])
    with pytest.raises(StorageError, match=r"cache.sqlite: what is kept under '\w+' is no record that augtune wrote"):
        use(path)


def flipped(content):
    return bytes(byte ^ 0xFF if i >= 100 and i % 7 == 0 else byte for i, byte in enumerate(content))


@pytest.mark.parametrize("damage", [flipped, lambda content: content[: len(content) // 2], lambda _: b"hello" * 999])
def test_damaged_cache_is_refused(path, damage):
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(StorageError, match="cannot be used as a cache"):
        use(path)


def test_what_is_refused_here_is_taken_without_the_damage(path):
    assert use(path) == Reply("hello")
    change(path, "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('mine')")
    assert use(path) == Reply("hello")
