"""Rows with several labels and ordered labels, from the experiment file to the report, and on the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score, hamming_loss
from typer.testing import CliRunner

from augtune.cli.main import app
from augtune.core.errors import SettingsError
from augtune.core.files import read_json, read_jsonl
from augtune.experiment.check import check
from augtune.experiment.run import run
from augtune.model.fitted import Fitted
from augtune.reporting.html import report
from flows.several import stars_experiment, tags_experiment, write_stars, write_tags

NAMES = ("anger", "fear", "joy")


@pytest.fixture(scope="module")
def tags(tmp_path_factory):
    return write_tags(tmp_path_factory.mktemp("tags"))


@pytest.fixture(scope="module")
def tagged(tags, tiny_encoder, tmp_path_factory):
    return run(tags_experiment(tags, tiny_encoder), out=tmp_path_factory.mktemp("runs"))


def marks(rows: list[dict], field: str) -> np.ndarray:
    return np.array([[name in row[field] for name in NAMES] for row in rows])


def test_predictions_of_several_labels_are_lists_and_scores_are_theirs(tagged):
    for arm, values in tagged.arms.items():
        for one in values["per_seed"]:
            rows = read_jsonl(tagged.folder / "predictions" / arm / f"seed-{one['seed']}.jsonl")
            true, said = marks(rows, "label"), marks(rows, "predicted")
            assert one["macro_f1"] == pytest.approx(f1_score(true, said, average="macro", zero_division=0))
            assert one["micro_f1"] == pytest.approx(f1_score(true, said, average="micro", zero_division=0))
            assert one["accuracy"] == pytest.approx((true == said).all(axis=1).mean())
            assert one["hamming_loss"] == pytest.approx(hamming_loss(true, said))
            assert [one["per_class"][name]["support"] for name in NAMES] == true.sum(axis=0).tolist()
            assert all(0 <= p <= 1 for row in rows for p in row["probabilities"].values())


def test_labels_are_predicted_from_half_a_chance_or_from_the_tuned_threshold(tagged):
    plain = read_jsonl(tagged.folder / "predictions" / "human only" / "seed-0.jsonl")
    assert all((p >= 0.5) == (name in row["predicted"]) for row in plain for name, p in row["probabilities"].items())
    fitted = Fitted.load(tagged.folder / "models" / "tuned" / "seed-0")
    assert fitted.thresholds is not None
    at = dict(zip(fitted.labels, fitted.thresholds, strict=True))
    tuned = read_jsonl(tagged.folder / "predictions" / "tuned" / "seed-0.jsonl")
    assert all(
        (p >= at[name]) == (name in row["predicted"]) for row in tuned for name, p in row["probabilities"].items()
    )


def test_saved_model_of_several_labels_gives_the_same_and_stock_pipelines_take_the_sigmoid(tagged, tags):
    from transformers import pipeline

    folder = tagged.folder / "models" / "human only" / "seed-0"
    rows = read_jsonl(tagged.folder / "predictions" / "human only" / "seed-0.jsonl")
    text = (tags / "test.csv").read_text(encoding="utf-8").splitlines()[1].split(",")[0]
    again = Fitted.load(folder).predict([text]).probabilities[0]
    assert again == pytest.approx([rows[0]["probabilities"][name] for name in NAMES], abs=1e-6)
    (said,) = pipeline("text-classification", str(folder), top_k=None)([text])
    stock = {one["label"]: one["score"] for one in said}
    assert [stock[name] for name in NAMES] == pytest.approx(list(again), abs=1e-5)


def test_run_of_several_labels_is_compared_resumed_and_reported(tagged, tags, tiny_encoder):
    assert {one["metric"] for one in tagged.values["comparisons"]} >= {"macro_f1", "hamming_loss", "auroc"}
    synthetic = read_jsonl(tagged.folder / "data" / "two-stage" / "synthetic.jsonl")
    assert all(isinstance(row["label"], list) for row in synthetic)
    events = []
    run(tags_experiment(tags, tiny_encoder), out=tagged.folder.parent, listen=events.append)
    assert not [one for one in events if one["event"] == "stage-started"]
    page = report(tagged, tagged.folder / "report.html").read_text(encoding="utf-8")
    assert "a count off the diagonal is of rows in which the label was missed" in page
    assert "Hamming loss" in page
    assert read_json(tagged.folder / "details.json")["rows"] == {"train": 40, "test": 40}


def test_what_is_not_made_for_several_labels_is_refused_before_anything_runs(tags, tiny_encoder, tmp_path):
    wrong = tags_experiment(
        tags,
        tiny_encoder,
        llm={"model": "openai/gpt-4.1-mini"},
        arms={
            "asked": {"ask": {}},
            "written": {"generate": "gpt3mix", "curate": ["agree"]},
            "weighed": {"train": {"recipe": "imp"}},
            "margins": {"train": {"recipe": {"kind": "two_stage", "variant": "reweighted"}}},
        },
        evaluate={"metrics": ["mcc", "mae"]},
    )
    with pytest.raises(SettingsError) as error:
        check(wrong)
    one_label = "made for data.task single_label or ordinal; here it is multi_label"
    assert list(error.value.problems) == [
        f"arms.asked: ask: {one_label}",
        f"arms.written: generate: gpt3mix: {one_label}",
        f"arms.written: curate: agree: {one_label}",
        f"arms.weighed: train: recipe imp: {one_label}",
        f"arms.margins: train: loss ldam: {one_label}",
        f"evaluate.metrics: mcc: {one_label}",
        "evaluate.metrics: mae: made for data.task ordinal; here it is multi_label",
    ]
    with pytest.raises(SettingsError):
        run(wrong, out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_stars_are_trained_by_squared_error_and_measured_on_their_scale(tiny_encoder, tmp_path):
    found = run(stars_experiment(write_stars(tmp_path / "data"), tiny_encoder), out=tmp_path)
    for arm, values in found.arms.items():
        rows = read_jsonl(found.folder / "predictions" / arm / "seed-0.jsonl")
        expected = np.array([sum(float(star) * p for star, p in row["probabilities"].items()) for row in rows])
        true = np.array([float(row["label"]) for row in rows])
        assert values["mean"]["mae"] == pytest.approx(np.abs(expected - true).mean())
        assert values["mean"]["rmse"] == pytest.approx(np.sqrt(((expected - true) ** 2).mean()))
    losses = [row["loss"] for row in read_jsonl(found.folder / "history" / "squared error" / "seed-0.jsonl")]
    assert max(losses) < 16  # squared stars at most 4 apart
    assert "points" not in found.verdict[1]
    assert report(found, found.folder / "report.html").is_file()


def augtune(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_several_labels_on_the_command_line(tags, tiny_encoder, tmp_path):
    model, said = tmp_path / "model", tmp_path / "said.jsonl"
    train = ("train", tags / "train.csv", "--separator", "|", "--synthetic", tags / "synthetic_model.jsonl")
    augtune(*train, "--encoder", tiny_encoder, "--steps", 4, "--set", "precision=fp32", "--out", model)
    augtune("predict", model, tags / "test.csv", "--separator", "|", "--out", said)
    assert all(isinstance(row["label"], list) and isinstance(row["predicted"], list) for row in read_jsonl(said))
    told = augtune("evaluate", said, "--metric", "micro_f1", "--metric", "accuracy", "--json", tmp_path / "e.json")
    assert "subset accuracy" in told
    with_truth = augtune("evaluate", said, tags / "test.csv", "--separator", "|", "--metric", "micro_f1")
    assert "micro-F1" in with_truth
    augtune("predict", model, tags / "test.csv", "--separator", "|", "--out", tmp_path / "said.csv")
    assert augtune("evaluate", tmp_path / "said.csv").splitlines()[3:] == augtune("evaluate", said).splitlines()[3:]
    assert json.loads((tmp_path / "e.json").read_text())["labels"] == list(NAMES)
    assert "no difference shown" in augtune("compare", said, f"a={said}", f"b={said}", "--metric", "hamming_loss")


def test_stars_on_the_command_line(tiny_encoder, tmp_path):
    data, model, said = write_stars(tmp_path / "stars"), tmp_path / "model", tmp_path / "said.jsonl"
    augtune("train", data / "train.jsonl", "--task", "ordinal", "--encoder", tiny_encoder, "--steps", 4,
            "--set", "loss=mse", "--out", model)  # fmt: skip
    augtune("predict", model, data / "test.jsonl", "--out", said)
    told = augtune("evaluate", said, "--task", "ordinal", "--metric", "mae", "--metric", "qwk")
    assert "quadratic kappa" in told
    refused = CliRunner().invoke(app, ["evaluate", str(said), "--metric", "mae"])
    assert refused.exit_code == 2
    assert "metric mae: made for data.task ordinal; here it is single_label" in refused.output
