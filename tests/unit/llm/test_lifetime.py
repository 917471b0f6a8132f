"""The day a model shuts down: known here, or asked of its provider, and only when that was asked for."""

from __future__ import annotations

from datetime import date

import pytest

from augtune.llm.lifetime import lifetime_warnings
from augtune.llm.settings import LLMSettings

TODAY = date(2026, 11, 21)


def warnings(server=None, *, ask: bool = True, model: str = "openai/m", **fields) -> list[str]:
    if server is not None:
        fields = {"base_url": server.base_url, **fields}
    return lifetime_warnings(LLMSettings(model=model, **fields), ask=ask, today=TODAY)


def test_known_days_are_told_without_asking_anyone():
    assert warnings(ask=False, model="openai/gpt-4.1-mini") == [
        "llm.model: openai/gpt-4.1-mini shuts down on 2027-01-14, in 54 days, as prices.toml has it."
    ]
    assert warnings(ask=False, model="openai/gpt-4.1-nano-2025-04-14") == [
        "llm.model: openai/gpt-4.1-nano-2025-04-14 was shut down on 2026-10-23, as prices.toml has it; calls will fail."
    ]
    assert warnings(ask=False, model="openai/gpt-6-luna") == []


def test_the_provider_says_when(server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("THE_KEY", "sk-secret")
    rows = [{"id": "m", "shutdown_date": "2026-11-22"}, {"id": "models/gem"}, {"id": "n", "shutdown_date": None}]
    server.http.expect_request("/v1/models", headers={"Authorization": "Bearer sk-secret"}).respond_with_json(
        {"object": "list", "data": rows}
    )
    assert warnings(server, api_key_env="THE_KEY") == [
        "llm.model: openai/m shuts down on 2026-11-22, tomorrow, as its provider says."
    ]
    assert warnings(server, api_key_env="THE_KEY", model="openai/gem") == []
    assert warnings(server, api_key_env="THE_KEY", model="openai/n") == []
    assert warnings(server, api_key_env="THE_KEY", model="openai/gemm") == [
        f"llm.model: {server.base_url} lists no model 'gemm'; did you mean 'gem'?"
    ]


def test_nothing_is_sent_unasked_or_without_a_key(server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    assert warnings(server, ask=False) == []
    assert warnings(server, api_key_env="NO_SUCH_KEY") == [
        "llm.model: openai/m: its provider was not asked, because NO_SUCH_KEY is not set."
    ]
    assert server.http.log == []


def test_a_provider_that_cannot_be_asked_is_no_failure(server):
    server.http.expect_ordered_request("/v1/models").respond_with_json({"error": {"message": "No."}}, status=403)
    server.http.expect_ordered_request("/v1/models").respond_with_data("<html>")
    assert warnings(server) == [
        f"llm.model: openai/m: its provider could not be asked: openai/m: HTTP 403 from {server.base_url}: No."
    ]
    assert warnings(server) == ["llm.model: openai/m: its provider could not be asked: the reply is no list of models."]
