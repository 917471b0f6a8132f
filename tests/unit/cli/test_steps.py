import csv
import json

import pytest

from augtune.cli.fit import seconds_of
from augtune.cli.main import main
from augtune.core.files import read_json, read_jsonl
from augtune.experiment.store import RunFolder

GOOD = ["a great film", "i love this movie", "really good acting", "a fun story", "very good plot", "great fun"]
BAD = ["an awful film", "i hate this movie", "really bad acting", "a boring story", "very bad plot", "awful thing"]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Human rows, test rows and rows a model wrote, two of which are no good."""
    monkeypatch.chdir(tmp_path)
    rows = [(text, "good") for text in GOOD] + [(text, "bad") for text in BAD]
    for name, part in (("train.csv", rows[:4] + rows[6:10]), ("test.csv", rows[4:6] + rows[10:])):
        with open(name, "w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([("text", "label"), *part])
    written = [("the movie was great fun today", "good"), ("a great film", "good"), ("very bad plot", "bad")]
    written += [("the film was awful and boring", "bad")]
    with open("written.jsonl", "w", encoding="utf-8") as stream:
        stream.writelines(json.dumps({"text": text, "label": label}) + "\n" for text, label in written)
    return tmp_path


def test_steps_follow_one_another_on_files(files, tiny_encoder, capsys):
    encoder = ["--encoder", tiny_encoder]
    assert (
        main(["generate", "train.csv", "--kind", "imported", "--set", "path=written.jsonl", "--out", "new.jsonl"]) == 0
    )
    assert len(read_jsonl(files / "new.jsonl")) == 4
    exact = ["--step", "{kind: dedup, threshold: 1.0}", "--step", "{kind: contamination, threshold: 1.0}"]
    curate = ["curate", "new.jsonl", "--human", "train.csv", "--test", "test.csv", *exact, *encoder]
    assert main([*curate, "--out", "clean.jsonl", "--dropped", "dropped.jsonl"]) == 0
    assert {row["text"] for row in read_jsonl(files / "dropped.jsonl")} == {"a great film", "very bad plot"}
    train = ["train", "train.csv", "--synthetic", "clean.jsonl", *encoder, "--steps", "3", "--set", "batch_size=4"]
    assert main([*train, "--out", "model"]) == 0
    assert main(["predict", "model", "test.csv", "--out", "predictions.jsonl"]) == 0
    rows = read_jsonl(files / "predictions.jsonl")
    assert [row["label"] for row in rows] == ["good", "good", "bad", "bad"]
    assert all(abs(sum(row["probabilities"].values()) - 1) < 1e-9 for row in rows)
    capsys.readouterr()
    assert main(["predict", "model", "test.csv"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == rows
    assert main(["evaluate", "predictions.jsonl", "test.csv"]) == 0
    assert main(["evaluate", "predictions.jsonl"]) == 0


def test_fit_chooses_and_says_why(files, tiny_encoder, capsys):
    encoder = ["--encoder", tiny_encoder, "--steps", "3", "--set", "batch_size=4"]
    arguments = ["fit", "train.csv", "--label", "label", "--test", "test.csv", *encoder, "--out", "model"]
    assert main([*arguments, "--choose", "folds={folds: 2, repeats: 1}"]) == 0
    out = capsys.readouterr().out
    assert "trained on 8 human rows and 0 synthetic ones: " in out
    assert "\nchosen: " in out
    assert "\nmeasured on test.csv:\n  macro-F1 " in out
    assert out.endswith("saved: model · why: model/decision.html\n")
    page = (files / "model" / "decision.html").read_text(encoding="utf-8")
    assert "What was tried" in page
    assert "chosen: " in (files / "model" / "README.md").read_text(encoding="utf-8")
    assert not (files / "model.work").exists()
    assert main(["predict", "model", "test.csv", "--out", "p.jsonl"]) == 0


def test_fit_by_a_recipe_chooses_nothing(files, tiny_encoder, capsys):
    arguments = ["fit", "train.csv", "--label", "label", "--encoder", tiny_encoder, "--steps", "2", "--out", "model"]
    assert main([*arguments, "--recipe", "vanilla"]) == 0
    out = capsys.readouterr().out
    assert out.endswith("saved: model\n")
    assert "chosen" not in out
    assert not (files / "model" / "decision.html").exists()
    assert main([*arguments, "--recipe", "vanilla", "--time", "5"]) == 2
    assert capsys.readouterr().err == (
        "error: --recipe: it takes the place of choosing, so --choose and --time have no effect; leave them out\n"
    )


@pytest.mark.parametrize("way", [[], ["--recipe", "vanilla"], ["--synthetic", "written.jsonl"]])
def test_fit_leaves_a_folder_alone_that_it_did_not_make(files, tiny_encoder, capsys, way):
    work = files / "model.work"
    work.mkdir()
    (work / "notes.txt").write_text("precious", encoding="utf-8")
    arguments = ["fit", "train.csv", "--label", "label", "--encoder", tiny_encoder, "--steps", "2", "--out", "model"]
    if way[:1] == ["--recipe"]:  # nothing to carry on from, so nothing is looked for there
        assert main([*arguments, *way]) == 0
    else:
        assert main([*arguments, *way]) == 2
        assert capsys.readouterr().err.endswith(
            "error: model.work: is not empty and was not made by augtune.\n"
            "  Choose another --out or another name; nothing was changed.\n"
        )
    assert [path.name for path in work.iterdir()] == ["notes.txt"]


def test_fit_leaves_the_folder_of_another_that_is_at_work(files, tiny_encoder, capsys):
    arguments = ["fit", "train.csv", "--label", "label", "--encoder", tiny_encoder, "--steps", "2", "--out", "model"]
    first = RunFolder(files / "model.work", "fit")
    with first.claimed():
        assert main(arguments) == 2
        assert "model.work: another process is running in this folder." in capsys.readouterr().err
        assert (first.path / ".augtune.json").is_file()


def test_fit_removes_no_more_than_its_own_files_when_it_is_done(files, tiny_encoder):
    work = files / "model.work"
    with RunFolder(work, "fit").claimed():
        (work / "notes.txt").write_text("precious", encoding="utf-8")
    arguments = ["fit", "train.csv", "--label", "label", "--encoder", tiny_encoder, "--steps", "2", "--out", "model"]
    assert main([*arguments, "--choose", "trainings=1"]) == 0
    assert (work / "notes.txt").read_text(encoding="utf-8") == "precious"
    assert not (work / "stages").exists()


@pytest.mark.parametrize("time", ["0", "soon", "5 days", "-3", "1e3"])
def test_fit_refuses_a_time_that_is_none(files, capsys, time):
    assert main(["fit", "train.csv", "--label", "label", "--out", "model", f"--time={time}"]) == 2
    assert capsys.readouterr().err == (
        f"error: --time: expected seconds above 0, or a length such as 90s, 5m or 1h; got {time!r}\n"
    )


@pytest.mark.parametrize(("time", "seconds"), [("90", 90), ("90s", 90), ("0.5 m", 30), ("2min", 120), ("1.5h", 5400)])
def test_a_time_may_have_a_unit(time, seconds):
    assert seconds_of(time) == seconds


def test_fit_refuses_a_recipe_among_the_settings(files, tiny_encoder, capsys):
    arguments = ["fit", "train.csv", "--label", "label", "--encoder", tiny_encoder, "--out", "model"]
    assert main([*arguments, "--set", "recipe=dimp"]) == 2
    assert capsys.readouterr().err.endswith(
        "error: recipe: dimp: how rows are used is what is chosen here; leave recipe out, or train by it instead of "
        "choosing (--recipe, augtune.train)\n"
    )


def test_fit_tells_the_notes_of_a_choice(files, tiny_encoder, capsys):
    arguments = ["fit", "train.csv", "--label", "label", "--encoder", tiny_encoder, "--steps", "2", "--out", "model"]
    assert main([*arguments, "--choose", "trainings=3", "--choose", "distill=true"]) == 0
    out = capsys.readouterr().out
    assert "\nchosen: human_only, distilled into one model · " in out
    assert "\nNo way was trained on folds: the steps allowed leave none for short trainings.\n" in out
    assert "\nThe model is one that learned the probabilities of the average" in out
    card = (files / "model" / "README.md").read_text(encoding="utf-8")
    assert "- The model is one that learned" in card
    assert "distilled into one model" in (files / "model" / "decision.html").read_text(encoding="utf-8")


def test_fit_leaves_written_rows_that_copy_a_test_row_out_and_says_so(files, tiny_encoder, capsys):
    with open("made.csv", "w", encoding="utf-8") as stream:
        stream.write("text,label\n" + (files / "test.csv").read_text(encoding="utf-8").split("\n")[1] + "\n")
    arguments = ["fit", "train.csv", "--label", "label", "--test", "test.csv", "--synthetic", "made.csv"]
    assert main([*arguments, "--encoder", tiny_encoder, "--steps", "2", "--out", "model", "--time", "0.001"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("synthetic rows: 0 kept, 1 dropped by ")
    assert len(read_jsonl(files / "model" / "dropped.jsonl")) == 1


def test_fit_says_that_validation_rows_are_not_used(files, tiny_encoder, capsys):
    folder = files / "folder"
    folder.mkdir()
    (files / "train.csv").rename(folder / "train.csv")
    (files / "test.csv").rename(folder / "validation.csv")
    arguments = ["fit", "folder", "--label", "label", "--encoder", tiny_encoder, "--steps", "2", "--out", "model"]
    assert main([*arguments, "--recipe", "vanilla"]) == 0
    out, told = capsys.readouterr()
    assert told.startswith(
        "folder: the 4 validation rows are not used: fit judges by folds of the training rows; put them into the "
        "training file to have them trained on\n"
    )
    assert "trained on 8 human rows" in out


@pytest.mark.parametrize("recipe", [[], ["--recipe", "vanilla"]])
def test_fit_warns_of_test_rows_it_was_trained_on(recipe, files, tiny_encoder, capsys):
    fit = ["fit", "train.csv", "--label", "label", "--encoder", tiny_encoder, "--steps", "2", "--out", "m", *recipe]
    fit += [] if recipe else ["--time", "0.001"]
    warning = (
        "8 of 8 human training rows repeat a test row, so the model has seen it (first: train-0000 is train-0000); "
        "scores are too high by what that is worth."
    )
    assert main([*fit, "--test", "train.csv"]) == 0
    out = capsys.readouterr().out
    assert out.count(warning) == 1
    assert f"\nwarning: {warning}\n" in out
    assert warning in (files / "m" / "README.md").read_text(encoding="utf-8")
    assert recipe or warning in (files / "m" / "decision.html").read_text(encoding="utf-8")
    assert main([*fit, "--test", "test.csv"]) == 0
    assert "repeat a test row" not in capsys.readouterr().out


@pytest.mark.parametrize("command", [["train"], ["fit", "--recipe", "vanilla"], ["fit", "--choose", "trainings=1"]])
def test_epochs_take_the_place_of_steps(command, files, tiny_encoder, capsys):
    asked = [
        *command,
        "train.csv",
        "--label",
        "label",
        "--encoder",
        tiny_encoder,
        "--set",
        "epochs=2",
        "--set",
        "batch_size=4",
    ]
    assert main([*asked, "--steps", "3", "--out", "m"]) == 2
    assert "give steps or epochs, not both" in capsys.readouterr().err
    assert main([*asked, "--out", "m"]) == 0
    assert read_json(files / "m" / "augtune.json")["steps"] == 4


def test_fit_refuses_a_test_file_with_another_label(files, tiny_encoder, capsys):
    with open("other.csv", "w", encoding="utf-8") as stream:
        stream.write("text,label\na great film,good\na film,fine\n")
    arguments = ["fit", "train.csv", "--label", "label", "--test", "other.csv", "--encoder", tiny_encoder, "--out", "m"]
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(
        "error: other.csv: line 3: label 'fine' is none of the given labels: 'bad', 'good'."
    )
    assert not (files / "m").exists()


@pytest.fixture
def fold(files):
    """The same rows as a folder of splits."""
    folder = files / "fold"
    folder.mkdir()
    for name in ("train.csv", "test.csv"):
        (folder / name).write_text((files / name).read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def test_the_test_rows_of_a_folder_are_its_test_split(fold, tiny_encoder, capsys):
    (fold.parent / "copy.csv").write_text("text,label\nan awful thing,bad\nawful thing,bad\n", encoding="utf-8")
    step = ["--step", "{kind: contamination, measure: jaccard, threshold: 0.9}", "--out", "clean.jsonl"]
    curate = ["curate", "copy.csv", "--human", "fold"]
    assert main([*curate, "--test", "fold/test.csv", *step]) == 0
    by_file = capsys.readouterr().out
    assert "1 dropped by contamination" in by_file
    assert main([*curate, "--test", "fold", *step]) == 0
    assert capsys.readouterr().out == by_file
    fit = ["fit", "fold", "--label", "label", "--recipe", "vanilla", "--encoder", tiny_encoder, "--steps", "2"]
    told = []
    for test in ("fold/test.csv", "fold"):
        assert main([*fit, "--test", test, "--out", "m"]) == 0
        told.append(capsys.readouterr().out.replace(f"on {test}:", "on it:"))
    assert told[0] == told[1]
    assert main(["evaluate", "m", "fold"]) == 0
    assert capsys.readouterr().out.startswith("4 rows, ")


def test_a_folder_without_the_split_that_is_held_out_is_refused(fold, tiny_encoder, capsys):
    train = ["train", "fold", "--encoder", tiny_encoder, "--steps", "1", "--out", "m"]
    hint = "or name the file that holds the rows.\n"
    assert main([*train, "--validation", "fold"]) == 2
    assert capsys.readouterr().err == (
        "error: --validation fold: expected a folder with a split 'validation'; there are: 'train', 'test'.\n"
        f"  Add validation.csv (or .tsv, .json, .jsonl, .parquet), {hint}"
    )
    (fold / "test.csv").rename(fold / "dev.csv")
    assert main([*train, "--validation", "fold"]) == 0
    capsys.readouterr()
    missing = "fold: expected a folder with a split 'test'; there are: 'train', 'validation'.\n  Add test.csv"
    for command in (["curate", "written.jsonl", "--human", "fold", "--out", "c"], ["inspect", "x", "--human", "fold"]):
        assert main([*command, "--test", "fold"]) == 2
        assert capsys.readouterr().err.startswith(f"error: --test {missing}")
    assert main(["evaluate", "m", "fold"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {missing}")


def test_generate_without_a_language_model_says_what_to_give(files, capsys):
    assert main(["generate", "train.csv", "--set", "per_class=2", "--out", "x.jsonl"]) == 2
    assert capsys.readouterr().err.startswith("error: gpt3mix: a language model is needed to write rows")
    assert not (files / "x.jsonl").exists()


def test_wrong_settings_are_told_with_a_suggestion(files, capsys):
    assert main(["train", "train.csv", "--set", "batchsize=4", "--out", "m"]) == 2
    assert capsys.readouterr().err == "error: train.batchsize: unknown key; did you mean 'batch_size'?\n"
    assert main(["generate", "train.csv", "--kind", "gpt3mx", "--out", "x"]) == 2
    assert capsys.readouterr().err == "error: generate.kind: no generator is called 'gpt3mx'; did you mean 'gpt3mix'?\n"


def test_predict_asks_which_column_is_the_text(files, tiny_encoder, capsys):
    assert main(["train", "train.csv", "--encoder", tiny_encoder, "--steps", "1", "--out", "model"]) == 0
    with open("odd.csv", "w", encoding="utf-8") as stream:
        stream.write("one,two\na film,x\n")
    capsys.readouterr()
    assert main(["predict", "model", "odd.csv"]) == 2
    assert capsys.readouterr().err == (
        "error: odd.csv: which column is the text? There are: one, two.\n  Name it with --text.\n"
    )
    assert main(["predict", "model", "odd.csv", "--text", "one"]) == 0
    assert main(["predict", "nowhere", "odd.csv"]) == 2
