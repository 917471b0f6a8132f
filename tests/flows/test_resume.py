"""A run killed at any moment and started again gives what an uninterrupted one gives."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from augtune.experiment.run import run
from flows.small import experiment, write_task
from flows.test_run import comparable

KILLS = 3


def start(file, out):
    command = [
        sys.executable,
        "-c",
        "import sys; from augtune.experiment.run import run; run(sys.argv[1], out=sys.argv[2])",
    ]
    return subprocess.Popen(
        [*command, str(file), str(out)],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
def test_run_killed_at_random_moments_equals_an_uninterrupted_one(tiny_encoder, tmp_path):
    task = write_task(tmp_path / "task")
    wanted = experiment(task, tiny_encoder, seeds=[0])
    for arm in ("human + model", "two/stage"):
        del wanted["arms"][arm]
    file = tmp_path / "small.yaml"
    file.write_text(json.dumps(wanted))
    whole = start(file, tmp_path / "whole")
    assert whole.wait(timeout=120) == 0

    chance = random.Random(7)
    events = tmp_path / "cut" / "small" / "events.jsonl"
    killed = 0
    for _ in range(KILLS):
        started = len(events.read_text().splitlines()) if events.exists() else 0
        process = start(file, tmp_path / "cut")
        deadline = time.monotonic() + 60
        # Wait until it is at work, then a moment that no test chose.
        while process.poll() is None and time.monotonic() < deadline:
            if events.exists() and len(events.read_text().splitlines()) > started + chance.randrange(1, 6):
                break
            time.sleep(0.01)
        time.sleep(chance.random() * 0.3)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait(timeout=60)
    assert killed >= 1
    last = start(file, tmp_path / "cut")
    assert last.wait(timeout=120) == 0
    assert comparable(tmp_path / "cut" / "small") == comparable(tmp_path / "whole" / "small")


def test_run_interrupted_inside_a_training_keeps_the_trainings_before_it(tiny_encoder, tmp_path):
    task = write_task(tmp_path / "task")
    wanted = experiment(task, tiny_encoder, seeds=[0])
    wanted["arms"] = {"human only": {"generate": None, "curate": None}, "human + model": {}}

    def stop(event):
        if event["event"] == "progress" and event["about"].startswith("human + model") and event["step"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(wanted, out=tmp_path / "cut", listen=stop)
    events = []
    run(wanted, out=tmp_path / "cut", listen=events.append)
    done = [(e["event"], e["stage"], e["about"]) for e in events if e["event"] in ("stage-done", "stage-skipped")]
    assert ("stage-skipped", "train", "human only · seed 0") in done
    assert ("stage-done", "train", "human + model · seed 0") in done
    run(wanted, out=tmp_path / "whole")
    assert comparable(tmp_path / "cut" / "small") == comparable(tmp_path / "whole" / "small")
