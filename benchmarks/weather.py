"""Very many calls in bad weather, and many processes with one cache: every row accounted for, every call paid once.

    OMP_NUM_THREADS=1 python benchmarks/weather.py [--calls 100000] [--shared 10000] [--processes 4]

A server in a process of its own draws the fate of each attempt of each call: 5 % are told to wait (429), 3 % fail (500,
502, 503), 1 % of replies break off in the middle of the connection, 1 % never come, and 1 % of texts are cut off at the
limit of tokens. It counts what it would bill: every reply it wrote or began, and the stalled ones, on which it worked.

``storm``: ``generate`` with ``fewshot`` and everything on (replies kept in a file by a process of their own, retries,
pace, a budget). Rows kept and rows on record as dropped have to be as many as the replies in the cache and the calls
that were given up; those replies as many as the server wrote whole, but for the few that came too late; and the
payments on record as many as it billed.

``shared``: processes ask the same requests, each in an order of its own, with one cache file. Every one has to get
every reply, all of them the same ones, and the server must have been asked each once; no process may see an error.

Exit status 1 if one of these does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import multiprocessing
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from loopback import Requests

ROOT = Path(__file__).resolve().parents[1]
STORM = {"limit": 0.05, "server": 0.03, "torn": 0.01, "stall": 0.01, "cut": 0.01}
BILLED = ("fine", "cut", "torn", "stall")
TIMEOUT_S = 2.0
IN_FLIGHT = 64
LATENCY_S = 0.005
STATUS = {429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable"}
PRICE = {"input": 0.4, "output": 1.6}


class Weather:
    """What the server does with each attempt, and what it has counted.

    Args:
        shares: Share of the attempts that meet each kind of weather.
        seed: Of the draws.
    """

    def __init__(self, shares: dict[str, float], seed: int = 0) -> None:
        self.shares, self.seed = shares, seed
        self.counts: Counter[str] = Counter()
        self.attempts: Counter[bytes] = Counter()

    def fate(self, body: bytes) -> tuple[str, float]:
        """Return what becomes of an attempt, and the number in [0, 1) that it was told by."""
        call = hashlib.blake2b(body, digest_size=8).digest()
        self.attempts[call] += 1
        told = b"%d %s %d" % (self.seed, call, self.attempts[call])
        draw = number = int.from_bytes(hashlib.blake2b(told, digest_size=7).digest(), "big") / 2**56
        for kind, share in self.shares.items():
            if draw < share:
                self.counts[kind] += 1
                return kind, number
            draw -= share
        self.counts["fine"] += 1
        return "fine", number

    def told(self) -> dict[str, int]:
        """Return the counts, how many calls were billed and how many were different."""
        billed = sum(self.counts[kind] for kind in BILLED)
        return {**self.counts, "billed": billed, "different": len(self.attempts)}


class Connection(Requests):
    """One connection to the server; a path that ends in ``/counts`` is told the counts."""

    def __init__(self, weather: Weather) -> None:
        super().__init__()
        self._weather = weather

    def asked(self, path: bytes, body: bytes) -> None:
        """Answer as the weather has it."""
        if path.endswith(b"/counts"):
            self._write(200, json.dumps(self._weather.told()).encode())
        else:
            asyncio.get_running_loop().call_later(LATENCY_S, self._answer, *self._weather.fate(body))

    def _answer(self, fate: str, number: float) -> None:
        if fate == "limit":
            self._write(429, b'{"error": {"message": "Slow down."}}', b"retry-after: 0.01\r\n")
        elif fate == "server":
            self._write((500, 502, 503)[int(number * 3e6) % 3], b'{"error": {"message": "Something broke."}}')
        elif fate == "torn":
            self._write(200, _reply(f"row {number:.17f}", "stop"), keep=60)
            self.transport.close()
        elif fate != "stall":
            self._write(200, _reply(f"row {number:.17f}", "length" if fate == "cut" else "stop"))

    def _write(self, status: int, body: bytes, more: bytes = b"", keep: int | None = None) -> None:
        head = f"HTTP/1.1 {status} {STATUS.get(status, 'OK')}\r\ncontent-type: application/json\r\n".encode()
        self.transport.write(head + more + b"content-length: %d\r\n\r\n" % len(body) + body[:keep])


def _reply(text: str, finish: str) -> bytes:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 40, "completion_tokens": 12, "total_tokens": 52}
    whole = {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}
    return json.dumps(whole).encode()


def serve(ready: Any, shares: dict[str, float]) -> None:
    """Run the server until the process is ended; tell its port."""

    async def run() -> None:
        weather = Weather(shares)
        server = await asyncio.get_running_loop().create_server(lambda: Connection(weather), "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def serving(shares: dict[str, float]) -> Iterator[str]:
    """Have the server run in a process of its own, and give its address."""
    here, there = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there, shares), daemon=True)
    server.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}/v1"
    finally:
        server.terminate()
        server.join()


def counts(url: str) -> dict[str, int]:
    """Return what the server has counted."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/counts", timeout=60) as stream:
        found: dict[str, int] = json.load(stream)
    return found


def storm(calls: int, folder: Path, *, timeout_s: float = TIMEOUT_S) -> list[str]:
    """Generate so many rows in bad weather, print what became of them, and return what does not add up."""
    import augtune as at

    human = at.load(ROOT / "examples" / "helpdesk", text="message", label="intent").train
    with serving(STORM) as url:
        start = time.perf_counter()
        with at.LLM(
            "openai/m", base_url=url, cache=folder / "storm.sqlite", price=PRICE, budget="1000 USD",
            max_in_flight=IN_FLIGHT, timeout_s=timeout_s,
        ) as llm:  # fmt: skip
            made = at.generate(human, at.Fewshot(per_class=calls // len(human.labels)), llm=llm, seed=0)
            paid, cost = llm.paid, llm.cost
        took = time.perf_counter() - start
        told = counts(url)
    kept, dropped = len(made.dataset), len(made.dropped)
    why = Counter(row.reason for row in made.dropped)
    with closing(sqlite3.connect(folder / "storm.sqlite")) as file:
        replies = file.execute("SELECT count(*) FROM replies").fetchone()[0]
    reasons = ", ".join(f"{n} {reason}" for reason, n in why.most_common())
    weather = ", ".join(f"{told.get(kind, 0):,} {kind}" for kind in ("fine", *STORM))
    print(f"storm    {replies:,} whole replies in {took:.0f} s, {replies / took:.0f} a second")
    print(f"         the server's attempts: {weather}; it billed {told['billed']:,}")
    print(f"         {kept:,} rows kept, {dropped:,} dropped ({reasons}); {paid.calls:,} payments", flush=True)
    problems = []
    whole = told.get("fine", 0) + told.get("cut", 0)
    if not 0 <= whole - replies <= whole / 100:
        problems.append(f"storm: the server wrote {whole} whole replies, {replies} are kept")
    if kept + dropped != replies + why["failed"]:
        problems.append(f"storm: {kept} rows kept and {dropped} dropped of {replies} replies, {why['failed']} failed")
    if not paid.calls == cost.calls == told["billed"]:
        problems.append(f"storm: {paid.calls} payments, {cost.calls} counted, {told['billed']} billed")
    if not all(row.because and row.reason for row in made.dropped):
        problems.append("storm: a row was dropped without a reason")
    return problems


SHARE = """
import hashlib, json, sys
from augtune.core.seeds import generator
from augtune.llm.client import LLM
from augtune.llm.messages import Message, Reply
url, cache, count, number, price = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), json.loads(sys.argv[5])
with LLM("openai/m", base_url=url, cache=cache, price=price, budget="1000 USD", max_in_flight=32) as llm:
    asked = [llm.request(messages=[Message("user", f"call {i}")], max_tokens=20) for i in range(count)]
    order = generator(number, "order").permutation(count).tolist()
    texts = [""] * count
    for i, answer in zip(order, llm.send_all([asked[i] for i in order]), strict=True):
        texts[i] = answer.text if isinstance(answer, Reply) else f"{type(answer).__name__}: {answer}"
    digest = hashlib.sha256(json.dumps(texts).encode()).hexdigest()
    rows = sum(text.startswith("row ") for text in texts)
    print(json.dumps({"rows": rows, "digest": digest, "calls": llm.cost.calls, "cached": llm.cost.cached,
                      "paid": llm.paid.calls, "wrong": [text for text in texts if not text.startswith("row ")][:3]}))
"""


def shared(count: int, processes: int, folder: Path) -> list[str]:
    """Have processes ask the same with one cache, print what came of it, and return what does not hold."""
    cache = folder / "shared.sqlite"
    with serving({}) as url:
        start = time.perf_counter()
        commands = [
            [sys.executable, "-c", SHARE, url, str(cache), str(count), str(number), json.dumps(PRICE)]
            for number in range(processes)
        ]
        running = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for command in commands
        ]
        ended = [(*process.communicate(), process.returncode) for process in running]
        took = time.perf_counter() - start
        told = counts(url)
    problems = [f"shared: process {i}: {said[-500:]}" for i, (_, said, status) in enumerate(ended) if status]
    found = [json.loads(out) for out, _, status in ended if status == 0]
    problems += [f"shared: locked: {said[-500:]}" for _, said, _ in ended if "locked" in said]
    calls = [one["calls"] for one in found]
    print(f"shared   {processes} processes, {count:,} different calls each, {took:.0f} s; made by each: {calls}")
    print(
        f"         the server was asked {told['billed']:,} times; payments on record {[one['paid'] for one in found]}"
    )
    if any(one["rows"] != count for one in found):
        problems.append(f"shared: replies lost: {[(one['rows'], one['wrong']) for one in found]}")
    if len({one["digest"] for one in found}) > 1:
        problems.append("shared: two processes have different replies to one call")
    if not told["billed"] == told["different"] == count == sum(calls):
        problems.append(f"shared: {told['billed']} calls reached the server, {sum(calls)} were counted, {count} asked")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100_000, help="0 leaves the storm out")
    parser.add_argument("--shared", type=int, default=10_000, help="0 leaves the shared cache out")
    parser.add_argument("--processes", type=int, default=4)
    asked = parser.parse_args()
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        if asked.shared:
            problems += shared(asked.shared, asked.processes, Path(name))
        if asked.calls:
            problems += storm(asked.calls, Path(name))
    for problem in problems:
        print(problem)
    print("everything adds up" if not problems else f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
