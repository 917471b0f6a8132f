"""Several processes with one cache, and bad weather in small: what benchmarks/weather.py measures at full size."""

from __future__ import annotations

import importlib
import sqlite3
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

from augtune.core.errors import StorageError
from augtune.llm import store
from augtune.llm.store import Store

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def weather(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark as a module, found by the processes it starts too."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("weather")


def test_processes_that_share_a_cache_lose_no_reply_and_double_none(weather: ModuleType, tmp_path: Path):
    assert weather.shared(150, 4, tmp_path) == []


def test_every_row_in_bad_weather_is_kept_or_on_record_and_paid_once(weather: ModuleType, tmp_path: Path):
    assert weather.storm(180, tmp_path) == []


def test_cache_that_another_process_keeps_to_itself_is_named_with_what_to_do(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(store, "PATIENCE_S", 0.2)
    path = tmp_path / "cache.sqlite"
    with closing(Store(path)) as ours, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError) as raised, ours.transaction():
            pass
        with pytest.raises(StorageError) as opening:
            Store(path)
        assert (
            str(raised.value)
            == str(opening.value)
            == (
                f"{path}: another process has kept it to itself for 0 s.\n"
                "  See whether a run with this cache is stopped (Ctrl-Z) or hangs, and end it. Then run again: every reply "
                "that came is kept."
            )
        )
        other.execute("ROLLBACK")
        with ours.transaction():
            assert ours.payments() == []
