"""Generation against ``transformers serve``, and with the same model in this process: a real server, real replies."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import tiny_causal
from augtune.core.dataset import Example, HumanDataset
from augtune.core.labels import Labels
from augtune.generation.base import generate
from augtune.generation.gpt3mix import Gpt3Mix
from augtune.llm.client import LLM
from augtune.llm.messages import Reply
from served import serving

pytestmark = pytest.mark.slow

LABELS = Labels(("negative", "positive"))
WORDS = {
    "positive": "warm clever moving joyful bright lovely".split(),
    "negative": "dull tired clumsy hollow bleak noisy".split(),
}
NOUNS = "film story plot cast ending score".split()
SETTINGS = {"text_type": "movie review", "label_type": "sentiment", "form": "completion", "max_tokens": 40}


def line(draw: random.Random, label: str) -> str:
    good, noun = WORDS[label], NOUNS
    return f"the {draw.choice(noun)} is {draw.choice(good)} and the {draw.choice(noun)} feels {draw.choice(good)}"


def rows() -> HumanDataset:
    draw = random.Random(7)
    made = [Example(f"h{i}", line(draw, label), label) for i, label in enumerate(list(LABELS) * 8)]
    return HumanDataset.from_examples(made, LABELS, name="reviews")


def lessons(count: int = 400) -> list[str]:
    """Prompts as gpt3mix sends them, each with the line that should come next."""
    train, draw = rows(), random.Random(1)
    header = Gpt3Mix(count=1, **SETTINGS).preview(train, count=1)[0].partition("\n")[0]
    texts = []
    for _ in range(count):
        shown = [draw.choice(list(LABELS)) for _ in range(3)]
        lines = [f"Movie review: {line(draw, label)} (Sentiment: {label.capitalize()})" for label in shown]
        texts.append("\n".join([header, "", *lines]) + "\n")
    return texts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_causal.build(tmp_path_factory.mktemp("serve") / "reviewer", lessons(), steps=250)


@pytest.fixture(scope="module")
def server(folder: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(folder, tmp_path_factory.mktemp("log") / "serve.txt") as address:
        yield address


def agreement(made) -> float:
    """Share of rows whose label is that of the words in their text."""
    right = 0
    for row in made:
        votes = Counter(label for label, words in WORDS.items() for word in words if word in row.text)
        right += votes.most_common(1)[0][0] == row.label if votes else 0
    return right / len(made)


def test_a_served_model_writes_rows_that_are_read_and_voted_on(folder: str, server: str, tmp_path: Path):
    generator = Gpt3Mix(per_class=6, labels="votes", votes=4, attempts=4, **SETTINGS)
    with LLM(f"transformers/{folder}", base_url=server, cache=tmp_path / "c.sqlite", max_in_flight=4) as llm:
        made = generate(rows(), generator, llm=llm, seed=0)
        assert len(made.dataset) + sum(made.shortfall.values()) == 12
        assert len(made.dataset) >= 10
        assert {row.soft_source for row in made.dataset} == {"votes"}
        assert all(sum(row.probabilities) == pytest.approx(1) for row in made.dataset)
        assert agreement(made.dataset) >= 0.8
        assert {row.origin for row in made.dataset} == {"generated"}
        calls = llm.cost.calls
        assert calls >= 12 * 5 * 0.5
        again = generate(rows(), generator, llm=llm, seed=0)
        assert llm.cost.calls == calls
        assert [row.text for row in again.dataset] == [row.text for row in made.dataset]


def test_replies_of_a_served_model_that_are_no_rows_are_dropped_with_the_reason(folder: str, server: str):
    generator = Gpt3Mix(count=6, labels="hard", attempts=1, **{**SETTINGS, "max_tokens": 6})
    with LLM(f"transformers/{folder}", base_url=server) as llm:
        made = generate(rows(), generator, llm=llm, seed=0)
    assert len(made.dataset) == 0
    assert Counter(row.reason for row in made.dropped) == {"cut off": 6}
    assert sum(made.shortfall.values()) == 6


def test_a_served_model_takes_the_chat_form_too(folder: str, server: str):
    with LLM(f"transformers/{folder}", base_url=server) as llm:
        generator = Gpt3Mix(count=4, labels="hard", **{**SETTINGS, "form": "chat"})
        made = generate(rows(), generator, llm=llm, seed=0)
        assert 4 <= len(made.dataset) + len(made.dropped) <= llm.cost.calls <= 8


def test_the_same_model_in_this_process_gives_soft_labels_equal_to_a_direct_computation(folder: str):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    train = rows()
    generator = Gpt3Mix(per_class=5, labels="logprobs", attempts=4, **SETTINGS)
    with LLM(f"local/{folder}", local={"device": "cpu"}) as llm:
        made = generate(train, generator, llm=llm, seed=0)
        assert len(made.dataset) == 10
        assert agreement(made.dataset) >= 0.8
        again = generate(train, generator, llm=LLM(f"local/{folder}", local={"device": "cpu", "batch_size": 3}), seed=0)
        assert [row.text for row in again.dataset] == [row.text for row in made.dataset]
        llm.save_replies(Path(folder) / "replies.jsonl")
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    prompts = {entry.request.key: entry for entry in recorded(Path(folder) / "replies.jsonl")}
    for row in made.dataset:
        entry = prompts[row.call_key]
        assert isinstance(entry.reply, Reply)
        before = entry.request.prompt + entry.reply.text.partition(" (Sentiment:")[0] + " (Sentiment:"
        start = tokenizer(before)["input_ids"]
        with torch.no_grad():
            shares = torch.softmax(model(torch.tensor([start])).logits[0, -1].double(), 0)
        firsts = [tokenizer(f" {label.capitalize()}")["input_ids"][0] for label in LABELS]
        direct = shares[firsts] / shares[firsts].sum()
        assert row.probabilities == pytest.approx(direct.tolist(), abs=1e-4)
    with LLM(f"local/{folder}", local={"device": "cpu"}) as llm:
        scores = llm.score([" Negative)", " Positive)"], prompt=before)
        assert scores[1] - scores[0] == pytest.approx(float((direct[1] / direct[0]).log()), abs=0.05)


def recorded(path: Path):
    from augtune.llm.providers.replay import read_recording

    return read_recording(path)
