"""A run interrupted inside a training and started again; tests/faults kills runs at any moment."""

from __future__ import annotations

import pytest

from augtune.experiment.run import run
from flows.small import experiment, write_task
from flows.test_run import comparable


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
