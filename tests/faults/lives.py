"""Runs in processes of their own, forked from one that has everything loaded, and killed at a moment of one's choice.

A moment is what the run was about to do to a file of its folder (``Deed``) and, if wanted, a time after that: the time
up to the next one is spent in training, in waiting for a language model or in other work. The deeds of a run that nothing
disturbs say which moments there are.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import tiny_causal
from flows.small import experiment, write_task

PRELOAD = [
    "augtune.experiment.run", "augtune.reporting.html", "augtune.training.train", "augtune.generation.tasks",
    "augtune.curation.base", "augtune.curation.dedup", "augtune.curation.contamination", "augtune.curation.quality",
    "augtune.collaboration.ask", "augtune.collaboration.tune.data", "transformers.models.bert.modeling_bert",
    "augtune.model.saved", "augtune.llm.sending", "augtune.cli.main", "scipy.stats", "pandas", "plotly.offline",
    "faults.lives", "faults.commands",
]  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
PART = re.compile(r"\.[a-z0-9_]{8}\.part")
PLACES = {
    "data": "views", "models": "views", "predictions": "views", "history": "views", "events.jsonl": "events",
    "search": "search", "tuning": "tune",
}  # fmt: skip
ABOUT_ALL = {".results.part", "results.json", "results.csv", "details.json"}
PATIENCE_S = 120.0


def everything(folder: Path, encoder: str, url: str) -> dict[str, Any]:
    """Return an experiment with every stage a run has but a search and fine-tuning; calls of its model cost money."""
    ask = {"form": "classify", "text_type": "review"}
    return experiment(
        write_task(folder),
        encoder,
        name="all",
        seeds=[0],
        llm={"model": "openai/m", "base_url": url, "price": {"input": 0.4, "output": 1.6}, "budget": "5 USD"},
        generate={"kind": "fewshot", "per_class": 12},
        train={
            "encoder": encoder, "steps": 6, "batch_size": 8, "lr": 1e-3, "precision": "fp32", "checkpoint_every": 2,
            "checkers": {"steps": 4, "folds": 2},
        },
        arms={
            "human only": {"generate": None, "curate": None},
            "two-stage": {"train": {"recipe": "two_stage"}},
            "imp": {"train": {"recipe": "imp"}},
            "asked": {"ask": ask},
            "routed": {"route": {"classifier": "human only", "ask": ask, "most_share": 0.5}},
        },
        evaluate={"metrics": ["macro_f1", "accuracy", "ece"], "baseline": "human only", "resamples": 100},
    )  # fmt: skip


def searching(folder: Path, encoder: str) -> dict[str, Any]:
    """Return an experiment that searches for settings; it asks no language model."""
    values = experiment(write_task(folder), encoder, name="searched", seeds=[0], inspect=None)
    values["arms"] = {"human only": {"generate": None, "curate": None}}
    values["train"] |= {"steps": 3, "checkpoint_every": 2}
    return {**values, "search": {"trials": 3, "over": {"train.lr": [1e-4, 1e-2, "log"]}, "folds": 2}}


def tuning(folder: Path, encoder: str) -> dict[str, Any]:
    """Return an experiment that fine-tunes a small causal model in the run's own process and asks it."""
    task = write_task(folder)
    texts = [json.loads(line)["text"] for line in (task / "train.jsonl").read_text().splitlines()]
    base = tiny_causal.build(folder / "base", texts, context=300, vocabulary=300)
    form = folder / "short.jinja2"
    form.write_text("---\nid: short\nversion: 1\nlanguage: en\n---\n{{ text }} {{ decision }}\n")
    tune = {
        "model": f"local/{base}", "form": str(form), "epochs": 1, "evidence": {"classifier": "human only"},
        "lora": {"rank": 2, "device": "cpu"},
    }  # fmt: skip
    values = experiment(task, encoder, name="tuned", seeds=[0], inspect=None, generate=None, curate=None)
    return {**values, "arms": {"human only": {}, "tuned": {"finetune": tune}}}


@dataclass(frozen=True)
class Deed:
    """What is about to be done to a file.

    Args:
        what: Such as ``open``, ``os.rename``, ``fsync``.
        path: The file, in the run folder; random parts of its name left out.
        number: How often that was done to it before, in this life.
    """

    what: str
    path: str
    number: int = 0

    @property
    def place(self) -> str:
        """What part of a run does it: a sort of stage, or what readers are shown, or the beginning or the end."""
        first, _, rest = self.path.partition("/")
        if first == "stages":
            return "checkpoint" if "/checkpoints" in rest else rest.partition("-")[0] or "claim"
        name = first.lstrip(".").partition(".*.part")[0]
        if first in ABOUT_ALL or name == "report.html":
            return "report" if name == "report.html" else "results"
        return "asking" if name.startswith("cache.sqlite") else PLACES.get(name, "claim")


@dataclass(frozen=True)
class Cut:
    """When a run is killed.

    Args:
        deed: Before this is done, or of a line that is written: in the middle.
        delay_s: Seconds after that; None: at once.
    """

    deed: Deed
    delay_s: float | None = None


class _Watch:
    """Sees what a process does to the files of a folder."""

    def __init__(self, folder: Path, see: Callable[[Deed], bool]) -> None:
        self._root, self._see = f"{folder}{os.sep}", see
        self._numbers: Counter[tuple[str, str]] = Counter()
        sys.addaudithook(self._audited)
        for name in ("fsync", "write"):
            setattr(os, name, functools.partial(self._called, name, getattr(os, name)))

    def _audited(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(args[2], int) and args[2] & WRITING:
            self._saw(event, args[0], -1)
        elif event in ("os.rename", "os.link"):
            self._saw(event, args[1], args[3])
        elif event in ("os.remove", "os.rmdir", "os.mkdir"):
            self._saw(event, args[0], args[-1])

    def _called(self, name: str, real: Callable[..., Any], handle: int, *rest: Any) -> Any:
        if self._saw(name, os.readlink(f"/proc/self/fd/{handle}"), -1) and rest:
            real(handle, rest[0][: len(rest[0]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return real(handle, *rest)

    def _saw(self, what: str, path: Any, beside: int) -> bool:
        if isinstance(path, int):
            return False
        name = os.fsdecode(path)
        if isinstance(beside, int) and beside >= 0:
            name = os.path.join(os.readlink(f"/proc/self/fd/{beside}"), name)
        name = os.path.abspath(name)
        if not name.startswith(self._root):
            return False
        short = PART.sub(".*.part", name[len(self._root) :])
        number = self._numbers[what, short]
        self._numbers[what, short] += 1
        return self._see(Deed(what, short, number))


def _live(source: str, out: str, cut: Cut | None, line: Connection, complaints: str) -> None:
    """Run an experiment and write its report; tell what is done to files, or be killed at one of these deeds."""
    from augtune.experiment.run import run
    from augtune.reporting.html import report

    os.dup2(os.open(complaints, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    values = json.loads(Path(source).read_text())
    done: list[tuple[float, Deed]] = []

    def see(deed: Deed) -> bool:
        if cut is None:
            done.append((time.monotonic(), deed))
        elif deed == cut.deed:
            if cut.delay_s is not None:
                line.send("now")
            elif deed.what == "write":
                return True
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return False

    _Watch(Path(out) / values["name"], see)
    report(run(values, out=out).folder)
    line.send(done)


class Lives:
    """Starts an experiment again and again.

    Args:
        source: What to run; it is written to ``folder`` first.
        folder: Where run folders and complaints go.
    """

    def __init__(self, source: dict[str, Any], folder: Path) -> None:
        self.file, self.folder, self.name = folder / "experiment.json", folder, source["name"]
        self.file.write_text(json.dumps(source))
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(PRELOAD)

    def run_folder(self, name: str) -> Path:
        return self.folder / name / self.name

    def undisturbed(self, name: str) -> list[tuple[float, Deed]]:
        """Run it to its end; return what it did to files, and when."""
        done, killed = self._live(name, None)
        assert not killed
        return done

    def killed(self, name: str, cut: Cut) -> bool:
        """Run it, or carry on, until it is killed; return whether it was, or came to its end before that."""
        return self._live(name, cut)[1]

    def finished(self, name: str) -> None:
        """Carry on to the end."""
        assert not self._live(name, None)[1]

    def _live(self, name: str, cut: Cut | None) -> tuple[Any, bool]:
        here, there = self._processes.Pipe(duplex=False)
        complaints = self.folder / f"{name}.stderr"
        arguments = (str(self.file), str(self.folder / name), cut, there, str(complaints))
        process = self._processes.Process(target=_live, args=arguments)
        process.start()
        there.close()
        heard: Any = None
        until = time.monotonic() + PATIENCE_S
        while process.is_alive() and time.monotonic() < until:
            if here in wait([here, process.sentinel], timeout=until - time.monotonic()) and (heard := _heard(here)):
                if heard == "now" and cut is not None and cut.delay_s is not None:
                    time.sleep(cut.delay_s)
                    process.kill()
                process.join(until - time.monotonic())
        if process.is_alive():
            process.kill()
            raise AssertionError(f"the run did not end within {PATIENCE_S:.0f} s: {complaints.read_text()}")
        process.join()
        code = process.exitcode
        heard = heard or _heard(here)
        here.close()
        if code not in (0, -signal.SIGKILL):
            raise AssertionError(f"exit status {code}: {complaints.read_text()}")
        return heard, code != 0


def _heard(line: Connection) -> Any:
    try:
        return line.recv() if line.poll() else None
    except EOFError:
        return None


def gaps(done: Sequence[tuple[float, Deed]]) -> list[tuple[Deed, float]]:
    """Return deeds with the seconds until the next."""
    times = [at for at, _ in done]
    return [(deed, after - at) for (at, deed), after in zip(done, [*times[1:], times[-1]], strict=True)]
