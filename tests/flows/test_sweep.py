"""A sweep from one file to tables: nested rows, shared work, trials with draws of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas
import pytest

from augtune.core.files import read_json, read_jsonl
from augtune.experiment.run import run
from flows.small import experiment, write_task

TOOL = Path(__file__).resolve().parents[2].parent / "shared" / "tools" / "check_run.py"


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return write_task(tmp_path_factory.mktemp("task"))


def swept(task, encoder, **changes):
    values = experiment(task, encoder, **changes)
    if "arms" not in changes:
        values["arms"] = {"human only": {"generate": None, "curate": None}, "plain": {}}
    values["train"] = {"encoder": encoder, "steps": 2, "batch_size": 8, "lr": 1e-3, "precision": "fp32"}
    values["inspect"] = None
    return values


@pytest.fixture(scope="module")
def sizes(task, tiny_encoder, tmp_path_factory):
    events = []
    source = swept(
        task, tiny_encoder, sweep={"generate": {"file": {"kind": "imported"}, "words": "eda"}, "size": [6, 12, 20]}
    )
    source["arms"] = {"human only": {"generate": None, "curate": None}, "plain": {}}
    results = run(source, out=tmp_path_factory.mktemp("runs"), listen=events.append)
    return results, events, source


def done(events, stage):
    return [e for e in events if e["event"] == "stage-done" and e["stage"] == stage]


def ids(folder, arm):
    return [row["id"] for row in read_jsonl(folder / "data" / arm / "synthetic.jsonl")]


def test_work_that_arms_share_is_done_once(sizes):
    results, events, _ = sizes
    assert len(results.arms) == 7
    assert len(done(events, "generate")) == len(done(events, "curate")) == 2
    assert len(done(events, "train")) == 14


def test_small_sizes_lie_in_large_ones_and_the_rest_is_on_record(sizes):
    folder = sizes[0].folder
    for maker in ("file", "words"):
        small, middle, large = (ids(folder, f"plain _ {maker} _ {size}") for size in (6, 12, 20))
        assert [len(small), len(middle), len(large)] == [6, 12, 20]
        assert set(small) < set(middle) < set(large)
    dropped = read_jsonl(folder / "data" / "plain _ file _ 6" / "dropped.jsonl")
    beyond = [row for row in dropped if row["by"] == "size"]
    assert len(beyond) == 26
    assert beyond[0]["because"] == "not among the 6 rows of the nested sample (size: 6)"


def test_results_tell_where_an_arm_stands(sizes):
    arm = sizes[0].arms["plain · words · 12"]
    assert arm["axes"] == {"base_arm": "plain", "generate": "words", "size": 12}
    assert arm["rows"] == {"human": 32, "synthetic": 12}
    assert "axes" not in sizes[0].arms["human only"]


def test_every_arm_takes_equally_many_steps(sizes):
    for path in (sizes[0].folder / "history").glob("*/*.jsonl"):
        assert len(read_jsonl(path)) == 2


def test_table_is_tidy(sizes):
    results = sizes[0]
    table = pandas.read_csv(results.folder / "results.csv")
    assert list(table.columns) == [
        "arm", "seed", "metric", "label", "value", "base_arm", "generate", "size",
        "data_seed", "human_rows", "synthetic_rows", "usd", "seconds",
    ]  # fmt: skip
    own = table[(table.metric == "macro_f1") & table.label.isna()]
    means = own.groupby("arm").value.mean()
    assert {arm: pytest.approx(values["mean"]["macro_f1"]) for arm, values in results.arms.items()} == means.to_dict()
    assert own.pivot_table(index="size", columns="generate", values="synthetic_rows").loc[12].tolist() == [12, 12]


def test_resolved_file_gives_the_same_run_and_does_nothing_anew(sizes):
    results, _, _ = sizes
    events = []
    before = read_json(results.folder / "results.json")
    run(results.folder / "experiment.yaml", out=results.folder.parent, listen=events.append)
    assert not [e for e in events if e["event"] == "stage-done"]
    assert read_json(results.folder / "results.json") == before


def test_another_size_costs_its_trainings_alone(sizes):
    results, _, source = sizes
    events = []
    source = {**source, "sweep": {**source["sweep"], "size": [6, 12, 16, 20]}}
    run(source, out=results.folder.parent, listen=events.append)
    assert not done(events, "generate")
    assert len(done(events, "train")) == 4


def test_trials_draw_rows_of_their_own_on_the_same_test_rows(task, tiny_encoder, tmp_path):
    source = swept(task, tiny_encoder, master_seed=5, trials=3)
    del source["seeds"]
    source["data"] = {**source["data"], "train": "4/class"}
    source["sweep"] = {"data.train": ["2/class", "4/class"]}
    source["evaluate"] = {**source["evaluate"], "baseline": "human only"}
    events = []
    results = run(source, out=tmp_path, listen=events.append)
    values = results.values
    assert values["master_seed"] == 5
    assert len(set(values["seeds"])) == len(set(values["data_seeds"])) == 3
    pairs = {(row["arm"], row["baseline"]) for row in values["comparisons"]}
    assert pairs == {("plain · 2/class", "human only · 2/class"), ("plain · 4/class", "human only · 4/class")}
    arm = values["arms"]["plain · 4/class"]
    assert [(one["seed"], one["data_seed"]) for one in arm["per_seed"]] == list(
        zip(values["seeds"], values["data_seeds"], strict=True)
    )
    assert arm["rows"]["by_data_seed"].keys() == {str(seed) for seed in values["data_seeds"]}
    others = {f"data-seed-{seed}" for seed in values["data_seeds"][1:]}
    assert {path.name for path in (results.folder / "data" / "plain _ 4_class").glob("data-seed-*")} == others
    table = pandas.read_csv(results.folder / "results.csv")
    assert set(table.data_seed) == set(values["data_seeds"])
    assert set(table.human_rows) == {4, 8}
    human = {arm: sum(about["human"].values()) for arm, about in results.details["arms"].items()}
    assert {human["plain · 2/class"], human["human only · 2/class"]} == {4}
    assert {human["plain · 4/class"], human["human only · 4/class"]} == {8}
    tests = {path.read_text().count("\n") for path in results.folder.glob("predictions/*/*.jsonl")}
    assert tests == {40}


@pytest.mark.data
@pytest.mark.skipif(not TOOL.is_file(), reason="the contract's own check is not here")
def test_contract_holds(sizes):
    from augtune.reporting.html import report

    report(sizes[0].folder)
    told = subprocess.run([sys.executable, TOOL, sizes[0].folder], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout
