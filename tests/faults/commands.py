"""``augtune`` commands in processes forked from one that has everything loaded, in a world with one thing wrong."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from faults.lives import PATIENCE_S, PRELOAD


@dataclass(frozen=True)
class Said:
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def is_clear(self) -> bool:
        """Whether it failed with one message and a way out, not with a bug report or a traceback."""
        one = self.err.startswith("error: ") and self.err.count("error: ") == 1
        return self.code == 2 and one and "mistake in augtune" not in self.err and "Traceback" not in self.err


def limited(size: int) -> None:
    """Let no file grow beyond a size."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def failing(name: str, number: int, why: int, within: str) -> None:
    """Have a call of the system fail for files below a folder, from the ``number``-th on."""
    real, seen = getattr(os, name), 0

    def call(first: Any, *rest: Any, **named: Any) -> Any:
        nonlocal seen
        path = os.readlink(f"/proc/self/fd/{first}") if isinstance(first, int) else os.fsdecode(first)
        if path.startswith(within):
            seen += 1
            if seen >= number:
                raise OSError(why, os.strerror(why), *([] if isinstance(first, int) else [path]))
        return real(first, *rest, **named)

    setattr(os, name, call)


def moved_clock(seconds: float) -> None:
    """Move the clock of the wall, by which nothing may be measured; the one that only goes forward stays."""
    from datetime import datetime, timedelta

    import augtune.experiment.scoring
    import augtune.experiment.store

    class Moved(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=seconds)

    time.time = lambda real=time.time: real() + seconds
    for module in (augtune.experiment.store, augtune.experiment.scoring):
        module.datetime = Moved


def together(*wrong: Callable[[], None]) -> None:
    """Have several things wrong at once."""
    for one in wrong:
        one()


def _command(arguments: list[str], out: str, err: str, wrong: Callable[[], None] | None) -> None:
    from augtune.cli.main import main

    for path, number in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    if wrong is not None:
        wrong()
    code = main(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class Commands:
    """Starts commands.

    Args:
        folder: Where what they print goes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(PRELOAD)

    def start(self, *arguments: object, wrong: Callable[[], None] | None = None, name: str = "it") -> Any:
        files = [str(self._folder / f"{name}.{one}") for one in ("out", "err")]
        process = self._processes.Process(target=_command, args=([str(one) for one in arguments], *files, wrong))
        process.start()
        return process

    def said(self, process: Any, name: str = "it") -> Said:
        process.join(PATIENCE_S)
        if process.is_alive():
            process.kill()
        out, err = ((self._folder / f"{name}.{one}").read_text(encoding="utf-8") for one in ("out", "err"))
        place = err.find("error: ")  # what it tells of its progress comes before
        return Said(process.exitcode, out, err if place < 0 else err[place:])

    def __call__(self, *arguments: object, wrong: Callable[[], None] | None = None) -> Said:
        return self.said(self.start(*arguments, wrong=wrong))


class Disk:
    """A small file system of its own."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def remount(self, *options: str) -> None:
        """Change its size (``size=9m``), or whether it may be written (``ro``, ``rw``)."""
        subprocess.run(["mount", "-o", ",".join(["remount", *options]), str(self.place)], check=True)

    def fill(self) -> Path:
        """Take all the room there is."""
        path = self.place / "filler"
        with path.open("wb") as stream:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        os.write(stream.fileno(), bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
        return path


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Disk]:
    """Mount a small file system, or skip the test, saying why."""
    place.mkdir(exist_ok=True)
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)], capture_output=True, text=True
        )
    except OSError as error:
        pytest.skip(f"no small disk can be mounted here: {error}")
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    try:
        yield Disk(place)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
