"""Scripted and recorded replies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from augtune.core.errors import DataError, ProviderError, SettingsError
from augtune.llm.client import LLM
from augtune.llm.messages import Message, Reply, Request
from augtune.llm.providers.replay import read_recording
from augtune.llm.providers.scripted import Scripted


def record(path: Path, model: Any = None) -> LLM:
    llm = LLM(model or Scripted(["One.", "Two."]))
    llm.send_all([llm.request(prompt="a", temperature=1.0), llm.request(messages=[Message("user", "b")], draw=3)])
    llm.save_replies(path)
    return llm


def test_scripted_replies_come_in_order_and_by_match():
    script = ["One.", {"text": "For b.", "match": "b", "finish_reason": "length"}, Reply("Two.", tokens_in=7)]
    llm = LLM(Scripted(script))
    replies = llm.send_all([llm.request(prompt=text) for text in ("a", "c", "b")])
    assert replies == [Reply("One."), Reply("Two.", tokens_in=7), Reply("For b.", "length")]


def test_a_scripted_callable_sees_the_request_and_may_fail_it():
    def act(request: Request) -> Any:
        return ProviderError("No.") if request.draw == 1 else f"{request.text} {request.draw}"

    llm = LLM(Scripted(act))
    first, second, third = llm.send_all([llm.request(prompt="a", draw=draw) for draw in range(3)])
    assert (first, third) == (Reply("a 0"), Reply("a 2"))
    assert isinstance(second, ProviderError)
    assert llm.cost.calls == 2


def test_scripted_replies_run_out():
    llm = LLM(Scripted(["One."]))
    with pytest.raises(ProviderError) as caught:
        llm.send_all([llm.request(prompt="a"), llm.request(prompt="b")])
    assert str(caught.value) == (
        "scripted: no reply is left for the prompt 'b' (1 were given).\n"
        "  Write more replies, or give a callable that answers any request."
    )


def test_scripted_replies_are_read_from_a_file(tmp_path: Path):
    path = tmp_path / "r.jsonl"
    path.write_text('"One."\n{"text": "Two.", "tokens_in": 3}\n')
    llm = LLM(f"scripted/{path}")
    assert llm.send_all([llm.request(prompt=text) for text in "ab"]) == [Reply("One."), Reply("Two.", tokens_in=3)]
    path.write_text('"One."\n{"txt": "Two."}\n')
    with pytest.raises(DataError) as caught:
        LLM(f"scripted/{path}")
    assert str(caught.value) == f"{path}: entry 2: expected a text or an object with 'text', got {{'txt': 'Two.'}}."


def test_a_recording_is_replayed_without_naming_the_model(tmp_path: Path):
    path = tmp_path / "r.jsonl"
    live = record(path)
    llm = LLM(replay=path)
    assert llm.name == live.name == "replies"
    wanted = [llm.request(prompt="a", temperature=1.0), llm.request(messages=[Message("user", "b")], draw=3)]
    assert llm.send_all(wanted) == [Reply("One."), Reply("Two.")]
    assert (llm.cost.usd, llm.cost.calls, llm.cost.cached) == (0.0, 0, 2)
    assert llm.save_replies(tmp_path / "again.jsonl") == 2
    assert (tmp_path / "again.jsonl").read_text() == path.read_text()


def test_a_recording_without_prompts_serves_the_same(tmp_path: Path):
    live, path = record(tmp_path / "whole.jsonl"), tmp_path / "bare.jsonl"
    assert live.save_replies(path, prompts=False) == 2
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["request"] for line in lines] == [{"provider": "scripted", "base_url": None, "model": "replies"}] * 2
    llm = LLM(replay=path)
    assert llm.name == "replies"
    assert llm.send(llm.request(prompt="a", temperature=1.0)) == Reply("One.")
    with pytest.raises(DataError) as caught:
        list(read_recording(path))
    assert str(caught.value) == f"{path}: reply 1: its prompt was left out when it was recorded."
    path.write_text(path.read_text().replace('"reply": {"', '"reply": {"no'))
    with pytest.raises(DataError) as caught:
        LLM(replay=path)
    assert caught.value.message.startswith(f"{path}: reply 1: expected {{'key', 'request', 'reply'}}")


def test_a_request_that_was_not_recorded_is_one_clear_error(tmp_path: Path):
    path = tmp_path / "r.jsonl"
    record(path)
    llm = LLM(replay=path)
    with pytest.raises(ProviderError) as caught:
        llm.send(llm.request(prompt="Write  a\nreview.", draw=2))
    assert str(caught.value) == (
        f"{path}: no reply is recorded for scripted/replies and this request (prompt 'Write a review.', draw 2); the "
        "recording has 2 replies of scripted/replies.\n"
        "  The prompt, the sampling and the model have to be those of the recording. To record anew, run once with a "
        "live model in place of replay:, then call llm.save_replies(path)."
    )
    assert caught.value.exit_code == 4


def test_a_recording_of_several_models_needs_a_name(tmp_path: Path):
    path = tmp_path / "r.jsonl"
    lines = [
        {
            "request": {"provider": "openai", "base_url": f"https://{m}/v1", "model": m, "prompt": "a"},
            "reply": {"text": m},
        }
        for m in ("m", "n")
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(SettingsError) as caught:
        LLM(replay=path)
    assert str(caught.value) == (
        f"llm.model: missing; it has to say whose replies of {path} are meant: openai/m, openai/n"
    )
    llm = LLM("openai/n", replay=path, budget="1 USD")  # the address is clear from the recording, and it costs nothing
    assert llm.send(llm.request(prompt="a")) == Reply("n")


def test_a_damaged_recording_names_the_reply(tmp_path: Path):
    path = tmp_path / "r.jsonl"
    record(path)
    lines = path.read_text().splitlines()
    for second, message in [
        (
            '{"request": 1}',
            "reply 2: expected {'key', 'request', 'reply'} as llm.save_replies writes it, got something "
            "else (TypeError: 'int' object is not iterable).",
        ),
        (lines[1].replace('"b"', '"c"'), "reply 2: the key is not that of its request, "),
    ]:
        path.write_text(lines[0] + "\n" + second + "\n")
        with pytest.raises(DataError) as caught:
            LLM(replay=path)
        assert caught.value.message.startswith(f"{path}: {message}")


def test_a_recording_with_two_replies_to_one_request_is_refused(tmp_path: Path):
    path = tmp_path / "r.jsonl"
    record(path)
    line = json.loads(path.read_text().splitlines()[0])
    with path.open("a") as file:
        file.write(json.dumps({**line, "reply": {"text": "Other."}}) + "\n")
    with pytest.raises(DataError) as caught:
        LLM(replay=path)
    assert str(caught.value) == (
        f"{path}: the request {line['key'][:12]} has two different replies.\n"
        "  Repeated samples of one prompt are told apart by 'draw' in the request."
    )
