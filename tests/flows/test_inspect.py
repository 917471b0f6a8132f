"""A run inspects synthetic rows before it trains on them, once for all arms that share them."""

from __future__ import annotations

import json

import pytest

from augtune.core.files import read_json, read_jsonl
from augtune.experiment.document import read
from augtune.experiment.run import run
from flows.small import experiment, write_task


@pytest.fixture(scope="module")
def leaky(tiny_encoder, tmp_path_factory):
    """A finished run on rows that name their labels, and the events it told."""
    folder = tmp_path_factory.mktemp("inspect")
    task = write_task(folder / "task")
    lines = [json.loads(line) for line in (task / "synthetic_model.jsonl").read_text().splitlines()]
    for row in lines:
        row["text"] += " (negative)"
    (task / "synthetic_model.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    wanted = experiment(task, tiny_encoder, seeds=[0])
    for arm in ("dimp", "imp"):
        del wanted["arms"][arm]
    told = []
    results = run(wanted, out=folder, listen=told.append)
    return wanted, folder, results, told


def test_warnings_come_before_the_training_they_are_about(leaky):
    _, _, results, told = leaky
    warned = [
        i for i, event in enumerate(told) if event["event"] == "warning" and "name a label in a tag" in event["message"]
    ]
    trained = [
        i for i, event in enumerate(told)
        if (event["event"], event.get("stage")) == ("stage-started", "train") and "human + model" in event["about"]
    ]  # fmt: skip
    assert len(warned) == 1
    assert warned[0] < trained[0]
    assert told[warned[0]]["arm"] == "human + model"
    assert [e["message"] for e in read_jsonl(results.folder / "events.jsonl") if e["event"] == "warning"] == [
        event["message"] for event in told if event["event"] == "warning"
    ]
    assert any(
        line.startswith("Synthetic rows of human + model, two/stage: ")
        and "of them another label than their own" in line
        for line in results.details["warnings"]
    )


def test_what_was_found_lies_beside_the_rows(leaky):
    _, _, results, _ = leaky
    data = results.folder / "data"
    found = read_json(data / "human + model" / "quality.json")
    assert found == read_json(data / "two_stage" / "quality.json")
    assert found["whole"]["rows"] == len(read_jsonl(data / "human + model" / "synthetic.jsonl"))
    assert found["whole"]["near_test"] is not None
    assert not (data / "human only").exists()
    assert len(list((results.folder / "stages").glob("inspect-*"))) == 1


def test_it_is_done_once(leaky):
    wanted, folder, _, _ = leaky
    told = []
    again = run(wanted, out=folder, listen=told.append)
    assert ("stage-skipped", "inspect") in [(event["event"], event.get("stage")) for event in told]
    assert [event for event in told if event["event"] == "stage-started"] == []
    assert any("name a label in a tag" in line for line in again.details["warnings"])


def test_it_can_be_left_out(leaky):
    wanted, folder, _, _ = leaky
    results = run({**wanted, "inspect": None}, out=folder)
    assert not list((results.folder / "data").rglob("quality.json"))
    assert not list((results.folder / "stages").glob("inspect-*"))
    assert "inspect" in read(results.folder / "experiment.yaml")
    assert run(results.folder / "experiment.yaml", out=folder).details["warnings"] == results.details["warnings"]


def test_a_test_that_cannot_find_anything_is_warned_of(tiny_encoder, tmp_path):
    task = write_task(tmp_path / "task")
    wanted = experiment(task, tiny_encoder, inspect=None, evaluate={"metrics": ["accuracy"], "test": "wilcoxon"})
    for arm in ("two/stage", "dimp", "imp"):
        del wanted["arms"][arm]
    results = run(wanted, out=tmp_path)
    assert [one["test"] for one in results.values["comparisons"]] == ["wilcoxon", "mcnemar"]
    assert (
        "The test wilcoxon cannot give a p under 0.5 here, however large a difference is; use more seeds or another "
        "evaluate.test." in results.details["warnings"]
    )
