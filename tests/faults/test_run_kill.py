"""Whole runs that are killed at moments drawn at random; ``benchmarks/kills.py`` is the long version of the first test."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from faults.campaign import Campaign
from faults.commands import Commands
from faults.contents import contents, differences, torn_events
from faults.lives import Cut, Deed, Lives, everything
from faults.loopback import answering
from flows.small import experiment, write_task

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="sees what a process writes in /proc")

KILLS = 5
REFUSED = "another process is running in this folder.\n  Wait for it, or choose another --out.\n"
DEEDS = (
    Deed("os.rename", ".augtune.json"),
    Deed("write", "events.jsonl", 1),
    Deed("os.rename", "models/human only/seed-0"),
    Deed("os.rename", "details.json"),
    Deed("os.rename", "results.csv"),
    Deed("os.rename", "results.json"),
    Deed("os.rename", "report.html"),
)


def test_a_run_killed_at_random_moments_is_the_run_that_was_not(tiny_encoder, tmp_path):
    with answering(0.05) as model:
        wanted = everything(tmp_path / "task", tiny_encoder, model.url)
        del wanted["arms"]["two-stage"], wanted["arms"]["asked"]
        campaign = Campaign(Lives(wanted, tmp_path), model, seed=7)
        campaign.chain(KILLS)
    told = campaign.told
    assert (told.twice, told.different, told.torn) == (0, [], [])
    assert told.kills.total() >= KILLS // 2
    assert told.calls > 50


def test_a_kill_between_two_files_is_mended(tiny_encoder, tmp_path):
    wanted = experiment(write_task(tmp_path / "task"), tiny_encoder, seeds=[0], inspect=None)
    wanted["arms"] = {"human only": {"generate": None, "curate": None}}
    wanted["train"]["steps"] = 2
    lives = Lives(wanted, tmp_path)
    lives.undisturbed("whole")
    whole, folder = contents(lives.run_folder("whole")), lives.run_folder("mended")
    for deed in DEEDS:
        assert lives.killed("mended", Cut(deed)), deed
    lives.finished("mended")
    assert differences(whole, contents(folder)) == []
    assert torn_events(folder) == []
    # An earlier run's results are never read beside details of this one.
    (folder / "results.json").write_text(json.dumps({"of": "an earlier run"}))
    assert lives.killed("mended", Cut(Deed("os.rename", "results.json")))
    assert not (folder / "results.json").exists()
    lives.finished("mended")
    assert differences(whole, contents(folder)) == []


@pytest.fixture
def augtune(tmp_path):
    return Commands(tmp_path)


@pytest.fixture
def file(tiny_encoder, tmp_path):
    wanted = experiment(write_task(tmp_path / "task"), tiny_encoder, seeds=[0])
    wanted["arms"] = {"human only": {"generate": None, "curate": None, "train": {"steps": 200}}}
    (tmp_path / "small.yaml").write_text(json.dumps(wanted))
    return tmp_path / "small.yaml"


def test_of_two_runs_that_start_together_one_is_refused(augtune, file, tmp_path):
    both = {name: augtune.start("run", file, "--out", tmp_path / "runs", name=name) for name in ("one", "other")}
    first, second = sorted((augtune.said(process, name) for name, process in both.items()), key=lambda said: said.code)
    assert (first.code, second.code) == (0, 2)
    assert second.err == f"error: {tmp_path / 'runs' / 'small'}: {REFUSED}"


def test_a_killed_run_holds_no_lock(augtune, file, tmp_path):
    process = augtune.start("run", file, "--out", tmp_path / "runs", name="killed")
    folder = tmp_path / "runs" / "small"
    until = time.monotonic() + 60
    while not (folder / "events.jsonl").exists() and time.monotonic() < until:
        time.sleep(0.005)
    assert augtune("run", file, "--out", tmp_path / "runs").err == f"error: {folder}: {REFUSED}"
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert augtune("run", file, "train.steps=2", "--out", tmp_path / "runs").code == 0
