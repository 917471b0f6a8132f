"""Give every parser hostile texts: how many, how long that took, how often it crashed, hung or was wrong.

A million texts in all, made by changing texts that the parsers are made for: control characters, marks that turn the
direction of reading, halves of characters, HTML, formulas, templates, paths, deep nesting, endless numbers. Then each
parser gets texts of ten million characters. All that may come out of a parser is a value that keeps its promises (a
label is one of the labels, a text is part of the reply, what is printed and read again is the same) or augtune's error.

    python benchmarks/fuzz.py                       1,000,000 inputs and the large ones; about ten minutes
    python benchmarks/fuzz.py --inputs 20000 --only csv --seed 7 --no-large
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from fuzzing import files, replies
from fuzzing.inputs import large_inputs, mutated
from fuzzing.judge import Outcome, Parser, give

SMALL_S, LARGE_S = 2.0, 60.0  # of the processor, for one text
SHOWN = 5  # findings that are printed per parser and kind
PARSERS = (*replies.PARSERS, *files.PARSERS)


class Tally:
    """What came of the texts that one parser was given."""

    def __init__(self, parser: Parser) -> None:
        self.parser, self.inputs, self.slowest = parser, 0, 0.0
        self.kinds: Counter[str] = Counter()
        self.found: dict[str, str] = {}
        self.started = time.process_time()
        self.seconds = 0.0

    def give(self, text: str, seconds: float) -> None:
        """Give the parser a text and count what comes of it."""
        before = time.process_time()
        outcome: Outcome = give(self.parser, text, seconds=seconds)
        self.slowest = max(self.slowest, time.process_time() - before)
        self.inputs += 1
        self.kinds[outcome.kind] += 1
        if outcome.kind != "fine" and len(self.found) < SHOWN:
            self.found.setdefault(f"{outcome.kind}: {outcome.said}", repr(text[:150]))

    def line(self) -> str:
        """Return its line of the table."""
        bad = (self.kinds[kind] for kind in ("crash", "hang", "wrong"))
        counts = " | ".join(f"{count}" for count in bad)
        return f"| {self.parser.name} | {self.inputs:,} | {self.seconds:.1f} | {counts} | {self.slowest:.3f} |"


def measured(parser: Parser, count: int, seed: int, *, large: bool) -> Tally:
    """Return what came of so many texts, and of the large ones."""
    tally = Tally(parser)
    draw = random.Random(f"{seed} {parser.name}")
    for text in itertools.islice(mutated(parser.seeds, draw), count):
        tally.give(text, SMALL_S)
    for text in large_inputs() if large else ():
        tally.give(text[: parser.largest], LARGE_S)
    tally.seconds = time.process_time() - tally.started
    return tally


def main() -> int:
    """Print the table and what was found; returns 1 if anything was."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--inputs", type=int, default=1_000_000, help="Texts in all, without the large ones.")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", help="Parsers whose name holds this.")
    options.add_argument("--no-large", action="store_true", help="Leave the texts of ten million characters out.")
    asked = options.parse_args()
    chosen = [parser for parser in PARSERS if asked.only is None or asked.only in parser.name]
    shares = sum(parser.share for parser in chosen)
    print("| parser | inputs | seconds | crashes | hangs | wrong | slowest |\n| --- |" + " ---: |" * 6)
    tallies = []
    for parser in chosen:
        count = -(-asked.inputs * parser.share // shares)
        tallies.append(measured(parser, count, asked.seed, large=not asked.no_large))
        print(tallies[-1].line(), flush=True)
    kinds = sum((tally.kinds for tally in tallies), Counter())
    print(
        f"| all | {sum(tally.inputs for tally in tallies):,} | {sum(tally.seconds for tally in tallies):.1f} | "
        f"{kinds['crash']} | {kinds['hang']} | {kinds['wrong']} | {max(tally.slowest for tally in tallies):.3f} |"
    )
    for tally in tallies:
        for said, text in tally.found.items():
            print(f"\n{tally.parser.name}: {said}\n  {text}")
    return int(kinds.total() > kinds["fine"])


if __name__ == "__main__":
    raise SystemExit(main())
