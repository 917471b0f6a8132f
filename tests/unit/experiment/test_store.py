"""The run folder: claims, stages, stamps, interrupted and damaged writes."""

from __future__ import annotations

import fcntl
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from augtune.core.errors import StorageError
from augtune.core.files import read_jsonl, write_json
from augtune.experiment.store import RunFolder, is_light, link_tree


@pytest.fixture
def store(tmp_path):
    return RunFolder(tmp_path / "run", "mine")


def make(calls, text="hello"):
    def write(folder):
        calls.append(folder.name)
        (folder / "rows.jsonl").write_text(text)
        return {"rows": 1}

    return write


def test_stage_when_done_is_skipped_and_keeps_its_notes(store):
    calls, events = [], []
    store.listen = events.append
    with store.claimed():
        first = store.stage("curate", {"a": 1}, make(calls))
        again = store.stage("curate", {"a": 1}, make(calls))
    assert len(calls) == 1
    assert (first.folder, first.notes) == (again.folder, again.notes)
    assert [event["event"] for event in events] == ["stage-started", "stage-done", "stage-skipped"]
    assert [json.loads(line)["event"] for line in (store.path / "events.jsonl").read_text().splitlines()] == [
        "stage-started",
        "stage-done",
        "stage-skipped",
    ]


def test_stage_when_its_settings_change_is_done_beside_the_old_one(store):
    calls = []
    with store.claimed():
        old = store.stage("curate", {"a": 1}, make(calls))
        new = store.stage("curate", {"a": 2}, make(calls))
    assert len(calls) == 2
    assert old.folder != new.folder


@pytest.mark.parametrize("damage", ["no stamp", "cut stamp", "cut file", "same size", "missing file"])
def test_stage_when_damaged_is_done_again(store, damage):
    calls = []
    with store.claimed():
        stage = store.stage("curate", {"a": 1}, make(calls))
        rows, stamp = stage.folder / "rows.jsonl", stage.folder / "stamp.json"
        if damage == "no stamp":
            stamp.unlink()
        elif damage == "cut stamp":
            stamp.write_text(stamp.read_text()[:20])
        elif damage == "cut file":
            rows.write_text("hel")
        elif damage == "same size":
            rows.write_text("hellO")
        else:
            rows.unlink()
        again = store.stage("curate", {"a": 1}, make(calls))
    assert len(calls) == 2
    assert (again.folder / "rows.jsonl").read_text() == "hello"


def test_stage_when_it_fails_leaves_no_stamp_and_is_done_next_time(store):
    calls = []

    def fails(folder):
        (folder / "rows.jsonl").write_text("half")
        raise OSError(28, "No space left on device")

    with store.claimed():
        with pytest.raises(StorageError, match=r"cannot be written: No space left on device") as raised:
            store.stage("curate", {"a": 1}, fails)
        assert raised.value.exit_code == 2
        stage = store.stage("curate", {"a": 1}, make(calls))
    assert (stage.folder / "rows.jsonl").read_text() == "hello"


def test_claim_when_the_folder_is_another_experiments(store):
    with store.claimed():
        pass
    with pytest.raises(StorageError) as raised, RunFolder(store.path, "yours").claimed():
        pass
    assert raised.value.message == f"{store.path}: belongs to the experiment 'mine', not to 'yours'."


def test_claim_when_the_folder_holds_something_else(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "cat.jpg").write_bytes(b"x")
    with pytest.raises(StorageError) as raised, RunFolder(folder, "mine").claimed():
        pass
    assert raised.value.message == f"{folder}: is not empty and was not made by augtune."
    assert [path.name for path in folder.iterdir()] == ["cat.jpg"]


def test_claim_when_another_process_runs_there(store):
    with store.claimed(), pytest.raises(StorageError, match="another process is running in this folder"):
        with RunFolder(store.path, "mine").claimed():
            pass


def test_claim_removes_the_parts_of_interrupted_writes(store):
    with store.claimed():
        pass
    part = store.path / "data" / ".x.jsonl.abc.part"
    part.parent.mkdir()
    part.write_text("half")
    with store.claimed():
        assert not part.exists()


def test_write_json_when_the_disk_is_full_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    write_json(path, {"old": True})

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError) as raised:
        write_json(path, {"new": True})
    assert raised.value.message == f"{path}: cannot be written: No space left on device"
    assert json.loads(path.read_text()) == {"old": True}
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]


def test_forget_others_removes_only_stages_of_that_sort(store):
    with store.claimed():
        old = store.stage("train", {"a": 1}, make([]))
        new = store.stage("train", {"a": 2}, make([]))
        other = store.stage("generate", {"a": 1}, make([]))
        store.used = {new.folder}
        store.forget_others("train")
    assert [stage.folder.exists() for stage in (old, new, other)] == [False, True, True]


def test_lighten_removes_weights_of_the_stage_and_nothing_that_a_stamp_names(store, tmp_path):
    def write(folder):
        (folder / "model").mkdir()
        (folder / "model" / "model.safetensors").write_text("weights")
        (folder / "model" / "augtune.json").write_text("{}")
        return {}

    elsewhere = tmp_path / "mine.safetensors"
    elsewhere.write_text("somebody's")
    with store.claimed():
        made = store.stage("train", {"a": 1}, write)
        store.lighten("train")
        stamp = json.loads((made.folder / "stamp.json").read_text())
        assert stamp["removed"] == ["model/model.safetensors"]
        write_json(made.folder / "stamp.json", {**stamp, "removed": [str(elsewhere), "../../../mine.safetensors"]})
        store.lighten("train")
    assert elsewhere.read_text() == "somebody's"
    assert is_light(made.folder)
    assert [path.name for path in sorted((made.folder / "model").iterdir())] == ["augtune.json"]


def test_link_tree_replaces_the_target_and_shares_the_bytes(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b" / "c"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "model").write_text("new")
    target.mkdir(parents=True)
    (target / "stale").write_text("old")
    link_tree(source, target)
    assert [str(p.relative_to(target)) for p in target.rglob("*")] == ["deep", "deep/model"]
    assert (target / "deep" / "model").samefile(source / "deep" / "model")


def test_stage_when_two_threads_want_it_is_done_once(store):
    calls = []

    def slow(folder):
        time.sleep(0.05)
        return make(calls)(folder)

    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: store.stage("train", {"lr": 1}, slow), range(4)))
    assert len(calls) == 1
    assert len({stage.folder for stage in made}) == 1
    events = [row["event"] for row in read_jsonl(store.path / "events.jsonl")]
    assert sorted(events) == ["stage-done", *["stage-skipped"] * 3, "stage-started"]


def test_claim_of_a_folder_whose_making_was_cut_off(store):
    store.path.mkdir()
    (store.path / ".lock").touch()
    (store.path / "..augtune.json.a1b2c3d4.part").write_text("{")
    with store.claimed():
        assert sorted(path.name for path in store.path.iterdir()) == [".augtune.json", ".lock"]


def test_claim_while_another_process_makes_the_folder(store):
    store.path.mkdir()
    with (store.path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StorageError, match="another process is running in this folder"), store.claimed():
            pass
    assert [path.name for path in store.path.iterdir()] == [".lock"]


def test_claim_takes_away_an_event_that_was_written_in_half(store):
    with store.claimed():
        store.event("one")
    with (store.path / "events.jsonl").open("a") as stream:
        stream.write('{"time": "2026-')
    with store.claimed():
        store.event("two")
    assert [row["event"] for row in read_jsonl(store.path / "events.jsonl")] == ["one", "two"]


def test_an_event_that_does_not_fit_on_the_disk_leaves_no_part_of_it(store, monkeypatch):
    def full(handle, line):
        if len(line) < 20:
            raise OSError(28, "No space left on device")
        return write(handle, line[:-10])

    with store.claimed():
        store.event("one")
        write = os.write
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            with pytest.raises(StorageError) as raised:
                store.event("two")
        store.event("three")
    assert raised.value.message == f"{store.path / 'events.jsonl'}: cannot be written: No space left on device"
    assert [row["event"] for row in read_jsonl(store.path / "events.jsonl")] == ["one", "three"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="sees which file is synced in /proc")
def test_a_stamp_is_written_once_all_it_vouches_for_is_on_the_disk(store, monkeypatch):
    synced, on_disk = [], []
    fsync, replace = os.fsync, os.replace

    def sync(handle):
        synced.append(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    def rename(source, target):
        if Path(target).name == "stamp.json":
            on_disk.extend(synced)
        replace(source, target)

    def write(folder):
        (folder / "model").mkdir()
        (folder / "model" / "weights").write_bytes(b"x" * 100)
        return {}

    with store.claimed():
        monkeypatch.setattr(os, "fsync", sync)
        monkeypatch.setattr(os, "replace", rename)
        folder = store.stage("train", {"a": 1}, write).folder
    names = {str(folder / name) for name in ("model/weights", "model", ".")} | {str(folder.parent), str(folder)}
    assert {os.path.normpath(name) for name in names} <= set(on_disk)
    assert synced[-1] == str(folder)


def test_what_a_link_tree_left_that_was_cut_off_is_removed(store, tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("x")
    with store.claimed():
        monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            link_tree(tmp_path / "model", store.path / "models" / "seed-0")
        assert list((store.path / "models").iterdir())
    with store.claimed():
        assert list((store.path / "models").iterdir()) == []


def test_an_error_of_the_disk_outside_a_stage_is_told_as_one(store):
    with pytest.raises(StorageError) as raised, store.claimed():
        raise OSError(28, "No space left on device", str(store.path / "models" / "x"))
    assert raised.value.message == f"{store.path / 'models' / 'x'}: cannot be written: No space left on device"
    with pytest.raises(PermissionError), store.claimed():
        raise PermissionError(13, "Permission denied", "/elsewhere/rows.csv")


@pytest.mark.parametrize("text", ["No space left on device (os error 28)", "x: I/O error (os error 28)"])
def test_an_error_that_a_library_tells_in_words_is_one_of_the_system(store, text):
    def fails(folder):
        raise Exception(text)

    with store.claimed(), pytest.raises(StorageError, match="cannot be written: No space left on device"):
        store.stage("train", {"a": 1}, fails)
    with store.claimed(), pytest.raises(ZeroDivisionError):
        store.stage("train", {"a": 1}, lambda folder: 1 / 0)
