"""A run with a language model tells what it does, on screen and in events.jsonl; batches work from the file too."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from augtune.core.files import read_jsonl
from augtune.experiment.run import run
from batch_server import BatchServer
from flows.small import experiment, write_task

ARMS = {"human only": {"generate": None, "curate": None}, "written": {}}
GENERATE = {"kind": "gpt3mix", "count": 6, "labels": "hard", "text_type": "review", "label_type": "mood"}


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_task(tmp_path_factory.mktemp("task"))


def replies(path: Path) -> Path:
    texts = [f"a {word} film (Mood: Positive)" for word in ("great", "lovely", "great", "fun", "odd", "neat", "fine")]
    texts.insert(2, "nothing of the kind")
    path.write_text("".join(json.dumps({"text": text, "tokens_in": 9, "tokens_out": 3}) + "\n" for text in texts))
    return path


def test_a_run_puts_on_record_what_asking_brought(task: Path, tiny_encoder: str, tmp_path: Path):
    told: list[dict] = []
    llm = {"model": f"scripted/{replies(tmp_path / 'replies.jsonl')}"}
    plan = experiment(task, tiny_encoder, llm=llm, generate=GENERATE, arms=ARMS, seeds=[0])
    results = run(plan, out=tmp_path / "runs", listen=told.append)
    (asked,) = [row for row in read_jsonl(results.folder / "events.jsonl") if row["event"] == "asked"]
    assert (asked["kept"], asked["dropped"]) == (6, {"repeat": 1, "unreadable": 1})
    assert (asked["calls"], asked["tokens_in"], asked["tokens_out"], asked["usd"]) == (8, 72, 24, 0.0)
    steps = [row["step"] for row in told if row["event"] == "progress" and row["stage"] == "generate"]
    assert steps == list(range(1, 9))


def test_an_experiment_makes_its_calls_in_batches(
    task: Path, tiny_encoder: str, tmp_path: Path, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
):
    server = BatchServer(httpserver)

    def answer(prompt: str) -> str:
        number = server.made[prompt]
        words = re.findall(r"[a-z]+", prompt)[-9:]
        return f"a {' '.join(words)} {number} film (Mood: Positive)"

    monkeypatch.setattr(server, "reply", answer)
    llm = {
        "model": "openai/m", "base_url": server.url, "budget": "1 USD", "batch": {"poll_s": 0.05},
        "price": {"input": 1.0, "output": 1.0, "batch": 0.5},
    }  # fmt: skip
    plan = experiment(task, tiny_encoder, llm=llm, generate=GENERATE, arms=ARMS, seeds=[0])
    results = run(plan, out=tmp_path / "runs")
    cost = json.loads((results.folder / "results.json").read_text())["arms"]["written"]["cost"]
    assert cost["calls"] == sum(server.made.values()) >= 6
    assert cost["usd"] == pytest.approx(cost["calls"] * 110 * 0.5 / 1e6)
    assert 1 <= len(server.batches) <= 3
