from __future__ import annotations

from pathlib import Path

import pytest

from augtune.core.files import read_jsonl
from augtune.llm.client import LLM
from augtune.llm.messages import Reply, TokenLogprobs
from augtune.llm.thinking import without_thinking

from .conftest import Obedient


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>They want a review.</think>A fine film.", "A fine film."),
        ("\n<think>\nA review.\n\nOf a film.\n</think>\n\nA fine film.\n", "A fine film.\n"),
        ("They want a review.\nOf a film.\n</think>\n\nA fine film.", "A fine film."),
        ("</think>\n\nA fine film.", "A fine film."),
        ("<think></think>", ""),
    ],
)
def test_thoughts_before_an_answer_are_no_part_of_it(text, answer):
    assert without_thinking(Reply(text)) == Reply(answer)


@pytest.mark.parametrize(
    "text",
    [
        "A fine film.",
        "My model never writes </think> at the end.\nWhat can I do?",
        "What does <think> mean?",
        "It begins with <think>\nand ends with </think>.",
    ],
)
def test_a_text_that_mentions_the_tags_is_left_as_it_is(text):
    assert without_thinking(Reply(text)) == Reply(text)


def test_thoughts_without_an_end_are_a_reply_that_was_cut_off():
    assert without_thinking(Reply("<think>They want", tokens_out=4)) == Reply("", "length", tokens_out=4)


def test_tokens_of_thoughts_go_with_them():
    tokens = [TokenLogprobs(token, -0.5) for token in ("<think>", "good", "</think>", "\n", "\nba", "d")]
    reply = without_thinking(Reply("<think>good</think>\n\nbad", logprobs=tuple(tokens)))
    assert reply.text == "bad"
    assert [entry.token for entry in reply.logprobs or ()] == ["ba", "d"]


def test_a_model_gives_its_answer_and_the_cache_keeps_what_it_wrote(tmp_path: Path):
    told = []
    with LLM(Obedient(lambda _: "<think>Hm.</think>\nYes."), cache=tmp_path / "c.sqlite") as llm:
        for _ in range(2):  # asked, and found
            request = llm.request(prompt="Well?", max_tokens=9)
            assert llm.send_all([request], on_answer=lambda _, answer: told.append(answer)) == [Reply("Yes.")]
        llm.save_replies(tmp_path / "replies.jsonl")
    assert told == [Reply("Yes.")] * 2
    assert "<think>Hm.</think>\\nYes." in (tmp_path / "replies.jsonl").read_text()
    assert LLM(replay=tmp_path / "replies.jsonl").send(request) == Reply("Yes.")
    assert len(read_jsonl(tmp_path / "replies.jsonl")) == 1
