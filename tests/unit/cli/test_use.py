"""predict, calibrate and evaluate with a saved model: forms of input and output, abstaining, bad input."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from augtune.cli.main import main
from augtune.cli.texts import texts_of
from augtune.core.files import read_jsonl
from augtune.core.labels import Labels
from augtune.model.fitted import Fitted
from augtune.training.train import train
from training_rows import LABELS, human_rows


@pytest.fixture(scope="module")
def fitted(tiny_encoder):
    return train(human_rows(24), encoder=tiny_encoder, steps=12, lr=1e-3, precision="fp32")


@pytest.fixture
def model(fitted, tmp_path, monkeypatch):
    """A saved model in the current folder, with test rows of both labels beside it."""
    monkeypatch.chdir(tmp_path)
    rows = [{"id": row.id, "text": row.text, "label": row.label} for row in human_rows(12, name="t")]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return fitted.save(tmp_path / "model")


def run(capsys, *arguments, code=0):
    """Return what a command prints, stdout and stderr, having seen its exit code."""
    assert main([str(argument) for argument in arguments]) == code
    told = capsys.readouterr()
    return told.out if code == 0 else told.err


def test_csv_output_holds_what_jsonl_does_and_evaluate_reads_it(model, capsys):
    run(capsys, "predict", "model", "test.jsonl", "--out", "p.jsonl")
    run(capsys, "predict", "model", "test.jsonl", "--out", "p.csv")
    rows = read_jsonl(model.parent / "p.jsonl")
    table = list(csv.DictReader(io.StringIO((model.parent / "p.csv").read_text(encoding="utf-8"))))
    assert list(table[0]) == ["id", "label", "predicted", "probabilities"]
    assert [{**row, "probabilities": json.loads(row["probabilities"])} for row in table] == rows
    assert run(capsys, "evaluate", "p.csv").splitlines()[2:] == run(capsys, "evaluate", "p.jsonl").splitlines()[2:]
    assert run(capsys, "predict", "model", "test.jsonl", "--format", "csv").splitlines() == (
        (model.parent / "p.csv").read_text().splitlines()
    )


def test_ids_that_repeat_are_carried_along(model, capsys):
    rows = read_jsonl(model.parent / "test.jsonl")
    customers = [str(row % 3) for row in range(len(rows))]
    again = [{**row, "id": customer} for row, customer in zip(rows, customers, strict=True)]
    (model.parent / "again.jsonl").write_text("".join(json.dumps(row) + "\n" for row in again))
    run(capsys, "predict", "model", "test.jsonl", "--out", "p.jsonl")
    assert main(["predict", "model", "again.jsonl", "--out", "q.jsonl"]) == 0
    told = capsys.readouterr().err
    assert told == "again.jsonl: values of column 'id' repeat, so a column row says which row is which\n"
    made = read_jsonl(model.parent / "q.jsonl")
    assert [row["id"] for row in made] == customers
    assert [row.pop("row") for row in made] == list(range(len(rows)))
    wanted = read_jsonl(model.parent / "p.jsonl")
    assert made == [{**row, "id": customer} for row, customer in zip(wanted, customers, strict=True)]
    assert run(capsys, "evaluate", "q.jsonl").splitlines()[2:] == run(capsys, "evaluate", "p.jsonl").splitlines()[2:]


def test_lines_of_a_text_file_are_predicted(model, fitted, capsys):
    texts = ["a great film", "an awful, boring day"]
    (model.parent / "new.txt").write_text("\n".join(texts) + "\n")
    rows = [json.loads(line) for line in run(capsys, "predict", "model", "new.txt").splitlines()]
    assert [row["id"] for row in rows] == ["0", "1"]
    wanted = fitted.predict(texts)
    assert [row["predicted"] for row in rows] == list(wanted.predicted)
    assert [list(row["probabilities"].values()) for row in rows] == wanted.probabilities.tolist()


@pytest.mark.parametrize("content", ["a great film\nboring\n", '{"text": "a great film"}\n{"text": "boring"}\n'])
def test_standard_input_is_lines_or_json_objects(content, model, fitted, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    rows = [json.loads(line) for line in run(capsys, "predict", "model", "-").splitlines()]
    assert [row["predicted"] for row in rows] == list(fitted.predict(["a great film", "boring"]).predicted)


def test_abstaining_leaves_unsure_rows_unanswered(model, fitted, capsys):
    texts = [row.text for row in human_rows(12, name="t")]
    sure = sorted(fitted.predict(texts).confidence)
    threshold = (sure[4] + sure[5]) / 2
    told = run(capsys, "predict", "model", "test.jsonl", "--abstain-below", threshold, "--out", "p.jsonl")
    assert f"5 of 12 abstained (less sure than {threshold:g})" in told
    rows = read_jsonl(model.parent / "p.jsonl")
    assert sum(row["abstained"] for row in rows) == 5
    for row in rows:
        most = max(row["probabilities"], key=row["probabilities"].get)
        assert row["abstained"] == (row["probabilities"][most] < threshold)
        assert row["predicted"] == (None if row["abstained"] else most)
    run(capsys, "predict", "model", "test.jsonl", "--abstain-below", threshold, "--out", "p.csv")
    told = run(capsys, "evaluate", "p.jsonl", "--json", "s.json")
    assert run(capsys, "evaluate", "p.csv").splitlines()[1:] == told.splitlines()[1:]
    assert "answered 7 of 12 rows, coverage 58.3%; measured on these" in told
    left = [row for row in rows if row["abstained"]]
    right = sum(max(row["probabilities"], key=row["probabilities"].get) == row["label"] for row in left)
    assert f"left unanswered 5: their most probable label is right of {right} ({right / 5:.1%})" in told
    kept = [row for row in rows if not row["abstained"]]
    scores = json.loads((model.parent / "s.json").read_text())
    assert scores["accuracy"] == sum(row["predicted"] == row["label"] for row in kept) / 7
    assert scores["coverage"] == pytest.approx(7 / 12)
    assert scores["selective"]["points"][0]["rows"] == 12


def test_model_is_evaluated_without_a_file_of_predictions(model, capsys):
    run(capsys, "predict", "model", "test.jsonl", "--out", "p.jsonl")
    of_file = run(capsys, "evaluate", "p.jsonl", "--coverage").splitlines()
    of_model = run(capsys, "evaluate", "model", "test.jsonl", "--coverage").splitlines()
    assert of_model[0] == "12 rows, 2 labels · tiny-encoder0 · vanilla · 12 steps on test.jsonl"
    assert of_model[1:] == of_file[1:]
    assert of_model[-1].startswith("area under risk and coverage: ")
    told = run(capsys, "evaluate", "model", "test.jsonl", "--abstain-below", "0.5")
    assert "answered" not in told


def test_evaluate_of_a_model_trained_on_a_view_takes_the_view(model, tiny_encoder, capsys):
    rows = human_rows(12)
    seen = Labels(("good", "bad"))
    renamed = [replace(row, label="good" if row.label == "positive" else "bad") for row in rows]
    viewed = type(rows).from_examples(renamed, seen, name="rows")
    train(viewed, encoder=tiny_encoder, steps=1, precision="fp32").save(model.parent / "viewed")
    view = "{bad: [negative], good: [positive]}"
    assert run(capsys, "evaluate", "viewed", "test.jsonl", "--view", view).startswith("12 rows, 2 labels")


@pytest.fixture
def unseen(model):
    """A file of rows that the model was not trained on."""
    rows = [{"text": f"{row.text} today", "label": row.label} for row in human_rows(12, name="t")]
    path = model.parent / "new.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_rows_the_model_was_trained_on_are_told_and_no_calibration_is_made_of_them(model, fitted, unseen, capsys):
    assert main(["evaluate", "model", "test.jsonl"]) == 0
    assert capsys.readouterr().err == (
        "warning: test.jsonl: the model was trained on 12 of the 12 rows (first: train-0000 'the film was  bad film'); "
        "scores are too high by what that is worth\n"
    )
    assert main(["evaluate", "model", "new.jsonl"]) == 0
    assert capsys.readouterr().err == ""
    told = run(capsys, "calibrate", "model", "test.jsonl", code=2)
    assert "was trained on 12 of these 12 rows" in told
    assert Fitted.load("model").fingerprint == fitted.fingerprint
    with unseen.open("a") as stream:
        stream.write(json.dumps({"text": human_rows(1).texts[0], "label": "negative"}) + "\n")
    assert main(["calibrate", "model", "new.jsonl"]) == 0
    assert capsys.readouterr().err == "warning: new.jsonl: the model was trained on 1 of the 13 rows\n"


def test_calibrate_keeps_the_temperature_in_the_model(model, fitted, unseen, capsys):
    told = run(capsys, "calibrate", "model", "new.jsonl", "--out", "sober")
    assert told.startswith("12 rows: temperature ")
    assert told.endswith("saved: sober\n")
    made = Fitted.load("sober")
    assert made.temperature != 1.0
    assert Fitted.load("model").fingerprint == fitted.fingerprint
    run(capsys, "calibrate", "model", "new.jsonl")
    assert Fitted.load("model").fingerprint == made.fingerprint


def test_label_set_of_another_task_is_told(model, capsys):
    (model.parent / "other.csv").write_text("text,label\na film,spam\na day,ham\n")
    told = run(capsys, "evaluate", "model", "other.csv", code=2)
    assert told.splitlines()[0] == (
        "error: labels: none of 'negative', 'positive' occurs in other.csv, which has 'ham', 'spam'. "
        "The model's labels are negative · positive."
    )
    (model.parent / "other.csv").write_text("text,label\na film,positive\na day,ham\n")
    told = run(capsys, "evaluate", "model", "other.csv", code=2)
    assert told.splitlines()[0] == (
        "error: other.csv: line 3: label 'ham' is none of the given labels: 'negative', 'positive'. "
        "The model's labels are negative · positive."
    )


BAD = {
    "threshold": (
        ["predict", "model", "test.jsonl", "--abstain-below", "70"],
        "error: --abstain-below: expected a confidence from 0 to 1, got 70\n",
    ),
    "threshold of evaluate": (
        ["evaluate", "model", "new.jsonl", "--abstain-below", "-1"],
        "error: --abstain-below: expected a confidence from 0 to 1, got -1\n",
    ),
    "nothing answered": (
        ["evaluate", "model", "new.jsonl", "--abstain-below", "1"],
        "error: tiny-encoder0 · vanilla · 12 steps on new.jsonl: none of the 12 rows is answered, so there is nothing "
        "to measure.\n  Abstain below a lower confidence; --coverage shows which are worth what.\n",
    ),
    "model without rows": (
        ["evaluate", "model"],
        "error: model: a model is measured on labelled rows; name a file of them after it.\n",
    ),
    "no model": (
        ["predict", ".", "test.jsonl"],
        "error: .: holds no augtune.json, so it is no classifier saved by augtune.\n  A classifier that another "
        "program saved is read by 'augtune import'. To train on top of an encoder, name the folder as train.encoder.\n",
    ),
    "format": (["predict", "model", "test.jsonl", "--format", "xml"], "error: --format: expected jsonl or csv, got 'xml'.\n"),
    "ending": (
        ["predict", "model", "test.jsonl", "--out", "p.parquet"],
        "error: --out p.parquet: expected a file called .jsonl or .csv.\n  Or say which: --format csv.\n",
    ),
    "empty line": (["predict", "model", "gap.txt"], "error: gap.txt: line 2: the text is empty (column 'text').\n"),
    "empty file": (["predict", "model", "empty.txt"], "error: empty.txt: is empty; expected a text on each line.\n"),
    "no probabilities": (
        ["evaluate", "hard.jsonl", "--abstain-below", "0.7"],
        "error: --abstain-below: needs a column 'probabilities' in the file of predictions.\n",
    ),
    "abstained without probabilities": (
        ["evaluate", "left.jsonl"],
        "error: left.jsonl: line 1: the row is marked as abstained and has no probabilities by label; got None.\n"
        "  Files that augtune predict writes have them.\n",
    ),
    "coverage without probabilities": (
        ["evaluate", "hard.jsonl", "--coverage"],
        "error: --coverage: needs a column 'probabilities' in the file of predictions.\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_clear_message(case, model, unseen, capsys):
    folder = model.parent
    (folder / "gap.txt").write_text("a film\n\na day\n")
    (folder / "empty.txt").write_text("")
    (folder / "hard.jsonl").write_text('{"id": "a", "label": "x", "predicted": "x"}\n')
    (folder / "left.jsonl").write_text('{"id": "a", "label": "x", "predicted": null, "abstained": true}\n')
    arguments, message = BAD[case]
    assert run(capsys, *arguments, code=2) == message
    assert not (folder / "p.parquet").exists()


def test_compare_says_how_unanswered_rows_count(model, capsys):
    assert LABELS.names == ("negative", "positive")
    run(capsys, "predict", "model", "test.jsonl", "--out", "all.jsonl")
    run(capsys, "predict", "model", "test.jsonl", "--abstain-below", "1", "--out", "none.jsonl")
    told = run(capsys, "compare", "test.jsonl", "a=all.jsonl", "b=none.jsonl")
    assert "b: 12 rows left unanswered count with their most probable label\n" in told


def test_labels_are_found_in_a_column_called_intent(tmp_path):
    path = tmp_path / "tickets.csv"
    path.write_text("message,intent\nWhere is it?,delivery\nNo light,malfunction\n")
    labels = Labels(("delivery", "malfunction"))
    found = texts_of(path, text=None, text_pair=None, is_pair=False, labels=labels)
    assert found.truth == {"0": "delivery", "1": "malfunction"}
    others = texts_of(path, text=None, text_pair=None, is_pair=False, labels=Labels(("delivery", "billing")))
    assert others.truth is None
