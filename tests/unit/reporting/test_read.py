from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from augtune.core.errors import DataError
from augtune.reporting.read import read_run
from run_folder import ARMS, LABELS


def change(path: Path, edit):
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value))


def test_view_tells_what_the_folder_holds(view):
    assert view.arms == ARMS
    assert view.labels == LABELS
    assert (view.baseline, view.metric, view.test_rows) == ("human only", "macro_f1", 240)
    assert view.best() == "dimp"
    assert view.majority("macro_f1") == 0.083
    assert view.majority("mcc") is None
    assert view.comparison("dimp").test == "paired_bootstrap"
    assert view.comparison("human only") is None
    assert len(view.kept("dimp")) + len(view.dropped("dimp")) == 300
    assert list(view.kept("human only")) == []
    assert {row.seed for row in view.weights("dimp")} == {0, 1, 2}
    assert len(view.history("two-stage", 2)) == 300
    assert view.experiment_text().startswith("name: helpdesk")


def test_arm_with_odd_name_finds_its_folder(view):
    assert len(view.kept('human + "gpt" <b>4/5</b>')) == len(view.kept("dimp"))


def test_per_class_is_the_mean_over_seeds(view):
    seeds = view.arm("dimp").per_seed
    mean = sum(seed.per_class["refund"].f1 for seed in seeds) / 3
    assert view.per_class("dimp")["refund"].f1 == pytest.approx(mean)
    assert view.per_class("dimp")["refund"].support == 30


def test_best_is_the_lowest_of_a_metric_that_measures_an_error(own_run):
    def add(value):
        for place, arm in enumerate(value["arms"].values()):
            arm["mean"] = {"nll": 0.5 + abs(place - 1)}

    change(own_run / "results.json", add)
    change(own_run / "details.json", lambda value: value.update(metrics=["nll"]))
    assert read_run(own_run).best() == ARMS[1]


def test_anything_with_a_folder_is_a_run(run):
    @dataclass
    class Finished:
        folder: Path

    assert read_run(Finished(run)).name == "helpdesk"
    assert read_run(str(run)).name == "helpdesk"


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'x'}: no such folder.")):
        read_run(tmp_path / "x")


def test_file_is_refused(run):
    path = run / "results.json"
    with pytest.raises(DataError) as caught:
        read_run(path)
    assert str(caught.value) == f"{path}: expected a run folder, got a file.\n  Did you mean {run}?"


@pytest.mark.parametrize("name", ["results.json", "details.json"])
def test_folder_without_results_is_refused(own_run, name):
    (own_run / name).unlink()
    with pytest.raises(DataError) as caught:
        read_run(own_run)
    assert caught.value.message == f"{own_run}: holds no {name}: it is no run folder, or its run has not finished."


def test_cut_off_results_are_refused(own_run):
    path = own_run / "results.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(DataError, match=re.escape(f"{path}: line 1: not JSON")):
        read_run(own_run)


@pytest.mark.parametrize(("text", "got"), [("[1]", "a JSON object, got list"), ('{"schema": 2}', "schema 1, got 2")])
def test_foreign_results_are_refused(own_run, text, got):
    path = own_run / "results.json"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_run(own_run)
    assert caught.value.message == f"{path}: expected {got}."


def test_damaged_results_name_the_place(own_run):
    change(own_run / "results.json", lambda value: value["arms"]["dimp"].pop("mean"))
    with pytest.raises(DataError) as caught:
        read_run(own_run)
    assert caught.value.message == (
        f"{own_run / 'results.json'}: not what a run folder holds: arms → dimp → mean: field required."
    )


def test_results_without_arms_are_refused(own_run):
    change(own_run / "results.json", lambda value: value.update(arms={}))
    with pytest.raises(DataError, match="arms: dictionary should have at least 1 item"):
        read_run(own_run)


def test_files_that_contradict_each_other_are_refused(own_run):
    change(own_run / "details.json", lambda value: value["arms"].pop("dimp"))
    with pytest.raises(DataError, match=r"no arm 'dimp', which results.json has"):
        read_run(own_run)


def test_confusion_of_another_shape_is_refused(own_run):
    change(own_run / "details.json", lambda value: value["arms"]["dimp"]["confusion"].pop())
    with pytest.raises(DataError, match="arm 'dimp': the confusion matrix is not 6 x 6"):
        read_run(own_run)


def test_damaged_row_names_file_and_row(own_run):
    path = own_run / "data" / "dimp" / "synthetic.jsonl"
    path.write_text('{"id": "a", "text": "x", "label": "refund"}\n{"id": "b", "label": "refund"}\n')
    with pytest.raises(DataError) as caught:
        list(read_run(own_run).kept("dimp"))
    assert caught.value.message == f"{path}: not what a run folder holds: row 2 → text: field required."


def test_rows_that_were_not_kept_are_none(own_run):
    shutil.rmtree(own_run / "data")
    shutil.rmtree(own_run / "history")
    view = read_run(own_run)
    files = (view.kept("dimp"), view.dropped("dimp"), view.weights("dimp"), view.history("dimp", 0))
    assert [list(rows) for rows in files] == [[], [], [], []]


def test_rows_are_read_anew_and_a_part_at_a_time(own_run, monkeypatch):
    view = read_run(own_run)
    whole = list(view.kept("dimp"))
    monkeypatch.setattr("augtune.reporting.schema.ROWS_AT_ONCE", 7)
    rows = view.kept("dimp")
    assert list(rows) == list(rows) == whole


def test_damaged_row_of_a_later_part_is_named_by_its_place_in_the_file(own_run, monkeypatch):
    monkeypatch.setattr("augtune.reporting.schema.ROWS_AT_ONCE", 7)
    path = own_run / "data" / "dimp" / "synthetic.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[9] = '{"id": 4}'
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DataError) as raised:
        list(read_run(own_run).kept("dimp"))
    assert raised.value.message == (
        f"{path}: not what a run folder holds: row 10 → id: input should be a valid string; row 10 → text: field required."
    )
