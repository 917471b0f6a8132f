"""Runs on a Ray cluster of two nodes on loopback: the results of a run in process, whatever dies on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from augtune.core.errors import InputError, TrainingError
from augtune.core.files import read_json, read_jsonl
from augtune.experiment.ray_crew import OF_ONE_MACHINE
from augtune.experiment.run import run
from flows.small import experiment, write_task

os.environ |= {**OF_ONE_MACHINE, "RAY_USAGE_STATS_ENABLED": "0"}  # read when Ray is loaded

pytestmark = pytest.mark.slow

SECRET = "sk-this-must-not-be-seen-anywhere"


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one processor each; runs in this process share a connection, and so the workers of it."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'augtune[ray]'")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    ray.init(address=made.address, namespace="augtune", log_to_driver=False, logging_level="error")
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return write_task(tmp_path_factory.mktemp("task"))


def source(task, encoder, **changes):
    """Arms of rows made on a worker, of a recipe with checkers that two arms share, and one that chooses its way."""
    auto = {"kind": "auto", "candidates": ["mix"], "folds": {"folds": 2, "repeats": 1}, "trainings": 3}
    arms = {
        "human only": {"generate": None, "curate": None},
        "eda": {"generate": {"kind": "eda", "per_class": 4}},
        "dimp": {"train": {"recipe": "dimp"}},
        "imp": {"train": {"recipe": "imp"}},
        "auto": {"train": {"recipe": auto}},
    }
    ray = {"cpus": 1, **changes.pop("ray", {})}
    return experiment(task, encoder, **{"arms": arms, "ray": ray, "seeds": [0], **changes})


@pytest.fixture(scope="module")
def in_process(task, tiny_encoder, tmp_path_factory):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return run(source(task, tiny_encoder), out=tmp_path_factory.mktemp("here")).folder
    finally:
        torch.set_num_threads(before)


def comparable(folder: Path):
    """Everything that does not depend on the clock, the weights of every model included."""
    values = read_json(folder / "results.json")
    for arm in values["arms"].values():
        del arm["train_seconds"]
    files = ("predictions/*/*.jsonl", "data/*/*.jsonl", "models/*/*/*.safetensors", "history/*/*.jsonl")
    found = {str(path.relative_to(folder)): path for pattern in files for path in sorted(folder.glob(pattern))}
    return values, {name: _timeless(path) for name, path in found.items()}


def _timeless(path: Path):
    if "history" not in path.parts:
        return path.read_bytes()
    return [{key: value for key, value in row.items() if "seconds" not in key} for row in read_jsonl(path)]


def workers_at_work():
    """The processes below this one that do a piece of work; Ray names them after it."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if any(part.startswith("ray::augtune") for part in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_cluster_gives_the_results_of_one_process_though_a_worker_is_killed(
    cluster, task, tiny_encoder, in_process, tmp_path, monkeypatch
):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    killed = []

    def kill() -> None:
        until = time.monotonic() + 60
        while not killed and time.monotonic() < until:
            for process in workers_at_work()[:1]:
                process.kill()
                killed.append(process.pid)
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    found = run(source(task, tiny_encoder), out=tmp_path, ray=cluster.address)
    killer.join()
    assert killed
    assert comparable(found.folder) == comparable(in_process)
    where = [event["where"] for event in read_jsonl(found.folder / "events.jsonl") if event["event"] == "worked"]
    assert len(set(where)) >= 2
    assert not any(str(killed[0]) in one for one in where)
    assert "What was tried" in (found.folder / "models" / "auto" / "seed-0" / "decision.html").read_text("utf-8")
    assert not (found.folder / ".ray").exists()
    assert not list(found.folder.rglob("*.part"))
    logs = [path for path in Path(_session()).rglob("*") if path.is_file()]
    assert logs
    assert not [path for path in logs if SECRET.encode() in path.read_bytes()]


def _session() -> str:
    return os.path.realpath("/tmp/ray/session_latest")


def test_files_come_back_as_bytes_where_the_folder_is_not_shared_and_a_killed_run_goes_on(
    cluster, task, tiny_encoder, in_process, tmp_path
):
    path = tmp_path / "experiment.json"
    path.write_text(json.dumps(source(task, tiny_encoder, ray={"shared_folder": False})))
    command = [sys.executable, "-m", "augtune", "run", str(path), "--out", str(tmp_path / "runs"), "--ray"]
    folder = tmp_path / "runs" / "small"
    with subprocess.Popen([*command, cluster.address], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as first:
        until = time.monotonic() + 60
        while not list(folder.glob("stages/train-*/stamp.json")) and time.monotonic() < until:
            time.sleep(0.05)
        first.send_signal(signal.SIGKILL)
    done = {path.parent.name for path in folder.glob("stages/*/stamp.json")}
    assert done
    found = run(read_json(path), out=tmp_path / "runs", ray=cluster.address)
    assert comparable(found.folder) == comparable(in_process)
    events = read_jsonl(folder / "events.jsonl")
    again = events[max(i for i, event in enumerate(events) if event["event"] == "run-started") :]
    skipped = {f"{event['stage']}-{event['key']}" for event in again if event["event"] == "stage-skipped"}
    assert done <= skipped


def test_more_than_any_machine_has_is_refused_before_anything_is_written(cluster, task, tiny_encoder, tmp_path):
    with pytest.raises(InputError) as caught:
        run(source(task, tiny_encoder, ray={"cpus": 9, "gpus": 0.5}), out=tmp_path, ray=cluster.address)
    assert str(caught.value) == (
        "ray: each training asks for 9 CPUs and 0.5 GPUs, and no machine of the cluster has that; it has 2 machines: "
        "1 CPU, 0 GPUs; 1 CPU, 0 GPUs.\n"
        "  Set ray.cpus and ray.gpus to what one machine has, e.g. ray.cpus=1."
    )
    assert not list(tmp_path.iterdir())


def test_an_error_of_a_training_arrives_as_it_is(cluster, task, tiny_encoder, tmp_path):
    arms = {"human only": {"generate": None, "curate": None, "train": {"lr": 1e30, "optimizer": "sgd"}}}
    changed = source(task, tiny_encoder, arms=arms)
    with pytest.raises(TrainingError) as caught:
        run(changed, out=tmp_path / "ray", ray=cluster.address)
    with pytest.raises(TrainingError) as here:
        run(changed, out=tmp_path / "here")
    assert str(caught.value) == str(here.value)
