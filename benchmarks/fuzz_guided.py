"""Give parsers texts that a coverage-guided fuzzer (atheris) makes: each is kept that takes a parser to a new place.

    pip install 'augtune[fuzz]'
    python benchmarks/fuzz_guided.py "sampling grammar" --seconds 60

One parser a run, since libFuzzer ends the process. It stops at the first text that crashes the parser, that it hangs
at, or that it takes wrongly, and writes that text to a file in the current folder.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

with atheris.instrument_imports(include=["augtune"]):
    from fuzzing import files, replies
    from fuzzing.judge import Outcome, give

PARSERS = {parser.name: parser for parser in (*replies.PARSERS, *files.PARSERS)}
LONGEST = 4096


def main() -> None:
    """Fuzz the parser that is named; the process ends with it."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("parser", choices=PARSERS)
    options.add_argument("--seconds", type=int, default=60)
    asked = options.parse_args()
    parser = PARSERS[asked.parser]

    def one(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        outcome = give(parser, text, seconds=5.0)
        if outcome != Outcome("fine"):
            raise RuntimeError(f"{parser.name}: {outcome}: {text[:200]!r}")

    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(parser.seeds):
            Path(corpus, str(number)).write_bytes(seed.encode())
        limits = [f"-max_total_time={asked.seconds}", f"-max_len={LONGEST}"]
        atheris.Setup([sys.argv[0], *limits, corpus], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
