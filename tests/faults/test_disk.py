"""Disks that are full, may not be written or fail: one message, nothing lost, and the same results afterwards."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import pytest

from faults.commands import Commands, failing, limited, moved_clock, small_disk, together
from faults.contents import contents, differences, torn
from faults.lives import everything
from faults.loopback import answering
from flows.small import experiment, write_task

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="sees what a process writes in /proc")


@pytest.fixture(scope="module")
def augtune(tmp_path_factory):
    return Commands(tmp_path_factory.mktemp("said"))


@pytest.fixture(scope="module")
def file(tmp_path_factory, tiny_encoder):
    """Stages of every sort that asks no model."""
    folder = tmp_path_factory.mktemp("disk")
    wanted = experiment(write_task(folder / "task"), tiny_encoder, seeds=[0])
    wanted["arms"] = {name: wanted["arms"][name] for name in ("human only", "imp")}
    wanted["train"]["checkpoint_every"] = 3
    wanted["evaluate"]["resamples"] = 100
    (folder / "small.yaml").write_text(json.dumps(wanted))
    return folder / "small.yaml"


@pytest.fixture
def out(file):
    """A folder for runs; all lie beside the task, since experiment.yaml names it as seen from the run folder."""
    return Path(tempfile.mkdtemp(dir=file.parent))


@pytest.fixture(scope="module")
def whole(augtune, file):
    """What a run holds that nothing went wrong in."""
    said = augtune("run", file, "--out", file.parent / "whole")
    assert said.code == 0, said.err
    return contents(file.parent / "whole" / "small")


def made_whole(augtune, file, out, whole):
    said = augtune("run", file, "--out", out)
    assert said.code == 0, said.err
    assert differences(contents(out / "small"), whole) == []


def test_a_disk_that_fills_up_again_and_again_loses_nothing(augtune, file, whole, out):
    size = sum(path.stat().st_size for path in (file.parent / "whole").rglob("*") if path.is_file())
    with small_disk(out, "16k") as disk:
        for share in (0.05, 0.35, 0.65):
            disk.remount(f"size={max(16384, int(share * size))}")
            said = augtune("run", file, "--out", disk.place)
            assert said.is_clear, said.err
            assert "No space left on device" in said.err
            assert list(torn(disk.place / "small")) == []
        disk.remount(f"size={4 * size}")
        made_whole(augtune, file, disk.place, whole)


def test_a_file_that_may_not_grow_ends_the_run_with_one_message(augtune, file, whole, out):
    for size in (600, 20_000):
        said = augtune("run", file, "--out", out, wrong=partial(limited, size))
        assert said.is_clear, said.err
        assert " cannot be written: File too large\n" in said.err
    made_whole(augtune, file, out, whole)


def test_a_disk_that_fails_ends_the_run_with_one_message(augtune, file, whole, out):
    for call, number, why in (
        ("fsync", 1, errno.EIO),
        ("mkdir", 3, errno.EDQUOT),
        ("fsync", 30, errno.EIO),
        ("replace", 9, errno.EIO),
        ("fsync", 70, errno.EIO),
    ):
        said = augtune("run", file, "--out", out, wrong=partial(failing, call, number, why, str(out / "small")))
        assert said.is_clear, said.err
        assert f" cannot be written: {os.strerror(why)}\n" in said.err
        assert list(torn(out / "small")) == []
    made_whole(augtune, file, out, whole)


def test_a_folder_that_may_only_be_read_is_left_as_it_is(augtune, file, whole, out):
    with small_disk(out, "20m") as disk:
        disk.remount("ro")
        said = augtune("run", file, "--out", disk.place)
        assert said.err == (
            f"error: {disk.place / 'small'}: cannot be written: Read-only file system\n"
            "  Free some space or choose another --out, then run the same command again; nothing was lost.\n"
        )
        assert said.code == 2
        disk.remount("rw")
        made_whole(augtune, file, disk.place, whole)
        before = contents(disk.place / "small")
        disk.remount("ro")
        said = augtune("run", file, "--out", disk.place, "train.steps=7")
        assert said.is_clear, said.err
        assert augtune("show", disk.place / "small").code == 0
        assert contents(disk.place / "small") == before


def test_a_clock_that_is_moved_changes_nothing(augtune, file, whole, out):
    for years, number in ((-10, 40), (10, 40)):
        moved = partial(moved_clock, years * 365 * 86400.0)
        broken = partial(failing, "fsync", number, errno.EIO, str(out))
        assert augtune("run", file, "--out", out, wrong=partial(together, moved, broken)).code == 2
    made_whole(augtune, file, out, whole)


def test_replies_that_are_paid_for_are_kept_when_the_disk_fills_up(augtune, tiny_encoder, tmp_path):
    with answering(0.3) as model, small_disk(tmp_path / "disk", "12m") as disk:
        wanted = everything(tmp_path / "task", tiny_encoder, model.url)
        wanted["generate"]["per_class"] = 20
        wanted["arms"] = {"human only": {"generate": None, "curate": None}, "fewshot": {}}
        (tmp_path / "all.yaml").write_text(json.dumps(wanted))
        process = augtune.start("run", tmp_path / "all.yaml", "--out", disk.place)
        until = time.monotonic() + 60
        while model.asked.total() < 8 and time.monotonic() < until:
            time.sleep(0.005)
        filler = disk.fill()
        said = augtune.said(process)
        assert said.is_clear, said.err
        assert "cache.sqlite: cannot be used as a cache: database or disk is full" in said.err
        first = model.take()
        assert 8 <= first.total() < 40
        filler.unlink()
        shutil.rmtree(disk.place / "all" / "stages")  # what is paid for is in the cache, not here
        assert augtune("run", tmp_path / "all.yaml", "--out", disk.place).code == 0
        again = model.take()
    assert not set(again) & set(first)


def test_no_call_is_made_where_its_reply_could_not_be_kept(augtune, tiny_encoder, tmp_path):
    with answering(0.01) as model, small_disk(tmp_path / "disk", "3m") as disk:
        (tmp_path / "all.yaml").write_text(json.dumps(everything(tmp_path / "task", tiny_encoder, model.url)))
        said = augtune("run", tmp_path / "all.yaml", "--out", disk.place)
        assert said.is_clear, said.err
        assert (
            f"{disk.place / 'all'}: no room of 4 MiB for replies: No space left on device. No call was made."
            in said.err
        )
        assert model.asked.total() == 0
