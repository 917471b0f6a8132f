"""A run that is killed, or interrupted, keeps what it paid for; two runs share a cache."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request as HttpRequest
from werkzeug import Response

from augtune.llm.client import LLM
from augtune.llm.messages import Message, Reply

RUN = """
import sys
from augtune.llm.client import LLM
from augtune.llm.messages import Message
url, cache, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with LLM("openai/m", base_url=url, cache=cache, max_in_flight=8, budget="1000 calls") as llm:
    requests = [llm.request(messages=[Message("user", f"{i}")], max_tokens=5) for i in range(count)]
    try:
        answers = llm.send_all(requests, on_answer=lambda i, answer: print(i, flush=True))
    except KeyboardInterrupt:
        print("interrupted", llm.paid.calls, flush=True)
        sys.exit(130)
    print("done", [answer.text for answer in answers] == [str(i) for i in range(count)], flush=True)
"""


class Counting:
    """A server that repeats the prompt, counts how often each was asked, and limits every tenth call."""

    def __init__(self, http: HTTPServer) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.asked: dict[str, int] = {}
        self.calls = 0
        self.lock = threading.Lock()
        self.url = http.url_for("/v1")
        http.expect_request("/v1/chat/completions").respond_with_handler(self.handle)

    def handle(self, request: HttpRequest) -> Response:
        prompt = request.get_json()["messages"][0]["content"]
        with self.lock:
            self.calls += 1
            if self.calls % 10 == 0:
                return Response("{}", 429, {"retry-after": "0.01"}, content_type="application/json")
            self.asked[prompt] = self.asked.get(prompt, 0) + 1
        body = {
            "choices": [{"message": {"content": prompt}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1},
        }
        return Response(json.dumps(body), content_type="application/json")


@pytest.fixture
def server(httpserver: HTTPServer) -> Counting:
    return Counting(httpserver)


def start(server: Counting, cache: Path, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN, server.url, str(cache), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen[str], answers: int) -> None:
    assert process.stdout is not None
    for _ in range(answers):
        assert process.stdout.readline()


def test_a_killed_run_makes_no_call_again_that_was_out(server: Counting, tmp_path: Path):
    cache, kills = tmp_path / "c.sqlite", 2
    for kill in range(kills):
        process = start(server, cache, 60)
        wait_for(process, 15 * (kill + 1))
        process.kill()
        process.communicate()
    out, _ = start(server, cache, 60).communicate(timeout=60)
    assert out.splitlines()[-1] == "done True"
    assert len(server.asked) == 60
    assert sum(server.asked.values()) == 60


def test_an_interrupted_run_waits_for_calls_that_are_out_and_loses_none(server: Counting, tmp_path: Path):
    process = start(server, tmp_path / "c.sqlite", 150)
    wait_for(process, 20)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    paid = sum(server.asked.values())
    assert out.splitlines()[-1] == f"interrupted {paid}"
    assert paid < 150
    with LLM("openai/m", base_url=server.url, cache=tmp_path / "c.sqlite") as llm:
        known = [llm.request(messages=[Message("user", prompt)], max_tokens=5) for prompt in server.asked]
        assert [answer.text for answer in llm.send_all(known) if isinstance(answer, Reply)] == list(server.asked)
    assert sum(server.asked.values()) == paid


def test_two_runs_share_one_cache(server: Counting, tmp_path: Path):
    runs = [start(server, tmp_path / "c.sqlite", 40) for _ in range(2)]
    outs = [run.communicate(timeout=60)[0] for run in runs]
    assert [out.splitlines()[-1] for out in outs] == ["done True"] * 2
    assert len(server.asked) == sum(server.asked.values()) == 40
