"""How fast, and in how much memory, many calls of a language model are made; against a server on this machine.

    python benchmarks/llm.py [--quick]

A server in a process of its own answers every chat after 100 ms. In one run, in turn, 64 calls in flight:

* augtune, every layer on: replies kept in a file by the process that makes the calls, a budget in USD, retries, pace;
* a bare asyncio loop of the same SDK, which keeps nothing and stops at the first error;
* the bound that latency sets: 64 / 0.1 s = 640 calls/s.

Augtune has to reach 0.9 of the smaller of the last two. Beside it: the sequential way of a script that makes one call
after the other (a short sample, extrapolated), the time to the first reply with and without a process of its own for
the calls, calls answered from the cache, and the memory held over many calls to a server without latency, of both
processes together. Exit status 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from loopback import Requests

from augtune.llm.client import LLM
from augtune.llm.messages import Message, Reply, Request

LATENCY_S = 0.1
IN_FLIGHT = 64
LEAST_RATIO = 0.9
MOST_GROWTH = 0.10
PROMPT = "Movie review: a warm and clever film about {} (Sentiment: Positive)\nMovie review:"
BODY = json.dumps(
    {
        "id": "c", "object": "chat.completion", "created": 0, "model": "m",
        "choices": [
            {
                "index": 0, "finish_reason": "stop",
                "message": {"role": "assistant", "content": "a dull and tired film (Sentiment: Negative)"},
            }
        ],
        "usage": {"prompt_tokens": 40, "completion_tokens": 12, "total_tokens": 52},
    }
).encode()  # fmt: skip
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY)


class Connection(Requests):
    """Answers each request of a connection after the latency; the path ``/now/...`` is answered at once."""

    def asked(self, path: bytes, body: bytes) -> None:
        """Send the one reply there is."""
        wait = 0 if path.startswith(b"/now/") else LATENCY_S
        asyncio.get_running_loop().call_later(wait, self.transport.write, HEAD + BODY)


def serve(ready: Any) -> None:
    """Run the server until the process is ended; tell its port."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


def ours(url: str, count: int, folder: str, *, label: str) -> float:
    """Return the calls per second of augtune with every layer on."""
    cache = Path(folder) / f"{label}.sqlite"
    price = {"input": 0.4, "output": 1.6}
    with LLM("openai/m", base_url=url, cache=cache, price=price, budget="100 USD", max_in_flight=IN_FLIGHT) as llm:
        asked = requests(llm, count, label)
        llm.send_all(asked[:IN_FLIGHT])  # connections are made
        start = time.perf_counter()
        answers = llm.send_all(asked[IN_FLIGHT:])
        took = time.perf_counter() - start
    assert all(isinstance(answer, Reply) for answer in answers)
    return len(answers) / took


def requests(llm: LLM, count: int, label: str) -> list[Request]:
    """Return so many different requests."""
    return [
        llm.request(messages=[Message("user", PROMPT.format(f"{label} {i}"))], max_tokens=60, temperature=1.0)
        for i in range(count)
    ]


def bare(url: str, count: int, *, label: str) -> float:
    """Return the calls per second of workers that call the SDK and do nothing else."""
    from openai import AsyncOpenAI

    async def run() -> float:
        client = AsyncOpenAI(api_key="none", base_url=url, max_retries=0)

        async def work(numbers: Any) -> None:
            for i in numbers:
                reply = await client.chat.completions.create(
                    model="m",
                    messages=[{"role": "user", "content": PROMPT.format(f"{label} {i}")}],
                    max_tokens=60,
                    temperature=1.0,
                )
                assert reply.choices[0].message.content

        async def all_of(total: int) -> None:
            numbers = iter(range(total))
            await asyncio.gather(*[work(numbers) for _ in range(IN_FLIGHT)])

        await all_of(IN_FLIGHT)
        start = time.perf_counter()
        await all_of(count - IN_FLIGHT)
        took = time.perf_counter() - start
        await client.close()
        return (count - IN_FLIGHT) / took

    return asyncio.run(run())


def sequential(url: str, count: int) -> float:
    """Return the calls per second of a script that makes one call after the other."""
    from openai import OpenAI

    with OpenAI(api_key="none", base_url=url, max_retries=0) as client:
        start = time.perf_counter()
        for i in range(count):
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": PROMPT.format(i)}])
        return count / (time.perf_counter() - start)


FIRST = """
import sys, time
start = time.perf_counter()
from augtune.llm.client import LLM
from augtune.llm.messages import Message
with LLM("openai/m", base_url=sys.argv[1], cache=sys.argv[2], own_process=sys.argv[3] == "True") as llm:
    llm.send(llm.request(messages=[Message("user", "Hello.")], max_tokens=5))
    print(time.perf_counter() - start)
"""


def first_reply(url: str, folder: str, *, own_process: bool, rounds: int = 5) -> float:
    """Return the seconds from the import of augtune to the first reply, in a fresh process; median."""
    took = []
    for i in range(rounds):
        cache = Path(folder) / f"first {own_process} {i}.sqlite"
        command = [sys.executable, "-c", FIRST, url.replace("/v1", "/now/v1"), str(cache), str(own_process)]
        took.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    return statistics.median(took)


def replayed(url: str, count: int, folder: str) -> float:
    """Return the calls per second that are answered from the cache."""
    cache = Path(folder) / "replayed.sqlite"
    with LLM("openai/m", base_url=url.replace("/v1", "/now/v1"), cache=cache, max_in_flight=IN_FLIGHT) as llm:
        llm.send_all(requests(llm, count, "replayed"))
    with LLM("openai/m", base_url=url.replace("/v1", "/now/v1"), cache=cache, max_in_flight=IN_FLIGHT) as llm:
        asked = requests(llm, count, "replayed")
        start = time.perf_counter()
        llm.send_all(asked)
        took = time.perf_counter() - start
        assert llm.cost.calls == 0
    return count / took


def memory(url: str, count: int, folder: str, *, chunk: int = 1000) -> tuple[float, float]:
    """Return the MB held after the first tenth of many calls, and after all of them."""
    marks = []
    cache = Path(folder) / "memory.sqlite"
    with LLM("openai/m", base_url=url.replace("/v1", "/now/v1"), cache=cache, max_in_flight=IN_FLIGHT) as llm:
        for start in range(0, count, chunk):
            llm.send_all(requests(llm, chunk, f"memory {start}"))
            if start + chunk in (count // 10, count):
                gc.collect()
                marks.append(resident_mb())
    return marks[0], marks[-1]


def resident_mb() -> float:
    """Return the memory held by this process and by the one that makes its calls."""
    tasks = Path("/proc/self/task").iterdir()
    children = [pid for task in tasks for pid in (task / "children").read_text().split()]
    senders = [pid for pid in children if b"augtune.llm.sender" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(senders) == 1
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in ["self", *senders])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(url: str, folder: str, *, quick: bool) -> bool:
    """Print all figures and return whether every limit is kept."""
    count, rounds = (640, 2) if quick else (3200, 3)
    pairs = [
        (ours(url, count, folder, label=f"round {i}"), bare(url, count, label=f"round {i}")) for i in range(rounds + 1)
    ][1:]  # the first round warms up
    bound = IN_FLIGHT / LATENCY_S
    mine, sdk = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / min(b, bound) for a, b in pairs)
    print(f"bound, {IN_FLIGHT} in flight / {LATENCY_S} s       {bound:8.0f} calls/s")
    print(f"bare loop of the SDK             {sdk:8.0f} calls/s   median of {rounds} x {count} calls")
    print(f"augtune, every layer on          {mine:8.0f} calls/s   median of {rounds} x {count} calls")
    print(f"ratio to the smaller of the two  {ratio:8.2f}           at least {LEAST_RATIO}", flush=True)
    one_by_one = sequential(url, 20)
    print(f"one call after the other         {one_by_one:8.1f} calls/s   extrapolated from 20 calls")
    print(f"augtune is faster by             {mine / one_by_one:8.0f} x", flush=True)
    apart, here = (first_reply(url, folder, own_process=own) for own in (True, False))
    print(
        f"first reply, fresh process       {apart:8.2f} s         {here:.2f} s with own_process: false",
        flush=True,
    )
    kept = 1_000 if quick else 10_000
    print(f"answered from the cache          {replayed(url, kept, folder):8.0f} calls/s   {kept} calls", flush=True)
    many = 5_000 if quick else 100_000
    early, late = memory(url, many, folder, chunk=500 if quick else 1000)
    growth = late / early - 1
    print(f"memory after {many // 10:6d} calls        {early:8.0f} MB")
    print(f"memory after {many:6d} calls        {late:8.0f} MB        {growth:+.1%}, at most {MOST_GROWTH:+.0%}")
    return ratio >= LEAST_RATIO and growth <= MOST_GROWTH


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls, in half a minute")
    quick = parser.parse_args().quick
    here, there = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    server.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            return 0 if measure(f"http://127.0.0.1:{here.recv()}/v1", folder, quick=quick) else 1
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    sys.exit(main())
