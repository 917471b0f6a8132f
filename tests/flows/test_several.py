"""One model trained by two processes: the same losses as one, one voice, and an end when one of them dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from werkzeug import Response

from augtune.core.files import read_jsonl
from augtune.experiment.run import run
from augtune.model.fitted import Fitted
from augtune.training.settings import TrainSettings
from augtune.training.train import train
from flows.small import write_task
from training_rows import human_rows

pytestmark = pytest.mark.slow

TRAIN = {"steps": 8, "batch_size": 9, "dropout": 0, "precision": "fp32", "lr": 1e-3, "checkpoint_every": 2}
ARMS = {
    "plain": {},
    "weighed": {"train": {"loss": {"kind": "cross_entropy", "class_weights": "inverse"}, "micro_batch_size": 2}},
    "two-stage": {"train": {"recipe": {"kind": "two_stage", "variant": "both"}}},
    "dimp": {"train": {"recipe": "dimp"}},
    "shared out": {"train": {"sharding": "optimizer", "lr": 2e-3}},
    "with dropout": {"train": {"dropout": 0.2, "steps": 80, "sharding": "optimizer"}},
}


def command(*arguments, several=("-m", "augtune"), **variables):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR", **variables}
    return subprocess.Popen(
        [sys.executable, *several, *map(str, arguments)], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finished(process, seconds=120):
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def file(tmp_path_factory, tiny_encoder):
    folder = tmp_path_factory.mktemp("several")
    task = write_task(folder / "task")
    written = {"kind": "imported", "path": str(task / "synthetic_model.jsonl")}
    wanted = {
        "name": "small", "seeds": [0], "data": {"source": str(task)}, "generate": written,
        "curate": [{"kind": "contamination", "measure": "jaccard", "threshold": 0.99}],
        "train": {"encoder": tiny_encoder, **TRAIN}, "arms": ARMS, "evaluate": {"resamples": 100},
    }  # fmt: skip
    (folder / "small.yaml").write_text(json.dumps(wanted))
    return folder / "small.yaml"


@pytest.fixture(scope="module")
def by_two(file):
    code, out, err = finished(command("run", file, "--out", file.parent / "two", "--processes", 2))
    assert code == 0, err
    return file.parent / "two" / "small", out, err


def losses(folder, arm):
    return [row["loss"] for row in read_jsonl(folder / "history" / arm / "seed-0.jsonl")]


def test_two_processes_give_the_losses_of_one_and_one_voice(file, by_two):
    folder, out, err = by_two
    run(file, out=file.parent / "one")
    for arm in ("plain", "weighed", "two-stage", "dimp", "shared out"):
        np.testing.assert_allclose(losses(folder, arm), losses(file.parent / "one" / "small", arm), rtol=1e-5)
    weights = [
        read_jsonl(where / "data" / "dimp" / "weights.jsonl") for where in (folder, file.parent / "one" / "small")
    ]
    assert [row["id"] for row in weights[0]] == [row["id"] for row in weights[1]]
    np.testing.assert_allclose(*([row["weight"] for row in rows] for rows in weights), rtol=1e-4)
    assert out.count("Highest macro-F1") == 1
    assert err.count("train     plain · seed 0: …") == 1
    assert not any(word in err for word in ("[rank", "[W", "Traceback", "UserWarning"))


def helper(process):
    """Return the id of the second of the processes a command started, or None while there is none."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"\0PPid:\t{process.pid}\n" not in "\0" + (folder / "status").read_text().replace("\n", "\n\0"):
                continue
            if b"\0RANK=1\0" in b"\0" + (folder / "environ").read_bytes():
                return int(folder.name)
        except OSError:
            continue
    return None


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for the process in /proc")
def test_a_dead_process_ends_the_run_with_an_error_and_the_same_command_carries_on(file, by_two):
    arguments = ("run", file, "--out", file.parent / "cut", "--processes", 2, "arms.plain={train: {dropout: 0.2}}",
                 "train.steps=400", "train.checkpoint_every=3", "seeds=[0]")  # fmt: skip
    process = command(*arguments)
    deadline = time.monotonic() + 60
    while not list((file.parent / "cut").rglob("*-step-*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(helper(process), signal.SIGKILL)
    code, _, err = finished(process, 60)
    assert code == 2
    assert err.endswith(
        "error: process 1 of 2 was ended by SIGKILL, and the others with it.\n"
        "  The same command carries on from the last checkpoint. SIGKILL often means that memory ran out.\n"
    )


def test_ctrl_c_reaches_the_first_process_and_the_run_is_carried_on_bit_for_bit(file, by_two):
    arguments = ("run", file, "--out", file.parent / "stopped", "--processes", 2)
    process = command(*arguments)
    events = file.parent / "stopped" / "small" / "events.jsonl"
    deadline = time.monotonic() + 60
    while "with dropout" not in (events.read_text() if events.exists() else "") and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)  # the terminal sends it to every process of the command
    os.kill(first(process), signal.SIGINT)
    code, _, err = finished(process, 60)
    assert code == 130, err
    code, _, err = finished(command(*arguments))
    assert code == 0, err
    for arm in ARMS:
        assert losses(file.parent / "stopped" / "small", arm) == losses(by_two[0], arm)


def first(process):
    other = helper(process)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "status").read_text()
            if f"PPid:\t{process.pid}\n" in status and int(folder.name) != other:
                if b"\0RANK=0\0" in b"\0" + (folder / "environ").read_bytes():
                    return int(folder.name)
        except OSError:
            continue
    raise AssertionError("there is no first process")


def test_a_language_model_is_asked_by_the_first_process_alone(file, tmp_path, httpserver):
    asked = []

    def reword(request):
        asked.append(request.get_data())
        reply = {
            "message": {"content": f"a film number {len(asked)} of {len(asked) * 7} days"},
            "finish_reason": "stop",
        }
        body = {"choices": [reply], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}
        return Response(json.dumps(body), content_type="application/json")

    httpserver.expect_request("/v1/chat/completions").respond_with_handler(reword)
    wanted = json.loads(file.read_text())
    wanted |= {"generate": {"kind": "rephrase", "per_class": 4}, "arms": {"mix": {}}}
    wanted["llm"] = {"model": "openai/m", "base_url": httpserver.url_for("/v1"), "budget": "100 calls"}
    (tmp_path / "asked.yaml").write_text(json.dumps(wanted))
    code, _, err = finished(command("run", tmp_path / "asked.yaml", "--out", tmp_path, "--processes", 2))
    assert code == 0, err
    assert len(asked) == len(set(asked)) == 8
    assert len(read_jsonl(tmp_path / "small" / "data" / "mix" / "synthetic.jsonl")) == 8


LAUNCHERS = {
    "torchrun": ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
    "accelerate": (
        "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
        "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_other_launchers_train_one_model_too(launcher, tiny_encoder, tmp_path):
    rows = human_rows(24, "train")
    lines = [json.dumps({"text": row.text, "label": row.label}) for row in rows]
    (tmp_path / "train.jsonl").write_text("\n".join(lines))
    changes = [part for key in ("batch_size", "dropout", "precision") for part in ("--set", f"{key}={TRAIN[key]}")]
    process = command(
        "train", tmp_path / "train.jsonl", "--encoder", tiny_encoder, "--steps", 6, *changes, "--out", tmp_path / "model",
        several=(*LAUNCHERS[launcher], "-m", "augtune"),
    )  # fmt: skip
    code, out, err = finished(process)
    assert code == 0, err
    assert out.count("saved:") == 1
    settings = TrainSettings(
        encoder=tiny_encoder, steps=6, **{key: TRAIN[key] for key in ("batch_size", "dropout", "precision")}
    )
    whole = train(rows, settings=settings)
    found = [row["loss"] for row in Fitted.load(tmp_path / "model").history]
    np.testing.assert_allclose(found, [row["loss"] for row in whole.history], rtol=1e-5)


FULL = """
import os

if os.environ.get("RANK") == os.environ["FULL_RANK"]:
    from augtune.training import loop

    computed = loop._forward

    def full(run, *given, **named):
        if len(run.history) == 3:
            raise MemoryError("cannot allocate memory")
        return computed(run, *given, **named)

    loop._forward = full
"""


@pytest.mark.parametrize("rank", [0, 1])
def test_out_of_memory_in_one_process_ends_both_and_is_said_once(rank, tiny_encoder, tmp_path):
    """Python runs a file of the name sitecustomize before anything else: it lets the memory run out."""
    (tmp_path / "sitecustomize.py").write_text(FULL)
    (tmp_path / "train.jsonl").write_text(
        "\n".join(json.dumps({"text": row.text, "label": row.label}) for row in human_rows(24, "train"))
    )
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    process = command(
        "train", tmp_path / "train.jsonl", "--encoder", tiny_encoder, "--steps", 6, "--set", "batch_size=9",
        "--out", tmp_path / "model", "--processes", 2, FULL_RANK=str(rank), PYTHONPATH=paths,
    )  # fmt: skip
    code, _, err = finished(process, 60)
    rows = (5, 4)[rank]
    assert code == 2
    assert err[err.index("error:") :] == (
        f"error: training stopped at step 4 (stage 'train'): out of memory in process {rank} with {rows} rows at once "
        f"(cannot allocate memory).\n  Set train.micro_batch_size to less than {rows}; the steps stay the same.\n"
    )
    assert not (tmp_path / "model").exists()


def test_what_is_wrong_is_said_once_and_ends_both(file, tmp_path):
    code, _, err = finished(
        command("run", file, "--out", tmp_path, "--processes", 2, "train.batch_size=1", "arms={plain: {}}")
    )
    assert code == 2
    assert err.endswith(
        "error: batch_size: 1 rows of a step cannot be shared by 2 processes\n"
        "  Raise train.batch_size, or use fewer processes.\n"
    )
