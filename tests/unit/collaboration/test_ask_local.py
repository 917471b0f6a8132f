"""Asking a causal model that runs in this process."""

import shutil
from pathlib import Path

import pytest

import tiny_causal
from augtune.collaboration.ask import ask
from augtune.collaboration.forms import Shown, find_form
from augtune.core.labels import Labels
from augtune.llm.client import LLM


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return Path(tiny_causal.build(tmp_path_factory.mktemp("local") / "tiny", ["a film is good or bad"] * 4, steps=2))


def test_local_model_scores_the_labels(model, test):
    found = ask(test, llm=LLM(f"local/{model}"))
    assert found.constrained
    assert {record.soft_source for record in found.records} == {"scores"}
    assert found.unanswered == ()
    assert found.probabilities.sum(axis=1) == pytest.approx([1, 1, 1])
    llm = LLM(f"local/{model}")
    turns = find_form("classify").messages(Shown(test.texts[0]), test.labels)
    scores = llm.score(list(test.labels), messages=turns)
    assert (scores[0] < scores[1]) == (found.probabilities[0, 0] < found.probabilities[0, 1])


def test_model_without_a_chat_template_continues_a_text(model, test, tmp_path):
    plain = shutil.copytree(model, tmp_path / "plain")
    (plain / "chat_template.jinja").unlink()
    found = ask(test, llm=LLM(f"local/{plain}"))
    assert found.unanswered == ()
    assert found.constrained


def test_labels_that_begin_alike_are_written_not_scored(model, test):
    found = ask(list(test.texts), llm=LLM(f"local/{model}"), labels=Labels(("no", "not sure")), max_tokens=4, reask=0)
    assert not found.constrained
    assert all(record.replies for record in found.records)
