"""A task on pairs of texts, from an experiment file and from the command line, and what single texts are told."""

from __future__ import annotations

import json

import pytest

from augtune.cli.main import main
from augtune.core.errors import SettingsError
from augtune.core.files import read_json, read_jsonl
from augtune.experiment.check import check
from augtune.experiment.run import run
from augtune.generation import GENERATORS

THINGS = "film movie plot acting story parcel lamp login bill charge".split()


def write(path, count, start, *, paired=True):
    rows = []
    for i in range(start, start + count):
        same = i % 2 == 0
        first, second = THINGS[i % 10], THINGS[i % 10 if same else (i + 3) % 10]
        row = {"text": f"the {first} was late number {i}", "label": "same" if same else "other"}
        rows.append({**row, "text_pair": f"a late {second} made {i} times"} if paired else row)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    write(folder / "train.jsonl", 16, 0)
    write(folder / "test.jsonl", 10, 100)
    write(folder / "synthetic_pairs.jsonl", 12, 200)
    write(folder / "synthetic_single.jsonl", 12, 300, paired=False)
    return folder


def experiment(task, encoder, **arm):
    return {
        "name": "pairs",
        "seeds": [0],
        "data": {"source": str(task), "labels": ["other", "same"]},
        "llm": {"model": "openai/gpt-4.1-mini", "budget": "1 USD"},
        "curate": [{"kind": kind, "measure": "jaccard", "threshold": 0.99} for kind in ("dedup", "contamination")],
        "train": {"encoder": encoder, "steps": 3, "precision": "fp32", "checkers": {"folds": 2}},
        "arms": {"human": {"generate": None, "curate": None}, "both": arm},
        "evaluate": {"resamples": 100},
    }


def imported(task, name):
    return {"kind": "imported", "path": str(task / name)}


def test_pairs_run_to_results_with_synthetic_pairs(task, tiny_encoder, tmp_path):
    arm = {"generate": imported(task, "synthetic_pairs.jsonl"), "train": {"recipe": "dimp"}}
    run(experiment(task, tiny_encoder, **arm), out=tmp_path)
    assert read_json(tmp_path / "pairs" / "results.json")["arms"]["both"]["rows"] == {"human": 16, "synthetic": 12}
    assert all("text_pair" in row for row in read_jsonl(tmp_path / "pairs" / "data" / "both" / "synthetic.jsonl"))


def test_single_synthetic_rows_are_refused_before_anything_is_trained(task, tiny_encoder, tmp_path):
    arm = {"generate": imported(task, "synthetic_single.jsonl")}
    for step in (check, lambda file: run(file, out=tmp_path)):
        with pytest.raises(SettingsError) as caught:
            step(experiment(task, tiny_encoder, **arm))
        assert str(caught.value) == (
            f"generate: {task}/synthetic_single.jsonl: the human rows are pairs, these are single texts. Name the "
            "column of the second text: columns: {text_pair: COLUMN}.\n  Nothing was run."
        )
    assert not (tmp_path / "pairs").exists()


@pytest.mark.parametrize("kind", [kind for kind in GENERATORS if not GENERATORS.load(kind).takes_pairs])
def test_generator_of_single_texts_is_refused_at_check(kind, task, tiny_encoder):
    with pytest.raises(SettingsError) as caught:
        check(experiment(task, tiny_encoder, generate={"kind": kind}))
    assert str(caught.value) == (
        f"generate: {kind}: works on single texts, and the rows of 'pairs/train' are pairs. Pairs can be imported: "
        "{kind: imported, path: FILE}.\n  Nothing was run."
    )


def test_commands_train_predict_and_evaluate_pairs(task, tiny_encoder, tmp_path, capsys):
    model, out = str(tmp_path / "model"), str(tmp_path / "predictions.jsonl")
    command = ["train", str(task / "train.jsonl"), "--encoder", tiny_encoder, "--steps", "2", "--out", model]
    assert main([*command, "--synthetic", str(task / "synthetic_pairs.jsonl")]) == 0
    assert main(["predict", model, str(task / "test.jsonl"), "--out", out]) == 0
    assert main(["evaluate", out]) == 0
    assert "10 rows, 2 labels" in capsys.readouterr().out


def test_commands_tell_single_texts_from_pairs(task, tiny_encoder, tmp_path, capsys):
    model = str(tmp_path / "model")
    train = ["train", str(task / "train.jsonl"), "--encoder", tiny_encoder, "--steps", "1"]
    single = write(tmp_path / "single.jsonl", 8, 400, paired=False)
    assert main([*train, "--synthetic", str(single), "--out", model]) == 2
    assert f"error: {single}: the human rows are pairs, these are single texts.\n" in capsys.readouterr().err
    assert main([*train, "--out", model]) == 0
    capsys.readouterr()
    assert main(["predict", model, str(single)]) == 2
    assert capsys.readouterr().err == (
        f"error: {single}: the model reads pairs of texts; name both columns with --text and --text-pair; "
        "there are: text, label.\n"
    )
    assert main(["train", str(single), "--encoder", tiny_encoder, "--steps", "1", "--out", model]) == 0
    capsys.readouterr()
    assert main(["predict", model, str(task / "test.jsonl")]) == 2
    assert capsys.readouterr().err == (
        f"error: {task}/test.jsonl: the model reads single texts, and there is a column 'text_pair'.\n"
        "  Take a model that was trained on pairs, or name the one text to read: --text COLUMN.\n"
    )
    assert main(["predict", model, str(task / "test.jsonl"), "--text", "text"]) == 0
    assert main(["predict", model, str(single), "--text-pair", "label"]) == 2
    assert "error: --text-pair: the model reads single texts.\n" in capsys.readouterr().err
