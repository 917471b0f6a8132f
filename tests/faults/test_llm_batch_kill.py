"""A run killed while its batch is made, sent, waited for or read picks it up; nothing is made or booked twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from augtune.llm.client import LLM
from augtune.llm.messages import Message
from batch_server import BatchServer

RUN = """
import sys
from augtune.llm.client import LLM
from augtune.llm.messages import Message
url, cache = sys.argv[1:]
with LLM("openai/m", base_url=url, cache=cache, batch={"poll_s": 0.1, "calls": 20}, budget="60 calls") as llm:
    requests = [llm.request(messages=[Message("user", f"p{i}")], max_tokens=5) for i in range(60)]
    print("ready", flush=True)
    answers = llm.send_all(requests)
    print("done", [answer.text for answer in answers] == [f"P{i}" for i in range(60)], llm.paid.calls, flush=True)
"""


def start(server: BatchServer, cache: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", RUN, server.url, str(cache)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_run_picks_its_batches_up(httpserver: HTTPServer, tmp_path: Path, seed: int):
    server = BatchServer(httpserver, looks=8)
    draw = random.Random(seed)
    for _ in range(5):
        process = start(server, tmp_path / "c.sqlite")
        time.sleep(draw.uniform(0.0, 0.8))
        process.kill()
        process.communicate()
    out, _ = start(server, tmp_path / "c.sqlite").communicate(timeout=60)
    assert out == "done True 60\n"
    assert server.made == {f"p{i}": 1 for i in range(60)}
    assert len(server.batches) == 3
    with LLM("openai/m", base_url=server.url, cache=tmp_path / "c.sqlite") as llm:
        assert llm.send(llm.request(messages=[Message("user", "p0")], max_tokens=5)).text == "P0"
