"""The process that makes the calls: what becomes of them, of the money and of itself when it or its run is killed."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request as HttpRequest
from werkzeug import Response

from augtune.core.errors import BudgetError, ExtraError, InputError, ProviderError, StorageError
from augtune.llm import client, sending
from augtune.llm.claims import CAN_LOCK
from augtune.llm.client import LLM
from augtune.llm.failures import CallError
from augtune.llm.messages import Message, Reply, Request
from augtune.llm.pipe import error_from, error_to

pytestmark = pytest.mark.skipif(not CAN_LOCK, reason="needs file locks as Unix has them")

RUN = """
import os, sys, threading, time
from augtune.llm.client import LLM
from augtune.llm.messages import Message
url, cache, timeout_s, count, then = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
llm = LLM("openai/m", base_url=url, cache=cache, timeout_s=timeout_s)
def tell():
    while getattr(llm._engine, "_innermost", None) is None or llm._engine._innermost._helper is None:
        time.sleep(0.01)
    print(llm._engine._innermost._helper.process.pid, flush=True)
threading.Thread(target=tell).start()
llm.send_all([llm.request(messages=[Message("user", f"{i}")], max_tokens=5) for i in range(count)])
if then == "fork" and (child := os.fork()) == 0:
    time.sleep(60)
    os._exit(0)
print(child if then == "fork" else "done", flush=True)
sys.stdin.readline()
llm.send_all([llm.request(messages=[Message("user", f"more {i}")], max_tokens=5) for i in range(count)])
"""


FORKED = """
import os, sys
from augtune.llm.client import LLM
from augtune.llm.messages import Message
llm = LLM("openai/m", base_url=sys.argv[1], cache=sys.argv[2])
ask = lambda text: llm.send(llm.request(messages=[Message("user", text)], max_tokens=5)).text
assert ask("0") == "0"
if (child := os.fork()) == 0:
    right = ask("1") == "1"
    llm.close()
    os._exit(0 if right else 1)
assert os.waitpid(child, 0)[1] == 0
assert ask("2") == "2"
"""


class Held:
    """A server that repeats the prompt, and answers no one until it is let go."""

    def __init__(self, http: HTTPServer) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.free = threading.Event()
        self.asked: list[str] = []
        self.keys: set[str] = set()
        self.bearers: set[str | None] = set()
        self.url = http.url_for("/v1")
        http.expect_request("/v1/chat/completions").respond_with_handler(self.handle)

    def handle(self, request: HttpRequest) -> Response:
        prompt = request.get_json()["messages"][0]["content"]
        self.keys.add(request.headers["Idempotency-Key"])
        self.bearers.add(request.headers.get("Authorization"))
        self.asked.append(prompt)
        self.free.wait(20)
        body = {
            "choices": [{"message": {"content": prompt}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1},
        }
        return Response(json.dumps(body), content_type="application/json")


@pytest.fixture
def server() -> Iterator[Held]:
    with HTTPServer(threaded=True) as http:
        held = Held(http)
        yield held
        held.free.set()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "c.sqlite"


class Run:
    """A run in a process of its own, and its sender."""

    def __init__(self, server: Held, cache: Path, *, calls: int = 4, timeout_s: float = 30, then: str = "") -> None:
        command = [sys.executable, "-c", RUN, server.url, str(cache), str(timeout_s), str(calls), then]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.sender = int(self.line())

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def until(is_so: Callable[[], Any], seconds: float = 15.0) -> bool:
    """Wait until something is so; return whether it came to be."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def is_gone(pid: int) -> bool:
    """Return whether a process is no more, but for a line in the table that init has not wiped yet."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return state.strip()[:1] in ("", "Z")


def model(server: Held, cache: Path | None, **settings: Any) -> LLM:
    return LLM("openai/m", base_url=server.url, cache=cache, **settings)


def requests(llm: LLM, count: int, first: int = 0) -> list[Request]:
    return [llm.request(messages=[Message("user", f"{i}")], max_tokens=5) for i in range(first, first + count)]


def texts(answers: list[Any]) -> list[str]:
    assert all(isinstance(answer, Reply) for answer in answers), answers
    return [answer.text for answer in answers]


def sender_of(llm: LLM) -> subprocess.Popen[bytes]:
    """Return the process that makes the calls of a model, once it is there."""
    assert until(lambda: llm._engine is not None and llm._engine._innermost._helper is not None)
    return llm._engine._innermost._helper.process


def table(cache: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(cache)) as file:
        return file.execute(query).fetchall()


# ---- the run is killed


def test_calls_out_at_a_kill_are_waited_for_and_not_made_again(server: Held, cache: Path, caplog):
    run = Run(server, cache)
    assert until(lambda: len(server.asked) == 4)
    run.kill()
    assert table(cache, "SELECT count(*) FROM claims") == [(4,)]
    with model(server, cache) as llm, ThreadPoolExecutor(1) as pool:
        coming = pool.submit(llm.send_all, requests(llm, 4))
        assert until(lambda: caplog.messages)
        server.free.set()
        assert texts(coming.result()) == ["0", "1", "2", "3"]
        assert (llm.cost.calls, llm.cost.cached, llm.paid.calls) == (0, 4, 4)
    assert caplog.messages == ["waiting for 4 calls of an interrupted run"]
    assert sorted(server.asked) == ["0", "1", "2", "3"]
    assert table(cache, "SELECT count(*) FROM claims") == [(0,)]
    assert until(lambda: is_gone(run.sender))


def test_calls_out_at_a_kill_are_set_aside_from_the_budget(server: Held, cache: Path):
    run = Run(server, cache)
    assert until(lambda: len(server.asked) == 4)
    run.kill()
    with model(server, cache, budget="5 calls") as llm, ThreadPoolExecutor(1) as pool:
        coming = pool.submit(llm.send_all, requests(llm, 3, first=4))
        assert until(lambda: len(server.asked) == 5)
        time.sleep(0.2)
        assert len(server.asked) == 5
        server.free.set()
        with pytest.raises(BudgetError) as caught:
            coming.result()
        assert llm.paid.calls == 5
    assert caught.value.message == (
        "the budget of 5 calls is reached: 5 calls spent (4 calls of it by earlier runs), "
        "and the next call may take up to 1 call."
    )
    assert len(server.asked) == 5


def test_a_sender_with_nothing_out_goes_with_its_run(server: Held, cache: Path):
    server.free.set()
    run = Run(server, cache, calls=1)
    assert run.line() == "done"
    assert not is_gone(run.sender)
    run.kill()
    assert until(lambda: is_gone(run.sender), 5)


def test_a_sender_waits_no_longer_than_the_time_limit(server: Held, cache: Path):
    run = Run(server, cache, calls=1, timeout_s=1)
    assert until(lambda: server.asked)
    run.kill()
    assert until(lambda: is_gone(run.sender), 6)
    assert table(cache, "SELECT count(*) FROM claims") == [(0,)]
    assert table(cache, "SELECT tokens_out FROM payments") == [(5,)]  # it may have been billed: booked at its most


def test_no_call_is_begun_once_the_run_is_gone(server: Held, cache: Path):
    server.free.set()
    run = Run(server, cache, calls=1)
    assert run.line() == "done"
    os.kill(run.sender, signal.SIGSTOP)
    assert run.process.stdin is not None
    run.process.stdin.write("go on\n")
    run.process.stdin.flush()
    time.sleep(0.5)
    run.kill()
    os.kill(run.sender, signal.SIGCONT)
    assert until(lambda: is_gone(run.sender), 6)
    assert server.asked == ["0"]
    assert table(cache, "SELECT count(*) FROM claims") == [(0,)]


def test_a_child_of_the_run_does_not_keep_the_sender(server: Held, cache: Path):
    server.free.set()
    run = Run(server, cache, calls=1, then="fork")
    child = int(run.line())
    run.process.kill()
    run.process.wait()
    try:
        assert until(lambda: is_gone(run.sender), 6)
    finally:
        os.kill(child, signal.SIGKILL)
    run.process.communicate()


# ---- the sender is killed


def test_calls_of_a_sender_that_is_gone_are_made_again_at_once(server: Held, cache: Path, caplog):
    run = Run(server, cache)
    assert until(lambda: len(server.asked) == 4)
    os.kill(run.sender, signal.SIGKILL)
    run.kill()
    server.free.set()
    with model(server, cache, budget="8 calls") as llm:
        assert texts(llm.send_all(requests(llm, 4))) == ["0", "1", "2", "3"]
        assert (llm.cost.calls, llm.paid.calls) == (4, 8)  # the lost ones may have been billed: booked at their most
    assert (len(server.asked), len(server.keys)) == (8, 4)  # to a server that honours the key they were the same
    assert table(cache, "SELECT count(*) FROM claims") == [(0,)]
    assert caplog.messages == []


def test_a_run_goes_on_with_another_sender(server: Held, cache: Path):
    with model(server, cache) as llm, ThreadPoolExecutor(1) as pool:
        coming = pool.submit(llm.send_all, requests(llm, 2))
        assert until(lambda: len(server.asked) == 2)
        sender_of(llm).kill()
        server.free.set()
        assert texts(coming.result()) == ["0", "1"]
        assert llm.cost.calls == llm.paid.calls == 4
    assert (len(server.asked), len(server.keys)) == (4, 2)


def test_a_sender_that_is_asked_to_end_finishes_what_is_out(server: Held, cache: Path):
    with model(server, cache) as llm, ThreadPoolExecutor(1) as pool:
        coming = pool.submit(llm.send_all, requests(llm, 2))
        assert until(lambda: len(server.asked) == 2)
        first = sender_of(llm)
        first.terminate()
        time.sleep(0.1)
        server.free.set()
        assert texts(coming.result()) == ["0", "1"]
        assert until(lambda: first.returncode is not None)
        assert texts(llm.send_all(requests(llm, 3))) == ["0", "1", "2"]
        assert llm.paid.calls == 3
    assert len(server.asked) == 3


def test_a_sender_that_hangs_is_replaced(server: Held, cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sending, "SLACK_S", 0.2)
    server.free.set()
    with model(server, cache, timeout_s=1) as llm:
        assert texts(llm.send_all(requests(llm, 1))) == ["0"]
        sender_of(llm).send_signal(signal.SIGSTOP)
        assert texts(llm.send_all(requests(llm, 2))) == ["0", "1"]


# ---- the run goes on, or ends


def test_a_closed_model_leaves_no_process(server: Held, cache: Path):
    server.free.set()
    with model(server, cache) as llm:
        assert texts(llm.send_all(requests(llm, 2))) == ["0", "1"]
        sender = sender_of(llm)
        assert os.getsid(sender.pid) == sender.pid != os.getsid(0)  # the terminal's Ctrl-C does not reach it
        command = Path(f"/proc/{sender.pid}/cmdline")
        assert not command.exists() or b"augtune.llm.sender" in command.read_bytes()
    assert sender.returncode == 0  # and it has been waited for: no zombie is left
    assert texts(llm.send_all(requests(llm, 3))) == ["0", "1", "2"]  # a next call starts another
    llm.close()
    assert len(server.asked) == 3


def test_calls_given_up_go_on_and_are_booked_when_they_land(server: Held, cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(client, "GRACE_S", 0.1)

    def interrupt(index: int, answer: object) -> None:
        raise KeyboardInterrupt

    with model(server, cache, budget="4 calls") as llm, ThreadPoolExecutor(1) as pool:
        server.free.set()
        llm.send_all(requests(llm, 1))
        server.free.clear()
        with pytest.raises(KeyboardInterrupt):
            llm.send_all(
                requests(llm, 4), on_answer=lambda i, a: until(lambda: len(server.asked) == 4) and interrupt(i, a)
            )
        coming = pool.submit(llm.send_all, requests(llm, 4))
        time.sleep(0.1)
        server.free.set()
        assert texts(coming.result()) == ["0", "1", "2", "3"]
        assert llm.cost.calls == llm.paid.calls == 4
        with pytest.raises(BudgetError):
            llm.send_all(requests(llm, 1, first=9))
    assert len(server.asked) == 4


def test_threads_share_one_sender(server: Held, cache: Path):
    server.free.set()
    with model(server, cache) as llm, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: texts(llm.send_all(requests(llm, 5, first=n))), (0, 2, 4, 6)))
        sender = sender_of(llm).pid
        assert llm.send(requests(llm, 1, first=20)[0]).text == "20"
        assert sender_of(llm).pid == sender
    assert found == [[str(i) for i in range(n, n + 5)] for n in (0, 2, 4, 6)]
    assert len(server.asked) == len(set(server.asked)) == 12


def test_a_forked_child_has_a_sender_of_its_own(server: Held, cache: Path):
    server.free.set()
    command = [sys.executable, "-W", "ignore", "-c", FORKED, server.url, str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert server.asked == ["0", "1", "2"]


def test_a_key_goes_by_the_environment_alone(server: Held, cache: Path, monkeypatch: pytest.MonkeyPatch):
    server.free.set()
    (cache.parent / ".env").write_text("THE_KEY=sk-very-secret\n")
    monkeypatch.chdir(cache.parent)
    with model(server, cache, api_key_env="THE_KEY") as llm:
        assert texts(llm.send_all(requests(llm, 1))) == ["0"]
        assert not any("secret" in word for word in sender_of(llm).args)
    assert server.bearers == {"Bearer sk-very-secret"}
    assert "THE_KEY" not in os.environ
    kept = [path for path in cache.parent.iterdir() if b"very-secret" in path.read_bytes()]
    assert [path.name for path in kept] == [".env"]


def test_a_missing_key_starts_no_process(server: Held, cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    monkeypatch.setattr(subprocess, "Popen", None)
    with (
        model(server, cache, api_key_env="NO_SUCH_KEY") as llm,
        pytest.raises(InputError, match="NO_SUCH_KEY is not set"),
    ):
        llm.send(requests(llm, 1)[0])


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (None, "cannot be started: No such file or directory."),
        ("#!/bin/sh\necho 'no modules here' >&2\nexit 3\n", "ended at its start: no modules here."),
        ("#!/bin/sh\nexit 3\n", "ended at its start (status 3)."),
    ],
)
def test_a_sender_that_cannot_start_is_told(
    server: Held, cache: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, why: str
):
    program = cache.with_name("python")
    if script is not None:
        program.write_text(script)
        program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with model(server, cache) as llm, pytest.raises(InputError) as caught:
        llm.send_all(requests(llm, 3))
    assert str(caught.value) == (
        f"the process that makes the calls {why}\n"
        "  llm.own_process: false makes them in this one; then those out at a kill are lost."
    )
    assert server.asked == []


def test_a_cache_that_fails_stops_the_run(server: Held, cache: Path):
    server.free.set()
    with model(server, cache) as llm:
        llm.send_all(requests(llm, 1))
        with closing(sqlite3.connect(cache)) as file:
            file.execute("DROP TABLE claims")
        with pytest.raises(StorageError) as caught:
            llm.send_all(requests(llm, 2))
    assert caught.value.message == f"{cache}: cannot be used as a cache: no such table: claims."
    assert server.asked == ["0"]


@pytest.mark.parametrize(
    ("kept", "settings"),
    [(False, {}), (True, {"own_process": False}), (True, {"price": {"input": 0, "output": 0}})],
    ids=["in memory", "not wanted", "free"],
)
def test_calls_are_made_here_where_a_kill_costs_nothing(server: Held, cache: Path, kept: bool, settings: dict):
    server.free.set()
    with model(server, cache if kept else None, **settings) as llm:
        assert texts(llm.send_all(requests(llm, 1))) == ["0"]
        assert type(llm._engine._innermost).__name__ == "OpenAI"


@pytest.mark.parametrize(
    "error",
    [
        CallError("busy.", "limit", hint="wait", retry_after_s=2.0),
        CallError("gone.", "lost"),
        ProviderError("odd.", hint="look", retryable=True, retry_after_s=1.5),
        InputError("wrong.", hint="change it"),
        ExtraError("missing."),
        StorageError("full.", hint="free some space"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_through_as_it_was(error: Any):
    back = error_from(json.loads(json.dumps(error_to(error))))
    assert type(back) is type(error)
    assert back.__dict__ == error.__dict__
