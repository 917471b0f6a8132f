"""``augtune fit --llm``: a language model on loopback writes rows by need, and one command makes a model of them."""

from __future__ import annotations

import hashlib
import re
from collections import Counter

import pytest

from augtune.cli.main import main
from augtune.core.files import read_jsonl
from augtune.model.fitted import Fitted
from stand_in import StandIn

PRICE_IN, PRICE_OUT = 0.40e-6, 1.60e-6  # of gpt-4.1-mini, as prices.toml has it
FEW = {"complaint": 4, "praise": 16}
BALANCED = {"complaint": 8, "praise": 8}
QUICK = ["--steps", "2"]
for setting in ("trainings=1", "candidates=[mix]", "learning=false", "folds={folds: 2, repeats: 1}"):
    QUICK += ["--choose", setting]


class Writer(StandIn):
    """Answers a prompt by its words and by how often it was asked, so that every run is told the same."""

    def __init__(self, http):
        super().__init__(http)
        self.asked: Counter[str] = Counter()
        self.is_mad = False

    def said(self, asked, body):
        self.asked[asked] += 1
        if self.is_mad:
            return f"<html>{self.calls}</html>"
        number = int(hashlib.sha256(f"{self.asked[asked]} {asked}".encode()).hexdigest(), 16)
        kind, label = re.findall(r"\((\w[\w ]*): ([^()]+)\)", asked)[-1]  # that of the last row shown
        word = ("broken", "awful", "late", "never works")[number % 4] if label == "Complaint" else "great"
        return f" order {number % 9973} was {word} {number // 7 % 9973} of {number // 11 % 9973} ({kind}: {label})"


@pytest.fixture
def model(httpserver, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-this-test")
    return Writer(httpserver)


def rows(counts, name="train.csv"):
    words = {"complaint": "broken late awful never works", "praise": "good great love fun really"}
    lines = ["text,label"]
    for label, count in counts.items():
        said = words[label].split()
        lines += [f"the {said[i % 5]} thing number {i} {said[i // 5 % 5]} from {name},{label}" for i in range(count)]
    with open(name, "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")


def fit(model, encoder, *more, budget="2 USD", out="model"):
    named = ["--llm", "openai/gpt-4.1-mini", "--base-url", model.url, "--budget", budget, "--encoder", encoder]
    return main(["fit", "train.csv", "--label", "label", *named, *QUICK, *more, "--out", out])


def spent(model):
    """What the server's calls cost: it says 60 tokens in and 12 out of each."""
    return model.calls * (60 * PRICE_IN + 12 * PRICE_OUT)


def test_rows_are_written_by_need_and_trained_on_and_the_page_has_the_cost(model, tiny_encoder, capsys, tmp_path):
    rows(FEW)
    rows({"complaint": 3, "praise": 3}, "test.csv")
    boost = ["--boost", "rows=24", "--boost", "rounds=3", "--boost", "idle=null"]
    assert fit(model, tiny_encoder, *boost, "--test", "test.csv") == 0
    out, told = capsys.readouterr()
    folder = tmp_path / "model"
    made, decision = read_jsonl(folder / "synthetic.jsonl"), Fitted.load(folder).decision
    boost = decision.boost
    assert [sum(one.asked.values()) for one in boost.rounds] == [8, 8, 8]
    assert boost.kept == Counter(row["label"] for row in made)
    assert boost.kept["complaint"] > boost.kept["praise"]
    assert len({row["id"] for row in made}) == len(made) == decision.synthetic
    assert decision.usd == pytest.approx(spent(model))
    assert f"{len(made)} kept" in out
    assert "written in 3 of 3 rounds, 24 of 24 rows asked for: all rows were written · kept: " in out
    assert "generate  gpt3mix, round 3 of 3: done in " in told
    page = (folder / "decision.html").read_text(encoding="utf-8")
    assert "Rows written by need" in page
    assert f"${spent(model):.4f}" in page or f"${spent(model):.3f}" in page
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"a language model wrote rows ({model.calls} calls, ${spent(model):.3f}): {len(made)} kept" in card
    assert not (tmp_path / "model.work").exists()


def test_the_same_command_again_pays_nothing_and_makes_the_same_model(model, tiny_encoder, capsys, tmp_path):
    rows(FEW)
    boost = ["--boost", "rows=12", "--boost", "rounds=2"]
    assert fit(model, tiny_encoder, *boost, out="whole") == 0
    whole, made = model.calls, (tmp_path / "whole" / "synthetic.jsonl").read_bytes()
    model.asked.clear()
    assert fit(model, tiny_encoder, *boost, budget="5 calls") == 3
    assert capsys.readouterr().err.endswith(
        "error: the budget of 5 calls is reached: 5 calls spent, and the next call may take up to 1 call.\n"
        "  Every reply is kept: the same command with a higher --budget carries on from here, and with fewer rows "
        "(--per-class, --boost rows=N) takes those there are.\n"
    )
    assert not (tmp_path / "model").exists()
    assert fit(model, tiny_encoder, *boost) == 0
    assert "5 of " in capsys.readouterr().out
    assert model.calls == 2 * whole
    assert (tmp_path / "model" / "synthetic.jsonl").read_bytes() == made
    saved = [Fitted.load(tmp_path / name) for name in ("whole", "model")]
    assert saved[0].decision.usd == saved[1].decision.usd == pytest.approx(spent(model) / 2)
    assert saved[0].fingerprint == saved[1].fingerprint


def test_balanced_rows_are_written_at_once_and_a_number_that_is_named_is_kept_to(model, tiny_encoder, capsys):
    rows(BALANCED)
    assert fit(model, tiny_encoder, "--per-class", "3") == 0
    assert "synthetic rows: 6 kept" in capsys.readouterr().out
    rows(FEW)
    assert fit(model, tiny_encoder, "--per-class", "3", out="other") == 0
    out = capsys.readouterr().out
    assert "synthetic rows: 6 kept" in out
    assert "rounds" not in out
    assert Fitted.load("other").decision.boost is None


def test_a_model_that_writes_no_rows_leaves_human_rows_alone(model, tiny_encoder, capsys):
    rows(FEW)
    model.is_mad = True
    assert fit(model, tiny_encoder, "--boost", "rows=6", "--boost", "rounds=3") == 0
    out = capsys.readouterr().out
    assert "synthetic rows: 0 kept, 12 dropped by gpt3mix (unreadable)" in out
    assert "chosen: human_only" in out
    decision = Fitted.load("model").decision
    assert decision.synthetic == 0
    assert decision.notes[-1] == "12 synthetic rows were dropped before anything was tried."


def test_what_cannot_be_trained_with_is_refused_before_a_row_is_written(model, tiny_encoder, capsys):
    rows(FEW)
    given = ["fit", "train.csv", "--label", "label", "--encoder", tiny_encoder, "--out", "model", "--steps", "2"]
    given += ["--llm", "openai/gpt-4.1-mini", "--base-url", model.url]
    assert main([*given, "--recipe", "dimpp"]) == 2
    assert "did you mean 'dimp'?" in capsys.readouterr().err
    assert main([*given, "--recipe", "dimp", "--set", "keep=best"]) == 2
    assert capsys.readouterr().err.endswith("error: keep: best needs validation rows; none were given\n")
    assert main([*given, "--choose", "max_steps=1"]) == 2
    assert capsys.readouterr().err.endswith(
        "error: choose.max_steps: expected at least 2, which the final training takes; got 1\n"
    )
    assert model.calls == 0


def test_options_that_nobody_heeds_are_refused(model, tiny_encoder, capsys, monkeypatch):
    rows(FEW)
    given = ["fit", "train.csv", "--label", "label", "--encoder", tiny_encoder, "--out", "model"]
    assert main([*given, "--budget", "2 USD", "--per-class", "4"]) == 2
    assert capsys.readouterr().err == (
        "error: --budget: says how a language model writes rows, and none is named\n"
        "--per-class: says how a language model writes rows, and none is named\n"
        "  Name one with --llm PROVIDER/MODEL, or leave it out.\n"
    )
    assert fit(model, tiny_encoder, "--per-class", "4", "--boost", "rounds=2") == 2
    assert capsys.readouterr().err == (
        "error: --per-class and --boost both say how many rows are written; leave one of them out\n"
    )
    assert fit(model, tiny_encoder, "--boost", "round=2") == 2
    assert capsys.readouterr().err == "error: boost.round: unknown key; did you mean 'rounds'?\n"
    monkeypatch.delenv("OPENAI_API_KEY")
    assert main([*given, "--llm", "openai/gpt-4.1-mini", "--boost", "rows=6"]) == 2
    assert capsys.readouterr().err.endswith(
        "error: OPENAI_API_KEY is not set; it has to hold the API key.\n"
        "  export OPENAI_API_KEY=... or put that line into a file .env in this folder, and .env into .gitignore.\n"
    )
    assert model.calls == 0
