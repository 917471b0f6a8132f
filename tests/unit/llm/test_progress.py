"""What is told while a model is asked."""

from __future__ import annotations

import pytest

from augtune.core.outcomes import Cost
from augtune.llm.client import LLM
from augtune.llm.messages import Message, Reply
from augtune.llm.progress import LLMProgress, Watch
from augtune.llm.providers.scripted import Scripted


def test_tokens_and_money_are_told_so_far_per_minute_and_to_be_expected():
    now = LLMProgress(50, 200, Cost(0.02, 40, 10, 3000, 1000), 30.0, 40, {"repeat": 2, "unreadable": 8})
    assert now.tokens_per_minute == 8000
    assert now.usd_per_minute == pytest.approx(0.04)
    assert now.usd_expected == pytest.approx(0.02 + 150 * 0.02 / 40)
    assert str(now) == (
        "50 of 200 · 40 kept · 10 dropped (8 unreadable, 2 repeat) · 10 from the cache · 4,000 tokens, 8,000/min · "
        "$0.020, $0.040/min, about $0.095 in all"
    )
    assert LLMProgress.from_json({**now.to_json(), "event": "progress"}) == now


def test_what_is_not_known_or_is_free_is_not_told():
    assert str(LLMProgress(1, 2, Cost(None, 1, 0, 5, 5), 60.0)) == "1 of 2 · 10 tokens, 10/min · price unknown"
    assert str(LLMProgress(1, 2, Cost(0.0, 1, 0, 5, 5), 60.0)) == "1 of 2 · 10 tokens, 10/min"
    assert str(LLMProgress(2, 2, Cost(0.0, 0, 2), 60.0)) == "2 of 2 · 2 from the cache"
    assert LLMProgress(1, 2, Cost(None, 1), 0.0).usd_expected is None
    assert LLMProgress(0, 2, Cost(), 0.0).tokens_per_minute == 0


def test_a_watch_counts_from_when_it_was_made(clock):
    llm = LLM(Scripted(lambda request: Reply("x", tokens_in=3, tokens_out=2)))
    llm.send(llm.request(messages=[Message("user", "before")]))
    watch = Watch(llm, clock)
    clock.time += 6
    for prompt in ("a", "a", "b"):
        llm.send(llm.request(messages=[Message("user", prompt)]))
    now = watch.at(3, 10, kept=2, dropped={"repeat": 1})
    assert now == LLMProgress(3, 10, Cost(0.0, 2, 1, 6, 4), 6.0, 2, {"repeat": 1})
