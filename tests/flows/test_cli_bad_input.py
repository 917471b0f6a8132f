"""Input that is wrong: one clear message on stderr, exit code 2, and nothing half-written."""

import json
from pathlib import Path

import pytest

from augtune.cli.main import main

TRAIN = "text,label\na great film,good\ni love this movie,good\na fun story,good\nan awful film,bad\ni hate it,bad\n"
TEST = "text,label\na good day,good\na bad day,bad\n"
EXPERIMENT = {
    "name": "trial",
    "seeds": [0],
    "data": {"source": "data"},
    "train": {"steps": 2},
    "arms": {"human only": {}},
    "evaluate": {"resamples": 100},
}


def changed(**sections):
    found = json.loads(json.dumps(EXPERIMENT))
    for section, value in sections.items():
        found[section] = {**found[section], **value} if isinstance(value, dict) and section in found else value
    return found


MATRIX = {
    "a missing source": (
        {"experiment": changed(data={"source": "dta"})},
        "error: dta: no such file or folder; did you mean 'data'?\n  A dataset of the hub is named hf:owner/name.\n",
    ),
    "a missing column": (
        {"experiment": changed(data={"columns": {"text": "txt"}})},
        "error: data/train.csv: no column 'txt' (given as text); there are: text, label; did you mean 'text'?\n",
    ),
    "a label in test that training never saw": (
        {"test": TEST + "so so,fine\n"},
        "error: data/test.csv: line 4: label 'fine' ",
    ),
    "an empty text": (
        {"train": TRAIN + '" ",good\n'},
        "error: data/train.csv: line 7: the text is empty (column 'text').\n  Fill or remove the row.\n",
    ),
    "a file that is not UTF-8": (
        {"train": TRAIN.encode() + "très bon,good\n".encode("latin-1")},
        "error: data/train.csv: line 7: not UTF-8 (byte 0xe8 at offset 103).\n"
        "  Convert it, e.g. iconv -f LATIN1 -t UTF-8 train.csv > train.utf8.csv\n",
    ),
    "a class smaller than the sample": (
        {"experiment": changed(data={"train": "3/class of train"})},
        "error: trial/train: '3/class of train' asks for 3 rows of class 'bad', and 'bad' has 2.\n"
        "  Ask for fewer rows, or name each class's own: {label: rows, label: rows}.\n",
    ),
    "a file that is not YAML": (
        {"experiment": "name: trial\narms: [a\n"},
        "error: trial.yaml: line 3, column 1: not YAML: ",
    ),
    "an unknown bundled encoder": (
        {"experiment": changed(train={"encoder": "bundled/minilmm"})},
        "error: no encoder 'bundled/minilmm' is bundled; did you mean 'bundled/minilm'?\n",
    ),
    "an encoder that no one can reach": (
        {"experiment": changed(train={"encoder": "nobody/nothing-at-all"})},
        "error: encoder 'nobody/nothing-at-all' could not be loaded: it is no folder here and the hub did not give it",
    ),
    "a split there is not": (
        {"experiment": changed(data={"test": "all of tst"})},
        "error: data.test: data has no split 'tst'; there are: train, test.\n",
    ),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a function that makes an experiment with one thing wrong in it, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def make(*, train=TRAIN, test=TEST, experiment=EXPERIMENT):
        Path("data").mkdir()
        for name, text in (("train", train), ("test", test)):
            Path(f"data/{name}.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
        text = experiment if isinstance(experiment, str) else json.dumps(experiment)
        Path("trial.yaml").write_text(text, encoding="utf-8")
        return tmp_path

    return make


def complaint(capsys, tmp_path):
    """Return the message on stderr, with paths as seen from the current folder."""
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err.replace(f"{tmp_path.resolve()}/", "")


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("wrong", MATRIX)
def test_wrong_input_is_told_and_nothing_is_written(wrong, command, folder, capsys):
    made, told = MATRIX[wrong]
    place = folder(**made)
    before = sorted(place.rglob("*"))
    assert main([command, "trial.yaml"]) == 2
    assert complaint(capsys, place).startswith(told)
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize("command", ["run", "check"])
def test_missing_experiment_file_is_told(command, folder, capsys):
    place = folder()
    assert main([command, "trail.yaml"]) == 2
    assert complaint(capsys, place) == "error: trail.yaml: no such file.\n"


def test_every_typo_of_a_file_is_told_at_once(folder, capsys):
    place = folder(experiment=changed(train={"stps": 3}, evaluate={"metrics": ["macro_f"]}, datta={}))
    assert main(["run", "trial.yaml"]) == 2
    told = complaint(capsys, place)
    assert "train.stps: unknown key; did you mean 'steps'?\n" in told
    assert "datta: unknown key; did you mean 'data'?\n" in told
    assert "no metric is called 'macro_f'; did you mean 'macro_f1'?\n" in told
    assert "3 problems; nothing was run." in told


def test_folder_of_another_experiment_is_left_alone(folder, capsys):
    place = folder()
    run = place / "runs" / "trial"
    run.mkdir(parents=True)
    (run / ".augtune.json").write_text('{"schema": 1, "name": "other"}')
    (run / "results.json").write_text("{}")
    assert main(["run", "trial.yaml"]) == 2
    assert complaint(capsys, place).startswith(
        "error: runs/trial: belongs to the experiment 'other', not to 'trial'.\n  Choose another --out or another name"
    )
    assert {path.name for path in run.iterdir()} == {".augtune.json", "results.json"}


def test_folder_with_other_files_is_left_alone(folder, capsys):
    place = folder()
    run = place / "runs" / "trial"
    run.mkdir(parents=True)
    (run / "thesis.tex").write_text("mine")
    assert main(["run", "trial.yaml"]) == 2
    assert complaint(capsys, place).startswith("error: runs/trial: is not empty and was not made by augtune.\n")
    assert [path.name for path in run.iterdir()] == ["thesis.tex"]


def test_out_that_is_a_file_is_told(folder, capsys):
    place = folder()
    (place / "runs").write_text("mine")
    assert main(["run", "trial.yaml"]) == 2
    assert complaint(capsys, place).startswith("error: runs")
    assert (place / "runs").read_text() == "mine"


@pytest.mark.parametrize("command", ["show", "report"])
def test_run_that_is_not_there_is_told(command, folder, capsys):
    place = folder()
    assert main([command, "runs/nothing"]) == 2
    assert complaint(capsys, place).startswith("error: runs/nothing")


@pytest.mark.parametrize(
    ("out", "told"),
    [
        ("mine", "error: mine: holds something that is no saved classifier; it was left alone.\n"),
        ("rows.csv/model", "error: rows.csv/model: PLACE/rows.csv is a file, so there can be no folder in it.\n"),
    ],
)
@pytest.mark.parametrize("command", ["train", "fit"])
def test_a_place_where_no_model_can_be_saved_is_told_before_training(
    command, out, told, tmp_path, monkeypatch, capsys, tiny_encoder
):
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(TRAIN)
    Path("mine").mkdir()
    Path("mine/diary.txt").write_text("private")
    assert main([command, "rows.csv", "--label", "label", "--encoder", tiny_encoder, "--out", out]) == 2
    printed, err = capsys.readouterr()
    assert err.replace(str(tmp_path.resolve()), "PLACE").startswith(told)
    assert printed == ""
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["diary.txt", "mine", "rows.csv"]


def test_written_rows_that_are_none_are_left_out_and_told(tmp_path, monkeypatch, capsys, tiny_encoder):
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(TRAIN)
    Path("made.csv").write_text('text,label\na good plot,good\n" ",good\na bad plot,\n')
    arguments = ["--synthetic", "made.csv", "--encoder", tiny_encoder, "--steps", "1", "--out", "model"]
    assert main(["train", "rows.csv", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("2 rows are left out: made.csv: line 3: it has no text; made.csv: line 4: it has no label\n")
    assert "5 human rows, 1 synthetic ones" in out


def test_written_rows_with_several_labels_are_read_like_the_human_ones(tmp_path, monkeypatch, capsys, tiny_encoder):
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("text,label\na film,a|b\na plot,b\na story,a\n")
    Path("made.csv").write_text("text,label\na movie,b|a\n")
    arguments = ["--synthetic", "made.csv", "--encoder", tiny_encoder, "--steps", "1", "--out", "model"]
    assert main(["train", "rows.csv", "--separator", "|", *arguments]) == 0
    assert "3 human rows, 1 synthetic ones" in capsys.readouterr().out
