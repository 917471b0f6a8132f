"""Runs killed at random moments: the same folder as a run that was not, and no call paid for twice.

    OMP_NUM_THREADS=1 python benchmarks/kills.py [--kills 240] [--chain 6] [--seed 0]

Three experiments on a tiny encoder, which between them have every stage of a run: one that generates rows with a
language model, asks it and routes to it (on loopback, at a price, 32 calls at once); one that searches for settings;
one that fine-tunes a small causal model. Each is run undisturbed first; what it does to the files of its folder gives
the moments: just before any such deed (an open, a rename, an fsync, half a line written), or some time after one, up to
the next. Kills (SIGKILL) are spread evenly over the parts of a run. A chain of them goes through one run
folder, each life carrying on where the one before was killed; then the run is finished and its folder compared with the
undisturbed one, file by file and byte by byte but for the keys that say how long something took or when it was
(``tests/faults/contents.py`` names them). The server counts calls. Prints a table; exit status 1 if anything differs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import tiny_encoder
from faults.campaign import Campaign, Told
from faults.lives import Lives, everything, searching, tuning
from faults.loopback import Model, answering

WAIT_S = 0.05
# Share of the kills of each experiment.
SHARES = {"all": 0.7, "searched": 0.15, "tuned": 0.15}


def campaign(name: str, folder: Path, model: Model, arguments: argparse.Namespace) -> Told:
    """Kill the runs of one experiment and return what came of it."""
    encoder = tiny_encoder.build(folder / "encoder")
    made = {"searched": searching, "tuned": tuning}
    source = everything(folder / "task", encoder, model.url) if name == "all" else made[name](folder / "task", encoder)
    killing = Campaign(Lives(source, folder), model, arguments.seed)
    while killing.told.kills.total() < round(SHARES[name] * arguments.kills):
        killing.chain(arguments.chain)
        told = killing.told
        print(f"  {name}: {told.kills.total()} kills, {told.chains} folders compared", file=sys.stderr, flush=True)
    return killing.told


def table(told: dict[str, Told]) -> str:
    """Return kills by part of a run, as Markdown."""
    parts = sorted({part for one in told.values() for part in one.kills})
    lines = [f"| killed in | {' | '.join(told)} |", f"| --- |{' ---: |' * len(told)}"]
    lines += [f"| {part} | {' | '.join(str(one.kills[part] or '') for one in told.values())} |" for part in parts]
    facts = {
        "**kills**": lambda one: one.kills.total(),
        "runs started to carry on": lambda one: one.runs,
        "folders compared": lambda one: one.chains,
        "files that differ": lambda one: len(one.different),
        "files found in half after a kill": lambda one: len(one.torn),
        "calls of an undisturbed run": lambda one: one.calls,
        "calls made beyond those": lambda one: one.twice,
    }
    lines += [f"| {name} | {' | '.join(str(fact(one)) for one in told.values())} |" for name, fact in facts.items()]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill, compare and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=240)
    parser.add_argument("--chain", type=int, default=6, help="kills in one run folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=SHARES, help="one of the experiments")
    given = parser.parse_args(arguments)
    started, told = time.monotonic(), {}
    with tempfile.TemporaryDirectory() as folder, answering(WAIT_S) as model:
        for name in [given.only] if given.only else SHARES:
            (Path(folder) / name).mkdir()
            told[name] = campaign(name, Path(folder) / name, model, given)
    print(table(told))
    print(f"\n{sum(one.kills.total() for one in told.values())} kills in {time.monotonic() - started:.0f} s")
    wrong = [line for one in told.values() for line in (*one.different, *one.torn)]
    for line in wrong:
        print(f"differs: {line}")
    return 1 if wrong or any(one.twice for one in told.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
