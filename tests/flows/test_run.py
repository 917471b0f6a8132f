"""One experiment file to one run folder: the contract, what is skipped, what is redone, what is kept apart."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import pytest

from augtune.core.errors import DataError, InputError, SettingsError, StorageError
from augtune.core.files import read_json, read_jsonl
from augtune.experiment.run import run
from flows.small import experiment, write_task


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return write_task(tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="module")
def finished(task, tiny_encoder, tmp_path_factory):
    return run(experiment(task, tiny_encoder), out=tmp_path_factory.mktemp("runs"))


@pytest.fixture
def again(finished, tmp_path):
    """A copy of the finished run's parent folder, free to change."""
    shutil.copytree(finished.folder, tmp_path / "small")
    return tmp_path


def listened(source, out):
    events = []
    results = run(source, out=out, listen=events.append)
    return results, [(e["event"].removeprefix("stage-"), e["stage"]) for e in events if e["event"].startswith("stage-")]


def comparable(folder: Path):
    """Everything a run says that does not depend on the clock."""
    values = read_json(folder / "results.json")
    for arm in values["arms"].values():
        del arm["train_seconds"]
    predictions = {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.glob("predictions/*/*.jsonl"))}
    rows = {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.glob("data/*/*.jsonl"))}
    return values, predictions, rows


def test_results_hold_to_the_contract(finished):
    values = read_json(finished.folder / "results.json")
    assert list(values) == ["schema", "name", "seeds", "level", "references", "arms", "comparisons"]
    assert values["level"] == 0.95
    assert values["references"]["majority"]["accuracy"] == 0.5
    for name, arm in values["arms"].items():
        assert list(arm) == ["per_seed", "mean", "std", "interval", "rows", "cost", "train_seconds"]
        assert [scores["seed"] for scores in arm["per_seed"]] == [0, 1]
        for metric in ("macro_f1", "accuracy", "ece"):
            per_seed = [scores[metric] for scores in arm["per_seed"]]
            assert arm["mean"][metric] == pytest.approx(sum(per_seed) / 2)
            low, high = arm["interval"][metric]
            assert low <= high
        assert arm["rows"]["synthetic"] == (0 if name == "human only" else 32)
        assert set(arm["per_seed"][0]["per_class"]["negative"]) == {"precision", "recall", "f1", "support"}
        assert arm["cost"] == {"usd": 0.0, "calls": 0, "cached": 0, "tokens_in": 0, "tokens_out": 0}
    assert {(row["arm"], row["metric"], row["test"]) for row in values["comparisons"]} == {
        (arm, metric, test)
        for arm in ("human + model", "two/stage", "dimp", "imp")
        for metric, test in (
            ("macro_f1", "paired_bootstrap"),
            ("accuracy", "paired_bootstrap"),
            ("ece", "paired_bootstrap"),
            ("accuracy", "mcnemar"),
        )
    }
    assert all(0 <= row["p"] <= row["p_adjusted"] <= 1 for row in values["comparisons"])


def test_predictions_give_the_scores(finished):
    values = read_json(finished.folder / "results.json")
    for arm, folder in (("two/stage", "two_stage"), ("imp", "imp")):
        for scores in values["arms"][arm]["per_seed"]:
            rows = read_jsonl(finished.folder / "predictions" / folder / f"seed-{scores['seed']}.jsonl")
            assert [row["id"] for row in rows] == [f"test-{i:04d}" for i in range(40)]
            assert sum(row["label"] == row["predicted"] for row in rows) / 40 == scores["accuracy"]
            assert all(abs(sum(row["probabilities"].values()) - 1) < 1e-9 for row in rows)


def test_rows_kept_and_dropped_are_on_record(finished):
    kept = read_jsonl(finished.folder / "data" / "dimp" / "synthetic.jsonl")
    dropped = read_jsonl(finished.folder / "data" / "dimp" / "dropped.jsonl")
    assert len(kept) == 32
    assert {(row["by"], row["reason"]) for row in dropped} == {
        ("dedup", "human repeat"),
        ("contamination", "evaluation repeat"),
    }
    assert all(row["because"] for row in dropped)
    assert not (finished.folder / "data" / "human only").exists()


def test_weighted_arms_tell_each_rows_weight(finished):
    rows = read_jsonl(finished.folder / "data" / "imp" / "weights.jsonl")
    assert {row["seed"] for row in rows} == {0, 1}
    assert set(rows[0]) == {"id", "seed", "weight", "quality", "diversity"}
    assert "diversity" not in read_jsonl(finished.folder / "data" / "dimp" / "weights.jsonl")[0]
    assert not (finished.folder / "data" / "human + model" / "weights.jsonl").exists()
    details = read_json(finished.folder / "details.json")
    assert 0 < details["arms"]["imp"]["weights"]["effective_share"] <= 1


def test_models_load_and_predict_what_was_recorded(finished, task):
    from augtune.data import load
    from augtune.model.fitted import Fitted

    fitted = Fitted.load(finished.folder / "models" / "two_stage" / "seed-1")
    made = fitted.predict(load(task).test)
    rows = read_jsonl(finished.folder / "predictions" / "two_stage" / "seed-1.jsonl")
    assert list(made.predicted) == [row["predicted"] for row in rows]


def test_history_has_every_step(finished):
    history = read_jsonl(finished.folder / "history" / "two_stage" / "seed-0.jsonl")
    assert [row["step"] for row in history] == [1, 2, 3, 4, 5, 6]
    assert [row["stage"] for row in history] == ["stage 1"] * 3 + ["stage 2"] * 3


def test_run_when_finished_skips_every_stage(finished, again, task, tiny_encoder):
    before = comparable(again / "small")
    _, events = listened(experiment(task, tiny_encoder), again)
    assert {event for event, _ in events} == {"skipped"}
    assert comparable(again / "small") == before


def test_run_elsewhere_with_the_same_seeds_gives_the_same(finished, task, tiny_encoder, tmp_path):
    run(experiment(task, tiny_encoder), out=tmp_path)
    assert comparable(tmp_path / "small") == comparable(finished.folder)


def test_run_when_one_arm_changes_redoes_that_arm_alone(finished, again, task, tiny_encoder):
    changed = experiment(task, tiny_encoder)
    changed["arms"]["dimp"] = {"train": {"recipe": {"kind": "dimp", "clamp": 2.0}}}
    _, events = listened(changed, again)
    assert [stage for event, stage in events if event == "done"] == ["train", "predict"] * 2


def test_run_when_the_test_rows_change_trains_nothing_that_saw_none_of_them(finished, again, task, tiny_encoder):
    changed = experiment(task, tiny_encoder)
    changed["data"] = {**changed["data"], "test": "10/class of test"}
    _, events = listened(changed, again)
    done = [stage for event, stage in events if event == "done"]
    assert done.count("generate") == 0
    assert done.count("curate") == 1
    assert "predict" in done
    retrained = [stage for stage in done if stage in ("train", "checker")]
    kept = read_jsonl(again / "small" / "data" / "dimp" / "synthetic.jsonl")
    assert bool(retrained) == (len(kept) != 32)


def test_run_when_an_arm_is_damaged_makes_it_whole(finished, again, task, tiny_encoder):
    before = comparable(again / "small")
    model = next((again / "small" / "stages").glob("train-*/model/model.safetensors"))
    model.write_bytes(model.read_bytes()[:1000])
    _, events = listened(experiment(task, tiny_encoder), again)
    assert [stage for event, stage in events if event == "done"] == ["train"]
    assert comparable(again / "small") == before


def test_run_when_resolved_file_is_run_again_gives_the_same(finished, task, tmp_path):
    run(finished.folder / "experiment.yaml", out=tmp_path)
    assert comparable(tmp_path / "small") == comparable(finished.folder)


def test_checkers_are_shared_by_the_arms_that_need_them(finished):
    stamps = [read_json(path) for path in (finished.folder / "stages").glob("checker-*/stamp.json")]
    assert sorted(stamp["about"] for stamp in stamps) == [
        "diversity · seed 0",
        "diversity · seed 1",
        "quality · seed 0",
        "quality · seed 1",
    ]


def test_verdict_speaks_of_every_arm(finished):
    words = " ".join(finished.verdict)
    assert words.startswith("Highest macro-F1: ")
    for arm in ("human + model", "two/stage", "dimp", "imp"):
        assert f"{arm} " in words
    assert "40 test rows cannot reliably show differences in accuracy under" in words


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"data": {"source": "nowhere"}}, DataError, "nowhere"),
        ({"seeds": [1, 1]}, SettingsError, "seeds: every seed may stand once, got [1, 1]"),
        (
            {"generate": {"kind": "imported", "path": "no.jsonl"}},
            SettingsError,
            "generate.path: no such file: no.jsonl",
        ),
        ({"train": {"encoder": "./no/encoder"}}, InputError, "encoder './no/encoder': there is no such folder."),
        ({"train": {"keep": "best"}}, SettingsError, "train.keep: best needs rows to select on; set data.validation"),
    ],
)
def test_run_of_a_wrong_file_says_so_and_writes_nothing(task, tiny_encoder, tmp_path, change, error, message):
    wrong = copy.deepcopy(experiment(task, tiny_encoder)) | change
    with pytest.raises(error) as raised:
        run(wrong, out=tmp_path)
    assert message in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_run_in_a_folder_of_something_else_changes_nothing(task, tiny_encoder, tmp_path):
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "thesis.txt").write_text("important")
    with pytest.raises(StorageError, match="is not empty and was not made by augtune"):
        run(experiment(task, tiny_encoder), out=tmp_path)
    assert [path.name for path in (tmp_path / "small").iterdir()] == ["thesis.txt"]


def test_parts_of_one_file_never_overlap(task, tiny_encoder, tmp_path):
    wanted = experiment(task, tiny_encoder)
    wanted["data"] = {"source": str(task / "train.jsonl"), "test": "3/class of train", "train": "all of train"}
    wanted["arms"] = {"human only": {"generate": None, "curate": None}}
    wanted["seeds"] = [0]
    result = run(wanted, out=tmp_path)
    assert result.arms["human only"]["rows"]["human"] == 26
    rows = read_jsonl(result.folder / "predictions" / "human only" / "seed-0.jsonl")
    assert len(rows) == 6
    assert json.loads((result.folder / "details.json").read_text())["counts"]["train"] == {
        "negative": 5,
        "positive": 21,
    }


def test_two_generators_of_one_kind_may_share_an_arm(task, tiny_encoder, tmp_path):
    wanted = experiment(task, tiny_encoder, seeds=[0])
    wanted["generate"] = [{"kind": "eda", "per_class": 4, "operations": ["swap"]}, {"kind": "eda", "per_class": 3}]
    wanted["arms"], wanted["evaluate"] = {"eda": {}}, {}
    result = run(wanted, out=tmp_path)
    rows = read_jsonl(result.folder / "data" / "eda" / "synthetic.jsonl")
    dropped = read_jsonl(result.folder / "data" / "eda" / "dropped.jsonl")
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == len(ids)
    assert len(rows) + sum(row["by"] != "eda" for row in dropped) == 14


def test_agree_asks_the_experiments_language_model_and_keeps_what_it_changed(task, tiny_encoder, tmp_path):
    replies = tmp_path / "replies.txt"
    wanted = experiment(task, tiny_encoder, seeds=[0])
    wanted["curate"].append({"kind": "agree", "action": "relabel", "text_type": "review", "label_type": "sentiment"})
    wanted["arms"], wanted["evaluate"] = {"agreed": {}}, {}
    with pytest.raises(SettingsError, match="llm: missing; agree needs a language model"):
        run(wanted, out=tmp_path)
    lines = [json.dumps("positive")] * 40
    replies.write_text("\n".join(lines) + "\n")
    wanted["llm"] = {"model": f"scripted/{replies}"}
    result = run(wanted, out=tmp_path)
    changed = read_jsonl(result.folder / "data" / "agreed" / "changed.jsonl")
    assert changed
    assert {(row["before"]["label"], row["after"]["label"]) for row in changed} == {("negative", "positive")}
    assert result.arms["agreed"]["cost"]["calls"] > 0
    _, events = listened(wanted, tmp_path)
    assert {event for event, _ in events} == {"skipped"}
