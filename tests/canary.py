"""A key that is in the environment of every test and may be nowhere else: how it is planted, and looked for at the end.

Looked through are the files under pytest's folder for temporary files, what tests printed, logged and failed with, and
the command lines of the processes they started, for the key and for what is left of it when it is written otherwise.
"""

from __future__ import annotations

import base64
import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

__all__ = ["CANARY", "FORMS", "NAMES", "Watch", "leaks_in", "watching"]

# Two halves, so that this file does not hold it. It has what makes a key look different once it is written otherwise.
CANARY = "sk-" + "canary/7Qx+4Zt" + "=Vb9Lm2Kp8Rw"
NAMES = (
    *("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY"),
    *("MISTRAL_API_KEY", "TOGETHER_API_KEY", "GROQ_API_KEY", "DEEPSEEK_API_KEY", "WANDB_API_KEY"),
)
FORMS = tuple(
    dict.fromkeys(
        form.encode()
        for form in (
            CANARY,
            quote(CANARY, safe=""),
            CANARY.encode().hex(),
            # In base64 a text looks in three ways, by what comes before it; the ends depend on the neighbours.
            *(base64.b64encode(b"\0" * before + CANARY.encode()).decode()[4:-4] for before in range(3)),
        )
    )
)
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".npy")
HEAD = 1 << 20  # bytes of a file of weights that are read: its header, where texts are
PAUSE_S = 2.0


@dataclass
class Watch:
    """What was looked through so far, and where the key was found.

    Args:
        leaks: A line for each place.
    """

    leaks: list[str] = field(default_factory=list)
    files: int = 0
    size: int = 0
    seconds: float = 0.0
    looked_at: float = 0.0

    def text(self, text: str, where: str) -> None:
        """Look through a text: output, a log, a traceback."""
        if any(form in text for form in TEXT_FORMS):
            self.leaks.append(where)

    def report(self, report: pytest.TestReport) -> None:
        """Look through all that a test has said."""
        for title, text in report.sections:
            self.text(text, f"{report.nodeid}: {title}")
        if report.longrepr is not None:
            self.text(report.longreprtext, f"{report.nodeid}: its failure")

    def processes(self) -> None:
        """Look through the command lines of all processes there are, every other second at most."""
        now = time.monotonic()
        if now - self.looked_at < PAUSE_S:
            return
        self.looked_at = now
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                content = path.read_bytes()
            except OSError:
                continue  # it has ended
            if any(form in content for form in FORMS):
                self.leaks.append(f"the command line of process {path.parent.name}")

    def folder(self, folder: Path) -> None:
        """Look through every file below a folder, its name too."""
        started = time.monotonic()
        for path in _files(folder):
            self.files += 1
            if any(form in os.fsencode(path) for form in FORMS):
                self.leaks.append(f"the name of {path}")
            try:
                with path.open("rb") as stream:
                    content = stream.read(HEAD if path.suffix in WEIGHTS else -1)
            except OSError:
                continue
            self.size += len(content)
            if any(form in content for form in FORMS):
                self.leaks.append(str(path))
        self.seconds += time.monotonic() - started

    def summary(self) -> str:
        """Return what was looked through, in a line."""
        found = f"found in {len(self.leaks)} places" if self.leaks else "nowhere"
        return f"canary: {self.files:,} files, {self.size / 1e6:,.0f} MB in {self.seconds:.1f} s; {found}"


TEXT_FORMS = tuple(form.decode() for form in FORMS)


def leaks_in(folder: Path) -> list[str]:
    """Return the files below a folder that hold the key."""
    watch = Watch()
    watch.folder(folder)
    return watch.leaks


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if path.is_file() and not path.is_symlink():
                yield path


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """Plant the key and look at every command that is started, for as long as the block runs."""
    started = subprocess.Popen.__init__

    def looked_at(self: subprocess.Popen, args: object, *rest: object, **more: object) -> None:
        parts: Iterable[object] = args if isinstance(args, list | tuple) else [args]
        for part in parts:
            watch.text(str(part), f"a command: {str(parts)[:60]}")
        started(self, args, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            patch.setenv(name, CANARY)
        patch.setattr(subprocess.Popen, "__init__", looked_at)
        yield
