"""Jumps of the system's clock change nothing: the engine waits, paces and gives up by a clock that never jumps."""

from __future__ import annotations

import itertools
import time

import pytest

from augtune.llm.client import LLM
from augtune.llm.messages import Message
from augtune.llm.providers.scripted import Scripted


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0], ids=["a day back", "a day ahead"])
def test_calls_are_answered_in_time_when_the_clock_jumps(monkeypatch: pytest.MonkeyPatch, step: float):
    jumps = itertools.count(1)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + step * next(jumps))
    started = time.monotonic()
    with LLM(Scripted([f"reply {i}" for i in range(20)]), requests_per_minute=60_000, timeout_s=5) as llm:
        answers = llm.send_all([llm.request(messages=[Message("user", f"{i}")]) for i in range(20)])
    assert sorted(answer.text for answer in answers) == sorted(f"reply {i}" for i in range(20))
    assert time.monotonic() - started < 5
