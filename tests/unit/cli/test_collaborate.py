import json
from pathlib import Path

import pytest

from augtune.cli.main import main
from augtune.core.files import read_json, read_jsonl, write_json
from augtune.llm.store import Store

TRAIN = "text,label\na great film,good\ni love it,good\nan awful film,bad\nso boring,bad\n"
CHECK = "text,label\nreally great,good\nquite awful,bad\nlove this movie,good\nvery boring,bad\n"


@pytest.fixture
def files(tmp_path, monkeypatch, tiny_encoder):
    monkeypatch.chdir(tmp_path)
    for name, rows in (("train.csv", TRAIN), ("check.csv", CHECK)):
        (tmp_path / name).write_text(rows)
    assert main(["train", "train.csv", "--encoder", tiny_encoder, "--steps", "2", "--out", "model"]) == 0
    return tmp_path


def scripted(path, rows):
    """Write replies, each for prompts whose text to label is the given one."""
    path.write_text("".join(json.dumps({"text": label, "match": f"Text: {text}\n"}) + "\n" for text, label in rows))
    return ["--llm", f"scripted/{path.name}"]


def test_ask_writes_answers_and_counts_what_is_none(files, capsys):
    answers = [("really great", "good"), ("quite awful", "bad"), ("love this movie", "good"), ("very boring", "maybe")]
    model = scripted(files / "r.jsonl", [*answers, ("very boring", "no idea")])
    asked = ["ask", "check.csv", *model, "--labels", "bad,good", "--out", "answers.jsonl", "--unanswered", "none.jsonl"]
    assert main(asked) == 0
    out = capsys.readouterr().out
    assert "3 of 4 rows answered · no answer: 1 not a label · $0.000" in out
    assert [row["predicted"] for row in read_jsonl(files / "answers.jsonl")] == ["good", "bad", "good"]
    assert read_jsonl(files / "none.jsonl")[0]["replies"] == ["maybe", "no idea"]
    assert main(asked) == 0, "the cache answers a second time"


def test_ask_carries_ids_along_that_repeat(files, capsys):
    lines = [f"{7 if i else 'id'},{line}" for i, line in enumerate(CHECK.splitlines())]
    (files / "own.csv").write_text("\n".join(lines) + "\n")
    answers = [("really great", "good"), ("quite awful", "maybe"), ("love this movie", "good"), ("very boring", "bad")]
    model = scripted(files / "r.jsonl", [*answers, ("quite awful", "no idea")])
    asked = ["ask", "own.csv", *model, "--labels", "bad,good", "--out", "answers.jsonl", "--unanswered", "none.jsonl"]
    assert main(asked) == 0
    found = read_jsonl(files / "answers.jsonl")
    assert [(row["id"], row["row"], row["predicted"]) for row in found] == [
        ("7", 0, "good"),
        ("7", 2, "good"),
        ("7", 3, "bad"),
    ]
    assert [(row["id"], row["row"]) for row in read_jsonl(files / "none.jsonl")] == [("7", 1)]


def test_ask_shows_prompts_with_the_evidence_and_sends_nothing(files, capsys, tiny_encoder):
    told = ["--classifier", "model", "--train", "train.csv", "--similar", "1", "--encoder", tiny_encoder]
    capsys.readouterr()
    assert main(["ask", "check.csv", *told, "--prompts"]) == 0
    out = capsys.readouterr().out
    assert out.count("Classifier's label:") == 3
    assert out.count("Examples:") == 3
    assert not (files / "answers.jsonl").exists()


def test_route_saves_a_model_that_predict_serves(files, capsys):
    model = scripted(files / "r.jsonl", [(row.split(",")[0], row.split(",")[1]) for row in CHECK.split("\n")[1:5]])
    assert main(["route", "model", "check.csv", *model, "--form", "label", "--set", "folds=2", "--out", "routed"]) == 0
    out = capsys.readouterr().out
    assert "← chosen" in out
    assert "saved: routed" in out
    saved = read_json(files / "routed" / "router.json")
    assert saved["llm"]["model"] == "scripted/r.jsonl"
    assert main(["predict", "routed", "check.csv", "--out", "predictions.jsonl"]) == 0
    rows = read_jsonl(files / "predictions.jsonl")
    assert [row["label"] for row in rows] == ["good", "bad", "good", "bad"]
    assert {row["sent"] for row in rows} <= {True, False}
    assert all(row["predicted"] == row["label"] for row in rows if row["sent"])


@pytest.mark.parametrize(
    ("to", "kept"),
    [
        (["--out", "predictions.jsonl"], "predictions.cache.sqlite"),
        (["--cache", "replies.sqlite"], "replies.sqlite"),
        (["--out", "predictions.jsonl", "--cache", "replies.sqlite"], "replies.sqlite"),
    ],
)
def test_predict_of_a_routed_model_pays_for_no_reply_twice(files, capsys, to, kept):
    served = routed_everywhere(files)
    assert main([*served, *to, "--budget", "3 calls"]) == 3
    assert "\n  Every reply is kept. Raise llm.budget and run again" in capsys.readouterr().err
    assert main([*served, *to, "--budget", "4 calls"]) == 0
    store = Store(Path(kept))
    assert len(store.payments()) == 4
    store.close()
    assert [path.name for path in files.glob("*.sqlite")] == [kept]


def test_predict_says_that_replies_are_not_kept_where_there_is_no_file_for_them(files, capsys):
    assert main([*routed_everywhere(files), "--budget", "3 calls"]) == 3
    assert "\n  Replies were kept in memory alone, so a next run pays for them again." in capsys.readouterr().err
    assert not list(files.glob("*.sqlite"))


def routed_everywhere(files):
    """Save a routed model that sends every row, and return the command that serves it."""
    model = scripted(files / "r.jsonl", [(row.split(",")[0], row.split(",")[1]) for row in CHECK.split("\n")[1:5]])
    assert main(["route", "model", "check.csv", *model, "--form", "label", "--set", "folds=2", "--out", "routed"]) == 0
    about = files / "routed" / "router.json"
    saved = read_json(about)
    write_json(about, {**saved, "router": {**saved["router"], "threshold": 2.0}})
    (files / "routed.cache.sqlite").unlink()
    return ["predict", "routed", "check.csv"]


def test_commands_say_what_is_missing(files, capsys):
    cases = {
        ("ask", "check.csv", "--llm", "scripted/x.jsonl"): "error: ask: which labels are there? Nothing says so.",
        ("ask", "check.csv", "--labels", "a,b"): "error: a language model is needed, and none was named.",
        ("ask", "check.csv", "--labels", "a,b", "--form", "lable"): "error: ask.form: no prompt form is called 'lable'",
        (
            "route",
            "model",
            "check.csv",
            "--set",
            "leest=1",
            "--out",
            "r",
        ): "error: route.leest: unknown key; did you mean",
    }
    for arguments, message in cases.items():
        assert main(list(arguments)) == 2, arguments
        assert capsys.readouterr().err.startswith(message)
    (files / "bare.csv").write_text("text\nhello\n")
    assert main(["route", "model", "bare.csv", "--llm", "scripted/x.jsonl", "--out", "r"]) == 2
    assert "a threshold can only be chosen on labelled rows" in capsys.readouterr().err
