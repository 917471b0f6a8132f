"""Ctrl-C while a classifier is trained: the step is finished, what there is is kept, the same command carries on."""

from __future__ import annotations

import json
import os
import signal

import pytest

from augtune.cli.main import main
from augtune.core.files import read_json, read_jsonl
from augtune.experiment.run import run
from augtune.model.fitted import Fitted
from augtune.training import loop
from augtune.training.running import Running, Stop, Stopped
from augtune.training.settings import TrainSettings
from augtune.training.train import train
from flows.small import experiment, write_task
from flows.test_run import comparable
from training_rows import human_rows


@pytest.fixture
def press(monkeypatch):
    """Presses Ctrl-C in the forward passes of the given numbers, twice in one that is given twice."""
    real, passes = loop._forward, []

    def on(*numbers):
        def forward(*rest, **named):
            passes.append(1)
            for _ in range(numbers.count(len(passes))):
                os.kill(os.getpid(), signal.SIGINT)
            return real(*rest, **named)

        monkeypatch.setattr(loop, "_forward", forward)

    return on


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("train", "validation"):
        lines = [json.dumps({"text": row.text, "label": row.label}) for row in human_rows(24, name)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    return tmp_path


def train_command(encoder, *more):
    return main(
        ["train", "train.jsonl", "--encoder", encoder, "--steps", "8", "--set", "precision=fp32", "--set", "batch_size=4",
         "--out", "model", *more]
    )  # fmt: skip


def test_ctrl_c_ends_augtune_train_with_the_model_of_that_step_and_the_same_command_carries_on(
    rows, tiny_encoder, press, capsys, monkeypatch
):
    press(3)
    validate = ("--validation", "validation.jsonl", "--set", "keep=best", "--set", "evaluate_every=2")
    assert train_command(tiny_encoder, *validate) == 130
    told = capsys.readouterr()
    assert "stopping after this step; Ctrl-C again stops at once\n" in told.err
    assert told.err.endswith(
        "stopped by hand at step 3 of 8; best, step 2; the same command carries on from there and saves the model "
        "anew.\n"
    )
    assert "vanilla · 3 steps · 24 human rows" in told.out
    assert "on the validation rows:\n  macro-F1" in told.out
    stopped = Fitted.load(rows / "model")
    assert stopped.kept == "stopped by hand at step 3 of 8; best, step 2"
    assert stopped.was_stopped
    assert len(stopped.history) == stopped.steps == 3
    assert (rows / "model.checkpoints").is_dir()

    monkeypatch.undo()
    monkeypatch.chdir(rows)
    assert train_command(tiny_encoder, *validate) == 0
    assert "carries on after step 3 of 8, from its checkpoint" in capsys.readouterr().err
    assert not (rows / "model.checkpoints").exists()
    settings = TrainSettings(
        encoder=tiny_encoder, steps=8, precision="fp32", batch_size=4, keep="best", evaluate_every=2
    )
    whole = train(human_rows(24, "train"), validation=human_rows(24, "validation"), settings=settings)
    assert Fitted.load(rows / "model").fingerprint == whole.fingerprint


def test_ctrl_c_in_the_last_step_is_no_stop(rows, tiny_encoder, press):
    press(8)
    assert train_command(tiny_encoder) == 0
    assert not Fitted.load(rows / "model").was_stopped


def test_the_second_ctrl_c_ends_augtune_train_at_once(rows, tiny_encoder, press, capsys):
    before = signal.getsignal(signal.SIGINT)
    press(3, 3)
    assert train_command(tiny_encoder) == 130
    assert capsys.readouterr().err.endswith("error: interrupted; the same command carries on from here.\n")
    assert not (rows / "model").exists()
    assert signal.getsignal(signal.SIGINT) == before


def test_ctrl_c_ends_a_run_with_a_checkpoint_and_the_same_run_carries_on(tiny_encoder, tmp_path, press, monkeypatch):
    task = write_task(tmp_path / "task")
    wanted = experiment(task, tiny_encoder, seeds=[0])
    wanted["arms"] = {"human only": {"generate": None, "curate": None}, "two-stage": {"train": {"recipe": "two_stage"}}}
    steps = wanted["train"]["steps"]
    press(steps + 2)
    with pytest.raises(Stopped) as caught:
        run(wanted, out=tmp_path / "cut", stop=Stop())
    assert str(caught.value) == (f"stopped by hand after step 2 of {steps}; the same command carries on from there.")
    monkeypatch.undo()
    run(wanted, out=tmp_path / "cut", stop=Stop())
    events = read_jsonl(tmp_path / "cut" / "small" / "events.jsonl")
    notes = [event["message"] for event in events if event["event"] == "note"]
    assert notes == [f"carries on after step 2 of {steps}, from its checkpoint"]
    assert not list((tmp_path / "cut").rglob("checkpoints"))
    run(wanted, out=tmp_path / "whole")
    assert comparable(tmp_path / "cut" / "small") == comparable(tmp_path / "whole" / "small")


def test_checkpoint_settings_are_no_part_of_what_a_stage_is(tiny_encoder, tmp_path):
    task = write_task(tmp_path / "task")
    wanted = experiment(task, tiny_encoder, seeds=[0])
    wanted["arms"] = {"human only": {"generate": None, "curate": None}}
    run(wanted, out=tmp_path)
    wanted["train"]["checkpoint_every"] = 1
    events = []
    run(wanted, out=tmp_path, listen=events.append)
    assert "stage-started" not in {event["event"] for event in events}
    assert read_json(tmp_path / "small" / "results.json")["arms"].keys() == {"human only"}


def test_a_training_without_checkpoints_says_so_when_it_is_stopped(tiny_encoder, press):
    press(2)
    with pytest.raises(Stopped, match=r"^stopped by hand after step 2 of 8; there is no checkpoint of it\.$"):
        train(human_rows(), encoder=tiny_encoder, steps=8, running=Running(stop=Stop()))
