"""Killed 20 times in 500 calls, 64 in flight at random prices: what the server counts is what was paid and kept."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
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

LABELS = ("good", "bad")
RUN = "import sys; from augtune.cli.main import main; sys.exit(main())"


class Counting:
    """A server with a thread per call that counts every call and knows nothing of keys that say it is the same one."""

    def __init__(self, http: HTTPServer) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.lock = threading.Lock()
        self.asked: dict[str, int] = {}
        self.billed: list[tuple[int, int]] = []
        self.draw = random.Random(0)
        self.in_flight = self.most_in_flight = 0
        self.wait_s = 0.003
        self.hold_until = 0
        self.is_held = threading.Event()
        self.url = http.url_for("/v1")
        http.expect_request("/v1/chat/completions").respond_with_handler(self.handle)

    def handle(self, request: HttpRequest) -> Response:
        body = request.get_json()
        prompt = body["messages"][0]["content"]
        with self.lock:
            self.asked[prompt] = self.asked.get(prompt, 0) + 1
            usage = (self.draw.randint(1, len(prompt) + 8), self.draw.randint(1, body["max_tokens"]))
            self.billed.append(usage)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            if self.in_flight >= self.hold_until:
                self.is_held.set()
        self.is_held.wait(10)
        digest = hashlib.sha256(prompt.encode()).hexdigest()
        time.sleep(self.wait_s * int(digest[0], 16) / 8)  # from none to twice as long
        with self.lock:
            self.in_flight -= 1
        reply = {
            "choices": [{"message": {"content": text_of(digest)}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1]},
        }
        return Response(json.dumps(reply), content_type="application/json")


def text_of(digest: str) -> str:
    """Return a text of its own for each prompt; for one in sixteen something that is no row."""
    return "<p>a page</p>" if digest[1] == "0" else f"a film like {digest[:12]}"


@pytest.fixture
def server() -> Iterator[Counting]:
    with HTTPServer(threaded=True) as http:
        yield Counting(http)


class Runs:
    """The same ``augtune generate`` over and over, in one folder.

    Args:
        server: Who is asked.
        folder: Where the files go.
        rows: Rows wanted of each of the two labels.
    """

    def __init__(self, server: Counting, folder: Path, rows: int) -> None:
        folder.mkdir()
        self.server, self.folder, self.rows = server, folder, rows
        human = [f"a {i} film that I saw,{LABELS[i % 2]}" for i in range(600)]
        (folder / "human.csv").write_text("\n".join(["text,label", *human]))

    def start(self) -> subprocess.Popen[str]:
        here = self.folder
        command = [sys.executable, "-c", RUN, "generate", str(here / "human.csv"), "--kind", "fewshot"]
        command += ["--set", f"per_class={self.rows}", "--llm", "openai/m", "--base-url", self.server.url]
        command += [
            "--budget",
            "5000 calls",
            "--out",
            str(here / "rows.jsonl"),
            "--dropped",
            str(here / "dropped.jsonl"),
        ]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self) -> tuple[bytes, bytes]:
        """Run to the end; return the rows kept and the rows dropped."""
        process = self.start()
        _, said = process.communicate(timeout=150)
        assert process.returncode == 0, said
        return (self.folder / "rows.jsonl").read_bytes(), (self.folder / "dropped.jsonl").read_bytes()

    def kill(self, draw: random.Random) -> bool:
        """Start a run and kill it after some calls and some time; return whether it was still running."""
        process = self.start()
        until = sum(self.server.asked.values()) + draw.randint(0, 50)
        while process.poll() is None and sum(self.server.asked.values()) < until:
            time.sleep(0.001)
        time.sleep(draw.uniform(0.0, 0.02))
        process.kill()
        process.communicate()
        return process.returncode == -signal.SIGKILL

    def table(self, query: str) -> list[tuple[int, ...]]:
        with closing(sqlite3.connect(self.folder / "rows.cache.sqlite")) as file:
            return file.execute(query).fetchall()


def check_kills(server: Counting, folder: Path, *, rows: int, kills: int, seed: int) -> None:
    draw = random.Random(seed)
    alone = Runs(server, folder / "alone", rows).finish()
    calls = sum(server.asked.values())
    server.asked.clear()
    runs = Runs(server, folder / "killed", rows)
    cut = sum(runs.kill(draw) for _ in range(kills))
    assert runs.finish() == alone
    kept, dropped = (len(lines.splitlines()) for lines in alone)
    assert kept == 2 * rows
    assert dropped > 0
    # Every call the server counted is a row that was kept or one on record as dropped; none was made twice.
    assert sum(server.asked.values()) == len(server.asked) == calls == kept + dropped
    assert runs.table("SELECT count(*) FROM replies") == [(calls,)]
    assert runs.table("SELECT count(*), count(DISTINCT key) FROM payments") == [(calls, calls)]
    assert runs.table("SELECT count(*) FROM claims") == [(0,)]
    assert cut >= kills // 2


def test_a_run_killed_now_and_then_makes_each_call_once(server: Counting, tmp_path: Path):
    server.wait_s = 0.05
    check_kills(server, tmp_path, rows=40, kills=3, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(400)  # half a minute where nothing else runs; it is 21 starts of a program
def test_20_kills_in_500_calls_make_each_call_once(server: Counting, tmp_path: Path):
    server.wait_s = 0.05
    check_kills(server, tmp_path, rows=235, kills=20, seed=3)


def requests(llm: LLM, draw: random.Random) -> list[Request]:
    prompts = [f"{i} {'x' * draw.randint(0, 200)}" for i in range(300)]
    return [llm.request(messages=[Message("user", prompt)], max_tokens=draw.randint(1, 400)) for prompt in prompts]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_a_budget_holds_with_64_in_flight_at_random_prices(server: Counting, tmp_path: Path, seed: int):
    draw = random.Random(seed)
    price = Price(input=draw.uniform(0.01, 50), output=draw.uniform(0.01, 200))
    expected = 80 * (120 * price.input + 200 * price.output) / 1e6
    budget = Decimal(f"{expected * draw.uniform(0.5, 1.5):.6f}")
    server.draw, server.wait_s = random.Random(seed), 0.05
    settings = {"price": price, "budget": f"{budget:f} USD", "max_in_flight": 64}
    cache = tmp_path / "c.sqlite" if seed % 2 else None  # every other time, a process of its own makes the calls
    with LLM("openai/m", base_url=server.url, cache=cache, **settings) as llm:
        asked = requests(llm, draw)
        at_most = [price.most_usd(tokens_in=most_tokens_in(r), tokens_out=r.max_tokens or 0) for r in asked]
        server.hold_until = sum(total <= budget for total in itertools.accumulate(at_most[:64]))
        with pytest.raises(BudgetError):
            llm.send_all(asked)
        spent = sum((price.usd(tokens_in=ins, tokens_out=outs) for ins, outs in server.billed), Decimal(0))
        assert spent <= budget
        assert llm.paid.calls == len(server.billed)
        assert llm.paid.usd == pytest.approx(float(spent))
        assert budget - spent < max(at_most)
    assert server.most_in_flight >= server.hold_until > 8


SPEND = """
import sys
from augtune.llm.client import LLM
from augtune.llm.messages import Message
url, cache, budget = sys.argv[1:]
with LLM("openai/m", base_url=url, cache=cache, price={"input": 1, "output": 5}, budget=budget) as llm:
    llm.send_all([llm.request(messages=[Message("user", f"{i}")], max_tokens=100) for i in range(600)])
"""


def test_a_budget_holds_over_kills(server: Counting, tmp_path: Path):
    server.wait_s, cache, budget = 0.1, tmp_path / "c.sqlite", Decimal("0.02")
    price, draw = Price(input=1, output=5), random.Random(5)
    for _ in range(3):
        before = len(server.billed)
        command = [sys.executable, "-c", SPEND, server.url, str(cache), f"{budget} USD"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(server.billed) < before + draw.randint(4, 16):
            time.sleep(0.001)
        process.kill()
        process.wait()
    with LLM("openai/m", base_url=server.url, cache=cache, price=price, budget=f"{budget} USD") as llm:
        asked = [llm.request(messages=[Message("user", f"{i}")], max_tokens=100) for i in range(600)]
        with pytest.raises(BudgetError):
            llm.send_all(asked)
        spent = sum((price.usd(tokens_in=ins, tokens_out=outs) for ins, outs in server.billed), Decimal(0))
        most = max(price.most_usd(tokens_in=most_tokens_in(one), tokens_out=100) for one in asked)
        assert budget - most < spent <= budget
        assert llm.paid.usd == pytest.approx(float(spent))
        assert llm.paid.calls == len(server.billed) == len(server.asked)
