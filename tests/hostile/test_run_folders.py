"""Run folders that somebody else made: nothing outside them is read, written or removed, and no lie is believed."""

from __future__ import annotations

import json
import re
import time

import pytest

from augtune.core.errors import DataError, StorageError
from augtune.experiment.results import Results
from augtune.experiment.store import RunFolder
from augtune.reporting.html import report
from augtune.reporting.read import read_run
from fuzzing.runs import small_run

KEY = {"rows": 1}


@pytest.fixture
def diary(tmp_path):
    """A folder of the user's own, which no run folder has to do with."""
    place = tmp_path / "mine"
    place.mkdir()
    (place / "diary.txt").write_text("dear diary", encoding="utf-8")
    return place


@pytest.fixture
def folder(tmp_path):
    """A run folder of augtune's."""
    place = tmp_path / "runs" / "x"
    place.mkdir(parents=True)
    (place / ".augtune.json").write_text('{"schema": 1, "name": "x"}', encoding="utf-8")
    return place


def stage(folder):
    """Do a stage; returns how many times it was done anew."""
    done = []

    def make(place):
        done.append(place)
        (place / "rows.jsonl").write_text("{}\n", encoding="utf-8")
        return {"made": True}

    run = RunFolder(folder, "x")
    with run.claimed():
        run.stage("generate", KEY, make)
        run.forget_others("generate", "train")
    return len(done)


LINKS = {
    "the stage": lambda folder: RunFolder(folder, "x").folder_of("generate", KEY),
    "all stages": lambda folder: folder / "stages",
    "an old stage": lambda folder: folder / "stages" / "train-0123",
    "the models": lambda folder: folder / "models",
}


@pytest.mark.parametrize("which", LINKS)
def test_run_folder_with_a_link_to_a_folder_is_refused_and_nothing_touched(folder, diary, which):
    link = LINKS[which](folder)
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(diary)
    with pytest.raises(StorageError) as caught:
        stage(folder)
    assert str(caught.value) == (
        f"{link}: is a symbolic link; augtune makes none in a run folder, and follows none.\n"
        "  Take it away, or choose another --out; nothing was changed."
    )
    assert [(path.name, path.read_text(encoding="utf-8")) for path in diary.iterdir()] == [("diary.txt", "dear diary")]


@pytest.mark.parametrize("name", ["events.jsonl", ".lock", "cache.sqlite", "results.json", "report.html"])
def test_run_folder_with_a_link_to_a_file_is_refused_and_nothing_written(folder, diary, name):
    (folder / name).symlink_to(diary / "diary.txt")
    with pytest.raises(StorageError, match="is a symbolic link"):
        stage(folder)
    assert (diary / "diary.txt").read_text(encoding="utf-8") == "dear diary"


LIES = {
    "a file of the system": {"files": {"../" * 20 + "dev/zero": [0, "x"]}, "notes": {}},
    "a path from the root": {"files": {"/dev/zero": [0, "x"]}, "notes": {}},
    "a file outside": {"files": {"../../../mine/diary.txt": [10, "x"]}, "notes": {}},
    "a list": [],
    "files in a list": {"files": [], "notes": {}},
    "files of numbers": {"files": {"rows.jsonl": 1}, "notes": {}},
    "another size": {"files": {"rows.jsonl": [99, "x"]}, "notes": {}},
    "another hash": {"files": {"rows.jsonl": [3, "0" * 64]}, "notes": {}},
    "NUL": {"files": {"a\0b": [1, "x"]}, "notes": {}},
    "notes in a number": {"files": {}, "notes": 7},
}


@pytest.mark.parametrize("lie", LIES)
def test_stamp_that_lies_is_not_believed(folder, diary, lie):
    place = RunFolder(folder, "x").folder_of("generate", KEY)
    place.mkdir(parents=True)
    (place / "rows.jsonl").write_text("{}\n", encoding="utf-8")
    (place / "stamp.json").write_text(json.dumps(LIES[lie]), encoding="utf-8")
    before = time.process_time()
    assert stage(folder) == 1
    assert stage(folder) == 0
    assert time.process_time() - before < 2


def test_stamp_nested_without_end_is_not_believed(folder):
    place = RunFolder(folder, "x").folder_of("generate", KEY)
    place.mkdir(parents=True)
    (place / "stamp.json").write_text("[" * 100_000, encoding="utf-8")
    assert stage(folder) == 1


# ---- what is read back


def renamed(folder, arm):
    for name in ("results.json", "details.json"):
        text = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace('"two"', json.dumps(arm)), encoding="utf-8")


@pytest.mark.parametrize("arm", ["..", ".", "", " ", "x" * 300])
def test_results_whose_arm_is_no_name_are_refused(tmp_path, arm):
    small_run(tmp_path)
    renamed(tmp_path, arm)
    with pytest.raises(DataError, match=r"results.json: .* is no name of an arm\.$"):
        read_run(tmp_path)


def test_arm_named_like_a_path_reads_nothing_outside(tmp_path, diary):
    run = tmp_path / "run"
    small_run(run)
    renamed(run, "../../mine")
    (diary / "synthetic.jsonl").write_text('{"id": "x", "text": "private"}\n', encoding="utf-8")
    assert list(read_run(run).kept("../../mine")) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("results.json", "[" * 100_000),
        ("results.json", '{"schema": 1}'),
        ("details.json", '{"schema": 1, "labels": []}'),
        ("results.json", "null"),
        ("details.json", "9" * 5000),
    ],
)
def test_damaged_results_are_refused_wherever_they_are_read(tmp_path, name, text):
    small_run(tmp_path)
    (tmp_path / name).write_text(text, encoding="utf-8")
    for reader in (read_run, Results.read, report):
        with pytest.raises(DataError, match=re.escape(str(tmp_path / name))):
            reader(tmp_path)


def test_numbers_that_are_none_do_not_break_the_report(tmp_path):
    small_run(tmp_path)
    path = tmp_path / "results.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"macro_f1": 0.5', '"macro_f1": NaN'), encoding="utf-8")
    with pytest.raises(DataError, match=r"results\.json"):
        report(tmp_path)
