"""Killed 20 times in 500 calls, 64 in flight at random prices: what the server counts is what was paid and kept."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request as HttpRequest
from werkzeug import Response

from augtune.core.errors import BudgetError
from augtune.llm.client import LLM
from augtune.llm.messages import Message, Request
from augtune.llm.prices import Price
from augtune.llm.tokens import most_tokens_in

CALLS, KILLS, IN_FLIGHT = 500, 20, 8

RUN = """
import sys
from augtune.llm.client import LLM
from augtune.llm.messages import Message
url, cache, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with LLM("openai/m", base_url=url, cache=cache, max_in_flight=8, budget="5000 calls") as llm:
    requests = [llm.request(messages=[Message("user", f"{i}")], max_tokens=5) for i in range(count)]
    print("ready", flush=True)
    answers = llm.send_all(requests)
    print(*[answer.text for answer in answers], flush=True)
"""


class Counting:
    """A server with a thread per call that counts every call, by prompt and by the key that says it is the same one."""

    def __init__(self, http: HTTPServer) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.lock = threading.Lock()
        self.asked: dict[str, int] = {}
        self.keys: dict[str, set[str]] = {}
        self.billed: list[tuple[int, int]] = []
        self.draw = random.Random(0)
        self.in_flight = self.most_in_flight = 0
        self.wait_s = 0.003
        self.url = http.url_for("/v1")
        http.expect_request("/v1/chat/completions").respond_with_handler(self.handle)

    def handle(self, request: HttpRequest) -> Response:
        body = request.get_json()
        prompt = body["messages"][0]["content"]
        with self.lock:
            self.asked[prompt] = self.asked.get(prompt, 0) + 1
            self.keys.setdefault(prompt, set()).add(request.headers["Idempotency-Key"])
            usage = (self.draw.randint(1, len(prompt) + 8), self.draw.randint(1, body["max_tokens"]))
            self.billed.append(usage)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        time.sleep(self.wait_s)
        with self.lock:
            self.in_flight -= 1
        text = hashlib.sha256(prompt.encode()).hexdigest()[:8]
        reply = {
            "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1]},
        }
        return Response(json.dumps(reply), content_type="application/json")


@pytest.fixture
def server() -> Iterator[Counting]:
    with HTTPServer(threaded=True) as http:
        yield Counting(http)


def start(server: Counting, cache: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN, server.url, str(cache), str(CALLS)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def wait_for(server: Counting, process: subprocess.Popen[str], *, calls: int) -> None:
    """Wait until so many more calls have come in, or there is no one left to make them."""
    until = sum(server.asked.values()) + calls
    while process.poll() is None and sum(server.asked.values()) < until:
        time.sleep(0.001)


@pytest.mark.slow
def test_20_kills_in_500_calls_repeat_only_what_was_in_flight(server: Counting, tmp_path: Path):
    draw = random.Random(3)
    alone, _ = start(server, tmp_path / "alone.sqlite").communicate(timeout=100)
    assert sum(server.asked.values()) == CALLS
    server.asked.clear()
    cut = 0
    for _ in range(KILLS):
        process = start(server, tmp_path / "c.sqlite")
        wait_for(server, process, calls=draw.randint(0, 40))
        time.sleep(draw.uniform(0.0, 0.005))
        process.kill()
        cut += process.communicate()[0] == ""
    out, _ = start(server, tmp_path / "c.sqlite").communicate(timeout=100)
    assert cut >= KILLS // 2
    assert out == alone
    made = sum(server.asked.values())
    assert len(server.asked) == CALLS
    assert CALLS <= made <= CALLS + IN_FLIGHT * KILLS
    assert max(server.asked.values()) <= 1 + KILLS
    # To a server that honours the key they were the same call.
    assert all(len(keys) == 1 for keys in server.keys.values())
    assert len({key for keys in server.keys.values() for key in keys}) == CALLS
    with sqlite3.connect(tmp_path / "c.sqlite") as file:
        kept = file.execute("SELECT count(*) FROM replies").fetchone()[0]
        paid = file.execute("SELECT count(*), count(DISTINCT key) FROM payments").fetchone()
    file.close()
    assert kept == paid[1] == CALLS
    assert paid[0] <= made


def requests(llm: LLM, draw: random.Random) -> list[Request]:
    prompts = [f"{i} {'x' * draw.randint(0, 200)}" for i in range(300)]
    return [llm.request(messages=[Message("user", prompt)], max_tokens=draw.randint(1, 400)) for prompt in prompts]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_a_budget_holds_with_64_in_flight_at_random_prices(server: Counting, seed: int):
    draw = random.Random(seed)
    price = Price(input=draw.uniform(0.01, 50), output=draw.uniform(0.01, 200))
    expected = 80 * (120 * price.input + 200 * price.output) / 1e6
    budget = Decimal(f"{expected * draw.uniform(0.5, 1.5):.6f}")
    server.draw, server.wait_s = random.Random(seed), 0.05
    with LLM("openai/m", base_url=server.url, price=price, budget=f"{budget:f} USD", max_in_flight=64) as llm:
        asked = requests(llm, draw)
        with pytest.raises(BudgetError):
            llm.send_all(asked)
        spent = sum((price.usd(tokens_in=ins, tokens_out=outs) for ins, outs in server.billed), Decimal(0))
        assert spent <= budget
        assert llm.paid.calls == len(server.billed)
        assert llm.paid.usd == pytest.approx(float(spent))
        dearest = max(price.most_usd(tokens_in=most_tokens_in(r), tokens_out=r.max_tokens or 0) for r in asked)
        assert budget - spent < dearest
    assert server.most_in_flight > 24
