"""``recipe: auto``: an arm whose way of training is chosen on human rows, beside arms that say theirs."""

from __future__ import annotations

import pickle
from concurrent.futures import Future
from contextlib import contextmanager

import pytest
import torch

from augtune.cli.tree import plan_text
from augtune.core.decision import Decision
from augtune.core.errors import SettingsError
from augtune.core.files import read_json, read_jsonl
from augtune.experiment.check import check
from augtune.experiment.plan import read_plan
from augtune.experiment.ray_crew import _put
from augtune.experiment.ray_task import MARK, Order, identity, perform
from augtune.experiment.run import run
from augtune.model.fitted import Fitted
from augtune.reporting.choices import choices_of
from augtune.reporting.read import read_run
from flows.several import tags_experiment, write_tags
from flows.small import experiment, write_task

AUTO = {
    "kind": "auto",
    "candidates": ["probe", "mix", "two_stage"],
    "folds": {"folds": 2, "repeats": 1, "near": 1.0},
    "learning": False,
}


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return write_task(tmp_path_factory.mktemp("task"))


def choosing(task, encoder, **auto):
    values = experiment(task, encoder)
    values["arms"] = {"human only": {"generate": None, "curate": None}, "auto": {"train": {"recipe": {**AUTO, **auto}}}}
    values["train"] = {"encoder": encoder, "steps": 3, "batch_size": 8, "precision": "fp32"}
    values["inspect"] = None
    return values


def comparable(folder):
    values = read_json(folder / "results.json")
    for arm in values["arms"].values():
        del arm["train_seconds"]
    return values


@pytest.fixture(scope="module")
def finished(task, tiny_encoder, tmp_path_factory):
    return run(choosing(task, tiny_encoder), out=tmp_path_factory.mktemp("runs"))


def test_an_arm_is_chosen_for_each_seed_and_compared_like_any_other(finished):
    assert list(finished.arms) == ["human only", "auto"]
    for seed in (0, 1):
        model = Fitted.load(finished.folder / "models" / "auto" / f"seed-{seed}")
        assert isinstance(model.decision, Decision)
        assert model.decision.seed == seed
        assert model.decision.trainings <= 6
        page = (finished.folder / "models" / "auto" / f"seed-{seed}" / "decision.html").read_text(encoding="utf-8")
        assert "What was tried" in page


def test_the_resolved_file_chooses_the_same(finished, task, tiny_encoder, tmp_path):
    plan = read_plan(finished.folder / "experiment.yaml")
    arm = next(arm for arm in plan.arms if arm.name == "auto")
    assert [way.name for way in arm.choose.ways] == ["human_only", "probe", "mix 1", "two_stage"]
    again = run(choosing(task, tiny_encoder), out=tmp_path)
    assert comparable(again.folder) == comparable(finished.folder)


def test_a_run_again_chooses_nothing_anew(finished, task, tiny_encoder):
    events = []
    run(choosing(task, tiny_encoder), out=finished.folder.parent, listen=events.append)
    assert {event["event"] for event in events if event.get("stage") in ("choose", "train")} <= {
        "stage-skipped",
        "note",
    }


def test_changing_how_is_chosen_chooses_anew_and_keeps_what_is_the_same(finished, task, tiny_encoder):
    events = []
    run(choosing(task, tiny_encoder, exclude=["two_stage"]), out=finished.folder.parent, listen=events.append)
    done = [event for event in events if event["event"] == "stage-done" and event["stage"] == "train"]
    assert any(event["about"].startswith("auto · seed") for event in done)
    skipped = [event for event in events if event["event"] == "stage-skipped" and event["stage"] == "choose"]
    assert skipped


def test_the_plan_says_what_is_compared_and_counts_its_trainings(task, tiny_encoder):
    told = plan_text(check(choosing(task, tiny_encoder)))
    assert "recipe auto" in told
    assert "chosen among human_only, probe, mix 1, two_stage" in told
    assert "at most 6 trainings of 3 steps" in told


def test_the_plan_says_that_an_average_is_distilled(task, tiny_encoder):
    told = plan_text(check(choosing(task, tiny_encoder, distill=True)))
    assert "at most 6 trainings of 3 steps, the last of which distils the average into one model" in told


def test_what_needs_validation_rows_is_refused_before_anything_runs(task, tiny_encoder):
    values = choosing(task, tiny_encoder)
    values["data"]["validation"] = "all of test"
    values["arms"]["auto"]["train"]["keep"] = "best"
    with pytest.raises(SettingsError) as found:
        check(values)
    assert list(found.value.problems) == [
        "arms.auto: train: keep: best needs validation rows, and a choice uses none: it judges by folds of the "
        "training rows; leave it out"
    ]


def test_a_metric_of_another_task_is_refused_before_anything_runs(tmp_path, tiny_encoder):
    values = tags_experiment(write_tags(tmp_path), tiny_encoder)
    values["arms"] = {"human only": {}, "auto": {"train": {"recipe": {"kind": "auto", "metric": "mcc"}}}}
    with pytest.raises(SettingsError) as found:
        check(values)
    assert list(found.value.problems) == [
        "arms.auto: recipe auto: metric mcc: made for data.task single_label or ordinal; here it is multi_label"
    ]


@pytest.mark.parametrize("command", [check, run])
def test_a_choice_that_has_no_room_or_too_few_rows_is_refused_before_anything_runs(
    task, tiny_encoder, tmp_path, command, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    values = choosing(task, tiny_encoder, max_steps=2)
    values["arms"]["few"] = {"train": {"recipe": AUTO}, "data": {"train": "1/class"}}
    with pytest.raises(SettingsError) as found:
        command(values)
    assert found.value.problems[0] == (
        "arms.auto: choose.max_steps: expected at least 3, which the final training takes; got 2"
    )
    assert found.value.problems[1].startswith("arms.few: ")
    assert "are too few to train on some and judge by others. Add rows: two at least" in found.value.problems[1]
    assert not list(tmp_path.iterdir())


def test_an_arm_of_rows_with_several_labels_is_chosen(tmp_path, tiny_encoder):
    values = tags_experiment(write_tags(tmp_path), tiny_encoder, seeds=[0], inspect=None)
    how = {**AUTO, "candidates": ["two_stage"], "trainings": 1, "average": False}
    values["arms"] = {"human only": {}, "auto": {"train": {"recipe": how}}}
    found = run(values, out=tmp_path)
    model = Fitted.load(found.folder / "models" / "auto" / "seed-0")
    assert model.labels.has_many
    assert {one.name for one in model.decision.tried} == {"two_stage"}
    assert 0 <= found.arms["auto"]["mean"]["macro_f1"] <= 1


def test_wrong_keys_are_told_at_their_place(task, tiny_encoder):
    with pytest.raises(SettingsError) as found:
        read_plan(choosing(task, tiny_encoder, trainingss=3))
    assert "arms.auto.train.recipe.trainingss: unknown key; did you mean 'trainings'?" in str(found.value)


class Elsewhere:
    """A crew that does pieces of work as a Ray worker does, in this process: sent as bytes, files brought back."""

    def __init__(self, store, is_shared):
        self.store, self.is_shared, self.done = store, is_shared, []

    def begin(self, function, *args, **named):
        found = Future()
        found.set_result(function(*args, **named))
        return found

    def map(self, function, items):
        return map(function, items)

    def do(self, work, folder, about, note):
        (self.store.path / MARK).write_text("a word", encoding="utf-8")
        word = "a word" if self.is_shared else None
        order = Order(about, str(self.store.path), str(folder), word, torch.get_num_threads(), identity())
        came = perform(pickle.loads(pickle.dumps(work)), order)
        (self.store.path / MARK).unlink()
        if came.error is not None:
            raise came.error
        self.done.append((type(work).__name__, came.part is not None))
        for sentence in came.said:
            note(sentence)
        _put(came, folder)
        return came.notes

    def close(self):
        """Nothing is open."""


@pytest.mark.parametrize("is_shared", [True, False])
def test_a_choice_is_one_piece_of_work_for_a_worker_and_comes_to_the_same(
    finished, task, tiny_encoder, tmp_path, monkeypatch, is_shared
):
    crews = []

    @contextmanager
    def connected(address, settings, store):
        crews.append(Elsewhere(store, is_shared))
        yield crews[0]

    monkeypatch.setattr("augtune.experiment.ray_crew.connected", connected)
    values = choosing(task, tiny_encoder)
    del values["arms"]["human only"]
    values["evaluate"]["baseline"] = "auto"
    found = run({**values, "seeds": [0]}, out=tmp_path, ray="local")
    assert ("ChooseWork", is_shared) in crews[0].done
    here, there = (one.folder / "models" / "auto" / "seed-0" for one in (finished, found))
    files = sorted(path.relative_to(here) for path in here.rglob("*.safetensors"))
    assert files
    assert all((here / name).read_bytes() == (there / name).read_bytes() for name in files)
    assert (there / "decision.html").is_file()
    assert not list(found.folder.rglob("choice"))
    notes = [event["message"] for event in read_jsonl(found.folder / "events.jsonl") if event["event"] == "note"]
    assert sum(note.startswith("chosen: ") for note in notes) == 1


def test_the_report_and_the_verdict_say_what_was_chosen(finished):
    details = read_json(finished.folder / "details.json")
    decisions = details["arms"]["auto"]["decisions"]
    assert [one["seed"] for one in decisions] == [0, 1]
    assert "decisions" not in details["arms"]["human only"]
    assert any(sentence.startswith("auto chose ") for sentence in finished.verdict)
    (choice,) = choices_of(read_run(finished.folder))
    assert [row[-1].link for row in choice.seeds.rows] == [f"models/auto/seed-{seed}/decision.html" for seed in (0, 1)]
