"""``keep_models: false``: the same results without the weights, and a classifier that is needed after all is made again."""

from __future__ import annotations

import json
import shutil

import pytest

from augtune.core.errors import InputError
from augtune.core.files import read_json, read_jsonl
from augtune.experiment.run import run
from augtune.model.fitted import Fitted
from flows.small import experiment, write_task


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return write_task(tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="module")
def written(task, tiny_encoder):
    """An experiment of two arms, one of which has a checker."""
    written = experiment(task, tiny_encoder)
    arms = {name: written["arms"][name] for name in ("human only", "dimp")}
    return {**written, "seeds": [0], "arms": arms, "keep_models": False}


@pytest.fixture(scope="module")
def light(written, tmp_path_factory):
    return run(written, out=tmp_path_factory.mktemp("light"))


@pytest.fixture
def again(light, tmp_path):
    shutil.copytree(light.folder, tmp_path / "small")
    return tmp_path


def trained(source, out):
    """Run, and return what is then in the folder and the trainings that were done."""
    events = []
    results = run(source, out=out, listen=events.append)
    return results, [e["about"] for e in events if e["event"] == "stage-started" and e["stage"] == "train"]


def weights(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.safetensors"))


def scores(results):
    arms = read_json(results.folder / "results.json")["arms"]
    return {name: (arm["per_seed"], arm["interval"]) for name, arm in arms.items()}


def test_a_run_that_keeps_no_models_says_the_same_in_little_room(light, written, tmp_path):
    heavy = run({**written, "keep_models": True}, out=tmp_path)
    assert len(weights(heavy.folder)) == 4 * 2  # of each arm's model two files, in its stage and where readers look
    assert weights(light.folder) == []
    assert scores(light) == scores(heavy)
    assert (light.folder / "models" / "dimp" / "seed-0" / "augtune.json").is_file()


def test_a_run_that_keeps_no_models_is_done_when_run_again(again, written):
    results, done = trained(written, again)
    assert done == []
    assert weights(results.folder) == []


def test_a_classifier_that_was_removed_says_so(light):
    with pytest.raises(InputError, match=r"model\.safetensors"):
        Fitted.load(light.folder / "models" / "dimp" / "seed-0")


def test_models_that_are_kept_after_all_are_trained_again(again, written, task, light):
    results, done = trained({**written, "keep_models": True}, again)
    assert done == ["human only · seed 0", "dimp · seed 0"]
    assert scores(results) == scores(light)
    from augtune.data import load

    made = Fitted.load(results.folder / "models" / "dimp" / "seed-0").predict(load(task).test)
    rows = read_jsonl(results.folder / "predictions" / "dimp" / "seed-0.jsonl")
    assert list(made.predicted) == [row["predicted"] for row in rows]


def test_models_are_trained_again_where_other_rows_are_asked_about(again, written):
    fewer = json.loads(json.dumps(written))
    fewer["data"]["test"] = "10 of test"
    results, done = trained(fewer, again)
    assert done == ["human only · seed 0", "dimp · seed 0"]
    assert weights(results.folder) == []
    assert len(read_jsonl(results.folder / "predictions" / "dimp" / "seed-0.jsonl")) == 10
