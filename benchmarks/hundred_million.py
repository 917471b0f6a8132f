"""What 100 million generated rows take: small measurements of the real parts, and what follows from them.

    OMP_NUM_THREADS=1 python benchmarks/hundred_million.py [--rows 100000000] [--shard 100000] [--quick]

Each part runs in a process of its own, at several sizes, on texts put together from the helpdesk example:

* ``generate``: ``fewshot`` with replies that cost no time: prompts, reading, repeats, the cache on disk, the rows;
* ``calls``: the engine and its sending process against a server on this machine, without latency and with 100 ms;
* ``dedup``: exact and near repeats, by wording (jaccard) and by meaning (cosine), seconds and memory;
* ``compare``: of the latter the comparison of all vectors with all, which the encoder hides at these sizes.

Growth is the exponent between the two largest sizes: 1 is linear, 2 is quadratic. What is printed below the
measurements is arithmetic on them; the assumptions are printed with it.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from augtune.core.dataset import Dataset, Example, HumanDataset
from augtune.core.files import write_jsonl
from augtune.core.seeds import generator
from augtune.llm.messages import Reply, Request

HELPDESK = Path(__file__).resolve().parents[1] / "examples" / "helpdesk"
MODEL = "openai/gpt-4.1-mini"
COPIES = 3  # of a row: as generated, as curated, and under data/
DAY_S = 86400
UNITS = 384  # of a vector of the bundled encoder
REQUESTS_PER_MINUTE = (500, 10_000, 30_000)
SIZES = {
    "generate": (5_000, 10_000, 20_000),
    "jaccard": (10_000, 20_000, 40_000, 100_000),
    "cosine": (1_000, 2_000),
    "compare": (5_000, 10_000, 20_000),
}
QUICK = {"generate": (300, 600), "jaccard": (1_000, 2_000), "cosine": (200, 400), "compare": (500, 1_000)}


def human() -> HumanDataset:
    """Return the helpdesk example's training rows."""
    from augtune.data import load

    return load(HELPDESK, text="message", label="intent").train


class Texts:
    """Texts of about the length of human ones: the words of two of them, in an order of their own."""

    def __init__(self, rows: HumanDataset) -> None:
        self._texts = [text.split() for text in rows.texts]

    def text(self, number: int) -> str:
        """Return text ``number``."""
        rng = generator(number, "text")
        first, second = (self._texts[i] for i in rng.integers(len(self._texts), size=2))
        words = [*first, *second]
        keep = rng.permutation(len(words))[: max(len(first), 4)]
        return " ".join(words[i] for i in keep)


class Writer:
    """A language model that answers at once, with usage as a provider would count it (4 characters a token)."""

    model = "writer"

    def __init__(self, rows: HumanDataset) -> None:
        self._texts, self._count = Texts(rows), 0

    async def send(self, request: Request) -> Reply:
        """Return the next text."""
        self._count += 1
        text = self._texts.text(self._count)
        return Reply(text, "stop", tokens_in=len(request.text) // 4, tokens_out=len(text) // 4)


def part_generate(count: int) -> dict[str, float]:
    """Return what a generator's rows take, calls left out."""
    import augtune as at

    rows = human()
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache.sqlite"
        llm = at.LLM(Writer(rows), cache=cache)
        before, started = peak_mb(), time.process_time()
        made = at.generate(rows, at.Fewshot(per_class=count // len(rows.labels)), llm=llm, seed=0)
        seconds, cost = time.process_time() - started, llm.cost
        held = peak_mb() - before
        llm.close()
        path = Path(folder) / "rows.jsonl"
        write_jsonl(path, (row.to_json(rows.labels) for row in made.dataset))
        kept = len(made.dataset)
        stored = sum(one.stat().st_size for one in Path(folder).glob("cache.sqlite*"))
        return {
            "rows": kept,
            "seconds": seconds,
            "mb": held,
            "calls": cost.calls / kept,
            "tokens_in": cost.tokens_in / cost.calls,
            "tokens_out": cost.tokens_out / cost.calls,
            "cache_bytes": stored / cost.calls,
            "row_bytes": path.stat().st_size / kept,
        }


def part_calls(count: int) -> dict[str, float]:
    """Return calls per second of one run, replies kept on disk by the process that sends."""
    from llm import ours, serve

    here, there = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    server.start()
    try:
        root = f"http://127.0.0.1:{here.recv()}"
        with tempfile.TemporaryDirectory() as folder:
            at_once = ours(f"{root}/now/v1", count, folder, label="at once")
            return {"at_once": at_once, "after_100_ms": ours(f"{root}/v1", count, folder, label="later")}
    finally:
        server.terminate()
        server.join()


def part_dedup(measure: str, count: int) -> dict[str, float]:
    """Return what dedup of so many rows takes."""
    import augtune as at

    rows = human()
    texts, labels = Texts(rows), list(rows.labels)
    examples = (
        Example(f"made-{i}", texts.text(i), labels[i % len(labels)], origin="generated", generator="writer")
        for i in range(count)
    )
    made = Dataset.from_examples(examples, rows.labels)
    step = at.Dedup(measure=measure, threshold=0.9)  # type: ignore[arg-type]
    at.curate(made.take(range(20)), [step], human=rows, encoder="bundled/minilm")  # everything is loaded
    before, wall, started = peak_mb(), time.perf_counter(), time.process_time()
    found = at.curate(made, [step], human=rows, encoder="bundled/minilm")
    seconds, wall = time.process_time() - started, time.perf_counter() - wall
    return {"rows": count, "seconds": seconds, "wall": wall, "mb": peak_mb() - before, "dropped": len(found.dropped)}


def part_compare(count: int) -> dict[str, float]:
    """Return what the search of near vectors takes, each with all others."""
    from augtune.embedding.neighbours import blocks_above

    vectors = generator(count, "vectors").standard_normal((count, UNITS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    started = time.process_time()
    found = sum(len(block.left) for block in blocks_above(vectors, vectors, 0.9))
    return {"rows": count, "seconds": time.process_time() - started, "pairs": found}


def peak_mb() -> float:
    """Return the most memory this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(part: str, *arguments: object) -> dict[str, float]:
    """Return what a part says, run in a process of its own."""
    command = [sys.executable, __file__, "--part", part, *map(str, arguments)]
    found: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return found


@dataclass(frozen=True)
class Growth:
    """A quantity over the number of rows, ``value * (n / rows) ** exponent`` beyond what was measured."""

    rows: float
    value: float
    exponent: float

    @classmethod
    def of(cls, points: list[dict[str, float]], name: str) -> Growth:
        """Return the growth between the two largest sizes."""
        (n, a), (m, b) = ((point["rows"], max(point[name], 1e-9)) for point in points[-2:])
        return cls(m, b, math.log(b / a) / math.log(m / n))

    def at(self, rows: float) -> float:
        """Return the quantity for so many rows."""
        return self.value * (rows / self.rows) ** self.exponent


def price() -> tuple[Decimal, Decimal, Decimal]:
    """Return USD per million tokens in and out of the model that costs are given for, and a batch's share of them."""
    import tomllib

    import augtune.llm

    table: dict[str, Any] = tomllib.loads((Path(augtune.llm.__file__).parent / "prices.toml").read_text())
    found = table[MODEL]
    return Decimal(str(found["input"])), Decimal(str(found["output"])), Decimal(str(found["batch"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--shard", type=int, default=100_000, help="rows of one run")
    parser.add_argument("--quick", action="store_true", help="sizes so small that the figures mean little")
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        name, *rest = asked.part
        parts: dict[str, Callable[[], dict[str, float]]] = {
            "generate": lambda: part_generate(int(rest[0])),
            "calls": lambda: part_calls(int(rest[0])),
            "compare": lambda: part_compare(int(rest[0])),
            "dedup": lambda: part_dedup(rest[0], int(rest[1])),
        }
        print(json.dumps(parts[name]()))
        return
    sizes = QUICK if asked.quick else SIZES
    made = [measured("generate", size) for size in sizes["generate"]]
    for one in made:
        print(
            f"generate {one['rows']:7,.0f} rows {one['seconds']:8.2f} s of processor {one['mb']:7.1f} MB   "
            f"{one['cache_bytes']:.0f} B a call in the cache, {one['row_bytes']:.0f} B a row in jsonl, "
            f"{one['tokens_in']:.0f} + {one['tokens_out']:.0f} tokens a call, {one['calls']:.3f} calls a row",
            flush=True,
        )
    calls = measured("calls", 640 if asked.quick else 3200)
    speeds = f"{calls['at_once']:7.0f} calls/s from a server without latency, {calls['after_100_ms']:.0f} after 100 ms"
    print(f"calls    {speeds}", flush=True)
    near = {}
    for measure in ("jaccard", "cosine"):
        near[measure] = [measured("dedup", measure, size) for size in sizes[measure]]
        for one in near[measure]:
            print(
                f"dedup    {one['rows']:7,.0f} rows {one['seconds']:8.2f} s of processor {one['mb']:7.1f} MB   "
                f"{measure}, {one['dropped']:.0f} dropped",
                flush=True,
            )
    near["compare"] = [measured("compare", size) for size in sizes["compare"]]
    for one in near["compare"]:
        print(f"compare  {one['rows']:7,.0f} vectors {one['seconds']:5.2f} s of processor", flush=True)
    print()
    plan(asked.rows, asked.shard, made, calls, near)


def plan(
    rows: int,
    shard: int,
    made: list[dict[str, float]],
    calls: dict[str, float],
    near: dict[str, list[dict[str, float]]],
) -> None:
    """Print what the measurements come to for so many rows, whole and in shards."""
    last, shards = made[-1], math.ceil(rows / shard)
    asked = rows * last["calls"]
    tokens_in, tokens_out = asked * last["tokens_in"] / 1e6, asked * last["tokens_out"] / 1e6
    cost_in, cost_out, batch = price()
    usd = tokens_in * float(cost_in) + tokens_out * float(cost_out)
    print(f"{rows:,} rows in {shards:,} runs of {shard:,}; {asked:,.0f} calls")
    print(
        f"tokens                             {tokens_in / 1e3:10,.1f} thousand million in, {tokens_out / 1e3:,.1f} out"
    )
    print(f"money                              {usd:10,.0f} USD, {usd * float(batch):,.0f} USD in batches")
    for pace in REQUESTS_PER_MINUTE:
        print(f"calls at {pace:6,} a minute           {asked / pace * 60 / DAY_S:10,.1f} days")
    print(f"calls, one run at its own speed    {asked / calls['at_once'] / DAY_S:10,.1f} days")
    seconds, held = Growth.of(made, "seconds"), Growth.of(made, "mb")
    print(f"prompts, reading, cache, rows      {seconds.at(shard) * shards / DAY_S:10,.1f} processor days")
    print(f"caches                             {asked * last['cache_bytes'] / 1e9:10,.0f} GB")
    print(f"rows, in {COPIES} places                  {rows * last['row_bytes'] * COPIES / 1e9:10,.0f} GB")
    print(
        f"memory to generate                 {held.at(shard):10,.0f} MB a shard, {held.at(rows) / 1e3:,.0f} GB at once"
    )
    worded, memory = Growth.of(near["jaccard"], "seconds"), Growth.of(near["jaccard"], "mb")
    print(f"dedup by wording: time grows by n^{worded.exponent:.2f}, memory by n^{memory.exponent:.2f}")
    print(f"  a shard                          {worded.at(shard):10,.0f} s, {memory.at(shard) / 1e3:,.1f} GB")
    print(f"  all shards, each by itself       {worded.at(shard) * shards / DAY_S:10,.1f} processor days")
    whole = f"{worded.at(rows) / DAY_S:10,.1f} processor days, {memory.at(rows) / 1e3:,.0f} GB"
    print(f"  all at once                      {whole}")
    compared = Growth.of(near["compare"], "seconds")
    a_row = near["cosine"][-1]["seconds"] / near["cosine"][-1]["rows"]
    print(f"dedup by meaning: {a_row * 1e3:.1f} ms a row to encode; comparing grows by n^{compared.exponent:.2f}")
    print(f"  a shard                          {a_row * shard + compared.at(shard):10,.0f} s")
    parted, at_once = a_row * rows + compared.at(shard) * shards, a_row * rows + compared.at(rows)
    print(f"  all shards, each by itself       {parted / DAY_S:10,.1f} processor days")
    vectors = f"{rows * UNITS * 4 / 1e9:,.0f} GB of vectors"
    print(f"  all at once                      {at_once / DAY_S:10,.0f} processor days, {vectors}")
    print(f"assumed: {MODEL} at {cost_in} and {cost_out} USD a million tokens of 4 characters; growth beyond the")
    print("sizes measured as between the last two; no reply refused or unreadable; shards do not know of one another")


if __name__ == "__main__":
    np.seterr(all="raise")
    main()
