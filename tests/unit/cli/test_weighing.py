import json

import pytest

from augtune.cli.main import main

pytest.importorskip("torch")

HUMAN = "text,label\n" + "".join(
    f"{'bad boring film' if i % 2 else 'good fun movie'} {i},{'negative' if i % 2 else 'positive'}\n" for i in range(24)
)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.csv").write_text(HUMAN)
    rows = [
        {"text": f"a {'boring' if i % 2 else 'good'} story {i}", "label": "negative" if i % 2 else "positive"}
        for i in range(19)
    ]
    rows.append({"text": "a good good story", "label": "negative"})
    (tmp_path / "made.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def weigh(tiny_encoder, *more: str) -> int:
    return main(["weigh", "made.jsonl", "--human", "train.csv", "--encoder", tiny_encoder, *more])


def test_weigh_shows_what_the_weights_are_worth_and_both_ends(files, tiny_encoder, capsys):
    assert weigh(tiny_encoder, "--ends", "2", "--out", "weighed.jsonl") == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [json.loads(line) for line in (files / "weighed.jsonl").read_text().splitlines()]
    weights = [row["weight"] for row in rows]
    worth = sum(weights) ** 2 / sum(weight**2 for weight in weights)
    assert lines[0].startswith(f"20 rows worth {worth:.0f} · min ")
    assert lines[1].startswith("the quality checker is right on ")
    assert lines[1].endswith(" of the human rows, none of which it saw")
    heaviest, lightest = lines.index("heaviest"), lines.index("lightest")
    assert lightest == heaviest + 4
    by_weight = sorted(rows, key=lambda row: row["weight"])
    assert f"{by_weight[-1]['weight']:.2f}  {by_weight[-1]['id']} " in lines[heaviest + 1]
    assert f"{by_weight[0]['weight']:.2f}  {by_weight[0]['id']} " in lines[lightest + 1]
    assert f"quality {by_weight[0]['quality']:.2f} · diversity {by_weight[0]['diversity']:.2f}" in lines[lightest + 1]
    bins = [line for line in lines[3:heaviest] if " to " in line]
    assert sum(int(line.split()[3]) for line in bins) == 20
    assert lines[-1] == "written: weighed.jsonl"


def test_weighed_rows_are_rows_to_train_on(files, tiny_encoder, capsys):
    assert weigh(tiny_encoder, "--recipe", "quality", "--out", "weighed.jsonl") == 0
    assert "diversity" not in (files / "weighed.jsonl").read_text()
    common = ["--encoder", tiny_encoder, "--steps", "4", "--set", "precision=fp32"]
    train = ["train", "train.csv", "--synthetic", "weighed.jsonl", *common]
    assert main([*train, "--recipe", "imp", "--out", "model"]) == 0
    out = capsys.readouterr().out
    scores = [json.loads(line) for line in (files / "model" / "weights.jsonl").read_text().splitlines()]
    assert out.splitlines()[-1].startswith("weights: min ")
    assert out.splitlines()[-1].endswith(" · model/weights.jsonl")
    assert all(list(row) == ["id", "weight", "quality", "diversity"] for row in scores)
    for row in scores:
        assert row["weight"] == pytest.approx(min(10, row["quality"] / row["diversity"]), rel=1e-5)


def test_a_saved_model_weighs_and_says_which_rows_it_knows(files, tiny_encoder, capsys):
    train = ["train", "train.csv", "--synthetic", "made.jsonl", "--encoder", tiny_encoder, "--steps", "2"]
    assert main([*train, "--out", "model"]) == 0
    capsys.readouterr()
    assert weigh(tiny_encoder, "--ends", "0", "--set", "checkers={quality: model, diversity: model}") == 0
    assert capsys.readouterr().out.splitlines() == [
        "20 rows worth 20 · min 1.00 · median 1.00 · max 1.0 · ESS 100%",
        "note: the quality checker model judges 20 synthetic rows that it was trained on; it is sure of those.",
        "note: the diversity checker model judges 20 synthetic rows that it was trained on; it is sure of those.",
        "",
    ]


def test_weights_that_are_not_known_before_training_are_refused(files, tiny_encoder, capsys):
    assert weigh(tiny_encoder, "--recipe", "dimp") == 2
    assert capsys.readouterr().err == (
        "error: recipe: expected imp or quality, whose weights are known before training; got dimp\n"
        "  What rows counted in a training stands in its model's folder, weights.jsonl.\n"
    )
    assert weigh(tiny_encoder, "--set", "recipe.gama=0.5") == 2
    assert capsys.readouterr().err == "error: train.recipe.gama: unknown key; did you mean 'gamma'?\n"
