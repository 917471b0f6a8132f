"""A search for training settings: on human rows alone, resumable, counted, used in the final trainings."""

from __future__ import annotations

import json

import pandas
import pytest

from augtune.core.dataset import Dataset, Example, HumanDataset
from augtune.core.errors import SettingsError
from augtune.core.files import read_json, read_jsonl
from augtune.core.labels import Labels
from augtune.experiment.plan import read_plan
from augtune.experiment.run import run
from augtune.experiment.search import SearchSettings, keys_for
from augtune.experiment.searching import SearchRows
from flows.small import experiment, write_task

OVER = {"train.lr": [1e-4, 1e-2, "log"], "train.head": ["mean", "cls"], "train.recipe.stage1_share": [0.2, 0.8]}


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return write_task(tmp_path_factory.mktemp("task"))


def searching(task, encoder, **search):
    values = experiment(task, encoder)
    values["arms"] = {"human only": {"generate": None, "curate": None}, "two-stage": {"train": {"recipe": "two_stage"}}}
    values["train"] = {"encoder": encoder, "steps": 3, "batch_size": 8, "lr": 1e-3, "precision": "fp32"}
    values["inspect"] = None
    values["search"] = {"trials": 4, "over": OVER, "folds": 2, **search}
    return values


def comparable(folder):
    values = read_json(folder / "results.json")
    for arm in values["arms"].values():
        del arm["train_seconds"]
        arm["search"].pop("seconds")
    return values


@pytest.fixture(scope="module")
def finished(task, tiny_encoder, tmp_path_factory):
    events = []
    results = run(searching(task, tiny_encoder), out=tmp_path_factory.mktemp("runs"), listen=events.append)
    return results, events


def test_every_arm_is_searched_over_the_keys_it_has_and_trained_with_what_was_found(finished):
    results, events = finished
    plain, staged = (results.arms[arm]["search"] for arm in ("human only", "two-stage"))
    assert set(plain["values"]) == {"train.lr", "train.head"}
    assert set(staged["values"]) == set(OVER)
    settings = results.details["arms"]["two-stage"]["settings"]["train"]
    assert settings["lr"] == staged["values"]["train.lr"]
    assert settings["recipe"]["stage1_share"] == staged["values"]["train.recipe.stage1_share"]
    assert plain["score"] >= plain["first"]
    done = [event for event in events if event["event"] == "stage-done"]
    assert sum(event["stage"] == "search" for event in done) == 8
    assert sum(event["stage"] == "train" for event in done) == 4


def test_it_is_told_in_words_and_counted(finished):
    results, _ = finished
    told = [line for line in results.verdict if line.startswith("Settings searched for human only: train.lr ")]
    assert len(told) == 1
    assert "the best of 4 trials by macro-F1 on 2 parts of 32 human training rows" in told[0]
    table = pandas.read_csv(results.folder / "results.csv")
    own = table[table.arm == "human only"].search_seconds.unique()
    assert own == pytest.approx([results.arms["human only"]["search"]["seconds"]])


def test_the_study_is_one_of_optunas(finished):
    import optuna

    path = str(finished[0].folder / "search" / "two-stage.journal")
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(path))
    study = optuna.load_study(study_name="search", storage=storage)
    assert len(study.trials) == 4
    assert study.best_value == finished[0].arms["two-stage"]["search"]["score"]
    assert study.trials[0].params["train.lr"] == 1e-3


def test_a_search_cut_off_goes_on_to_the_same_result(finished, task, tiny_encoder, tmp_path):
    def stop_at(event):
        if event["event"] == "stage-started" and "trial 3 of 4" in event["about"]:
            raise KeyboardInterrupt

    source = searching(task, tiny_encoder)
    with pytest.raises(KeyboardInterrupt):
        run(source, out=tmp_path, listen=stop_at)
    events = []
    results = run(source, out=tmp_path, listen=events.append)
    assert comparable(results.folder) == comparable(finished[0].folder)
    assert sum(e["event"] == "stage-done" and e["stage"] == "search" for e in events) == 6


def test_test_rows_have_no_part_in_it(finished, task, tiny_encoder, tmp_path):
    rows = read_jsonl(task / "test.jsonl")
    other = write_task(tmp_path / "task")
    swapped = [{**row, "label": {"positive": "negative", "negative": "positive"}[row["label"]]} for row in rows]
    (other / "test.jsonl").write_text("\n".join(map(json.dumps, swapped)) + "\n", encoding="utf-8")
    results = run(searching(other, tiny_encoder), out=tmp_path)
    for arm in ("human only", "two-stage"):
        ours, theirs = (one.arms[arm]["search"] for one in (results, finished[0]))
        assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}


def test_what_is_found_for_one_arm_is_used_where_the_file_says_the_same(task, tiny_encoder, tmp_path):
    source = searching(task, tiny_encoder, arm="human only", over={"train.lr": [1e-4, 1e-2, "log"]})
    source["seeds"] = [0]
    source["arms"] = {**source["arms"], "slow": {"generate": None, "curate": None, "train": {"lr": 1e-6}}}
    results = run(source, out=tmp_path)
    found = results.arms["human only"]["search"]["values"]["train.lr"]
    rates = {arm: about["settings"]["train"]["lr"] for arm, about in results.details["arms"].items()}
    assert rates == {"human only": found, "two-stage": found, "slow": 1e-6}
    assert "search" not in results.arms["slow"]


def test_validation_rows_judge_where_there_are_some(task, tiny_encoder, tmp_path):
    source = searching(task, tiny_encoder, folds=None, over={"train.lr": [1e-4, 1e-2, "log"]}, trials=2)
    source["data"] = {**source["data"], "validation": "4/class of train"}
    source["arms"] = {"human only": {"generate": None, "curate": None}}
    source["seeds"] = [0]
    results = run(source, out=tmp_path)
    assert results.arms["human only"]["search"]["judged"] == "8 validation rows"


LABELS = Labels(("a", "b"))


def test_rows_made_from_a_judging_row_are_left_out():
    human = HumanDataset.from_examples(
        [Example(f"h{i}", f"t {i}", "ab"[i % 2]) for i in range(12)], LABELS, name="x/train"
    )
    made = [Example(f"s{i}", f"s {i}", "ab"[i % 2], origin="rewritten", parents=(f"h{i}",)) for i in range(12)]
    rows = SearchRows(human, Dataset.from_examples(made, LABELS, name="s"), None)
    rounds = list(rows.rounds(SearchSettings(over={"train.lr": [0.1, 0.2]}, folds=3)))
    assert sorted(name for _, judging in rounds for name in judging.ids) == sorted(human.ids)
    for dataset, judging in rounds:
        assert len(dataset) == 16
        assert not set(judging.ids) & {parent for row in dataset for parent in (row.id, *row.parents)}


def test_a_search_takes_human_rows_only_and_has_no_place_for_test_rows():
    made = Dataset.from_examples([Example("s", "t", "a", origin="generated")], LABELS, name="s")
    with pytest.raises(TypeError, match=r"^a search judges by human rows, got a Dataset$"):
        SearchRows(made, None, None)
    assert set(SearchRows.__dataclass_fields__) == {"human", "synthetic", "validation"}


@pytest.mark.parametrize(
    ("search", "data", "problem"),
    [
        ({}, {}, "search: there are no validation rows to judge by, and test rows are not for that; set data.validation, or search.folds: 3 to judge by parts of the human training rows"),
        ({"folds": 3}, {"validation": "all"}, "search.folds: there are validation rows to judge by; leave it out"),
        ({"folds": 3, "arm": "b"}, {}, "search.arm: no arm that trains a classifier is called 'b'; there are: a"),
        ({"folds": 3, "over": {"train.lrr": [1, 2]}}, {}, "search.over.train.lrr: unknown key; did you mean 'lr'?"),
        ({"folds": 3, "over": {"train.lr": [-1.0, 2]}}, {}, "search.over.train.lr: should be greater than 0, got -1.0"),
        ({"folds": 3, "over": {"lr": [1, 2]}}, {}, "search.over.lr: expected a training setting such as train.lr or train.recipe.stage1_share"),
        ({"folds": 3, "over": {"train.lr": [2, 1]}}, {}, "search.over.train.lr: expected the lower end first, got [2, 1]"),
        ({"folds": 3, "over": {"train.lr": [0, 1, "log"]}}, {}, "search.over.train.lr: expected the lower end first, over 0 for log, got [0, 1, 'log']"),
        ({"folds": 3, "over": {"train.lr": 1}}, {}, "search.over.train.lr: expected [low, high], [low, high, log] or two values or more to choose from, got 1"),
        ({"folds": 3, "metric": "macro_f2"}, {}, "search.metric.kind: no metric is called 'macro_f2'; did you mean 'macro_f1'?"),
        ({"folds": 3, "trial": 3}, {}, "search.trial: unknown key; did you mean 'trials'?"),
    ],
)  # fmt: skip
def test_a_wrong_search_is_told_of(search, data, problem):
    given = {"over": {"train.lr": [1e-5, 1e-3, "log"]}, **search}
    with pytest.raises(SettingsError) as caught:
        read_plan({"name": "x", "data": {"source": "nowhere", **data}, "arms": {"a": {}}, "search": given})
    assert list(caught.value.problems) == [problem]


def test_the_recipe_is_not_searched_for_an_arm_that_chooses_it(task, tiny_encoder):
    values = searching(task, tiny_encoder, over={"train.recipe": ["vanilla", "two_stage"]})
    values["arms"] = {"human only": {}, "auto": {"train": {"recipe": "auto"}}}
    plan = read_plan(values)
    assert {arm.name: keys_for(plan.experiment.search, arm) for arm in plan.arms} == {
        "human only": ("train.recipe",),
        "auto": (),
    }
    del values["arms"]["human only"]
    values["evaluate"] = {**values["evaluate"], "baseline": "auto"}
    with pytest.raises(SettingsError) as found:
        read_plan(values)
    assert "search.over.train.recipe: two_stage: how rows are used is what is chosen here" in str(found.value)


def test_a_run_killed_while_it_held_the_journal_goes_on(task, tiny_encoder, finished, tmp_path, monkeypatch):
    from optuna.storages import journal

    def killed(*_):
        raise KeyboardInterrupt

    source = searching(task, tiny_encoder)
    for lock in (journal.JournalFileOpenLock, journal.JournalFileSymlinkLock):
        monkeypatch.setattr(lock, "release", killed)
    with pytest.raises(KeyboardInterrupt):
        run(source, out=tmp_path)
    monkeypatch.undo()
    assert list((tmp_path / "small" / "search").glob("*.lock"))
    run(source, out=tmp_path)
    assert comparable(tmp_path / "small") == comparable(finished[0].folder)
