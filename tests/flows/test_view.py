"""A view of the labels in an experiment file: human, imported and test rows alike, and what it leaves out on record."""

from __future__ import annotations

import json

import pytest

from augtune.core.errors import SettingsError
from augtune.core.files import read_json, read_jsonl
from augtune.experiment.check import check
from augtune.experiment.run import run
from augtune.model.fitted import Fitted

WORDS = {"negative": "awful bad hate", "neutral": "day week people", "positive": "good great love", "odd": "lamp bill"}


def write(path, labels, count, start):
    rows = [
        {"text": f"the {WORDS[label].split()[i % 2]} thing number {start + i} {label[0]}", "label": label}
        for label in labels
        for i in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="module")
def file(tmp_path_factory, tiny_encoder):
    """An experiment over four labels seen as two, the fourth left out."""
    folder = tmp_path_factory.mktemp("task")
    write(folder / "train.jsonl", WORDS, 6, 0)
    write(folder / "test.jsonl", WORDS, 5, 50)
    write(folder / "synthetic_model.jsonl", WORDS, 4, 100)
    return {
        "name": "viewed",
        "seeds": [0],
        "data": {
            "source": str(folder),
            "view": {"non-neutral": ["negative", "positive"], "neutral": ["neutral"], "drop": ["odd"]},
        },
        "generate": {"kind": "imported", "path": str(folder / "synthetic_model.jsonl")},
        "curate": [{"kind": "contamination", "measure": "jaccard", "threshold": 0.99}],
        "train": {"encoder": tiny_encoder, "steps": 2, "precision": "fp32"},
        "arms": {"human": {"generate": None, "curate": None}, "both": {}},
        "evaluate": {"resamples": 100},
    }


def test_run_measures_the_classes_of_the_view(file, tmp_path):
    run(file, out=tmp_path)
    folder = tmp_path / "viewed"
    results = read_json(folder / "results.json")
    assert list(results["arms"]["both"]["per_seed"][0]["per_class"]) == ["non-neutral", "neutral"]
    supports = [c["support"] for c in results["arms"]["both"]["per_seed"][0]["per_class"].values()]
    assert supports == [10, 5]
    synthetic = [row["label"] for row in read_jsonl(folder / "data" / "both" / "synthetic.jsonl")]
    assert (synthetic.count("non-neutral"), synthetic.count("neutral")) == (8, 4)
    dropped = read_jsonl(folder / "data" / "both" / "dropped.jsonl")
    assert [(row["by"], row["label"]) for row in dropped] == [("view", "odd")] * 4
    left_out = read_jsonl(folder / "data" / "left-out.jsonl")
    assert [(row["by"], row["label"]) for row in left_out] == [("view", "odd")] * 11
    assert Fitted.load(folder / "models" / "both" / "seed-0").labels.names == ("non-neutral", "neutral")
    assert run(folder / "experiment.yaml", out=tmp_path).arms == results["arms"]


def test_run_without_the_view_clears_its_record(file, tmp_path):
    run(file, out=tmp_path)
    run({**file, "data": {"source": file["data"]["source"]}}, out=tmp_path)
    assert not (tmp_path / "viewed" / "data" / "left-out.jsonl").exists()
    assert list(read_json(tmp_path / "viewed" / "results.json")["arms"]["both"]["per_seed"][0]["per_class"]) == [
        "negative", "neutral", "odd", "positive",
    ]  # fmt: skip


def test_check_tells_the_view(file):
    from augtune.cli.tree import plan_text

    line = "view        non-neutral = negative + positive · neutral = neutral  left out: 11 rows of odd"
    assert line in plan_text(check(file))


def test_check_refuses_a_view_that_does_not_fit(file):
    data = {**file["data"], "view": "one-vs-rest neutrl"}
    with pytest.raises(SettingsError, match=r"^view: there is no label 'neutrl'; did you mean 'neutral'\?$"):
        check({**file, "data": data})
