"""A clock that tests turn, providers that do as they are told, and a server on this machine."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request as HttpRequest
from werkzeug import Response

from augtune.llm.clock import Clock
from augtune.llm.messages import Message, Reply, Request


class TurnedClock(Clock):
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)


class Obedient:
    """A provider that does what a function of the request says: a reply, or an exception to raise."""

    def __init__(self, act: Callable[[Request], Any]) -> None:
        self.act = act
        self.asked: list[Request] = []
        self.in_flight = self.most_in_flight = 0

    async def send(self, request: Request) -> Reply:
        self.asked.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            for _ in range(len(self.asked) % 5 + 1):  # calls end in another order than they started
                await asyncio.sleep(0)
            found = self.act(request)
        finally:
            self.in_flight -= 1
        if isinstance(found, BaseException):
            raise found
        return Reply(found) if isinstance(found, str) else found


def ask(text: str = "Say hello.", **fields: Any) -> Request:
    """Return a chat request of one turn."""
    return Request("openai", "http://127.0.0.1:1/v1", "m", (Message("user", text),), **{"max_tokens": 10, **fields})


def chat(text: str | None = "Hello.", finish: str | None = "stop", **message: Any) -> dict[str, Any]:
    """Return the JSON of a chat completion."""
    return {
        "model": "m-2026",
        "choices": [{"message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}},
    }


class Server:
    """A server of chat completions that gives prepared responses in turn, the last one again and again."""

    def __init__(self, http: HTTPServer) -> None:
        self.http = http
        self.base_url = http.url_for("/v1")
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    def answers(self, *responses: Any, path: str = "/v1/chat/completions") -> None:
        left = list(responses)

        def handle(request: HttpRequest) -> Response:
            self.bodies.append(request.get_json())
            self.keys.append(request.headers.get("Authorization"))
            found = left.pop(0) if len(left) > 1 else left[0]
            if callable(found):
                found = found(request)
            if isinstance(found, Response):
                return found
            status, body, headers = found if isinstance(found, tuple) else (200, found, {})
            text = body if isinstance(body, str) else json.dumps(body)
            return Response(text, status, headers, content_type=headers.get("content-type", "application/json"))

        self.http.expect_request(path).respond_with_handler(handle)


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def server(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Server:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return Server(httpserver)
