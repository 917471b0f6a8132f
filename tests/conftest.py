"""Fixtures every test may use: a tiny encoder made on the spot, and the data pack where it is."""

from __future__ import annotations

import operator
import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from canary import Watch, watching
from tiny_encoder import build as tiny_encoder_of

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Bit-equal results need one number of threads everywhere, also in the processes that tests start.
os.environ["OMP_NUM_THREADS"] = "1"
# A shell's background jobs ignore Ctrl-C, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]


WATCH = Watch()


@pytest.fixture(scope="session", autouse=True)
def no_key_anywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """Plant a key in the environment for all tests, and fail at the end if it is in anything they wrote."""
    with watching(WATCH):
        yield WATCH
    WATCH.folder(tmp_path_factory.getbasetemp())
    assert not WATCH.leaks, "the key of the environment was found in:\n" + "\n".join(WATCH.leaks)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Look for the key in all that a test has said, and in the processes there are."""
    WATCH.report(report)
    WATCH.processes()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was looked through."""
    terminalreporter.write_line(WATCH.summary())


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Start every test from the same random state, whichever tests ran before it."""
    random.seed(0)
    for name, seed in (("numpy", "random.seed"), ("torch", "manual_seed")):
        if name in sys.modules:
            operator.attrgetter(seed)(sys.modules[name])(0)


@pytest.fixture(scope="session")
def data_pack() -> Path:
    """The folder of real datasets; tests that need it are skipped, saying so, where it is missing."""
    folder = Path(os.environ.get("AUGTUNE_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "sst2" / "train.jsonl").is_file():
        pytest.skip(f"the data pack is not at {folder}; set AUGTUNE_DATA to run this test")
    return folder


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of a BERT of 2 layers and 32 units with random weights and a vocabulary of some hundred words."""
    return tiny_encoder_of(tmp_path_factory.mktemp("tiny-encoder"))
