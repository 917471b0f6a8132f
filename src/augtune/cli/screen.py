"""What a run shows while it works: a progress bar on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from augtune.cli.visible import visible

if TYPE_CHECKING:
    from augtune.training.running import Stop

__all__ = ["Screen"]

EVERY_S = 30.0


class Screen:
    """Shows the events of a run; use it as a context manager and pass it as ``listen``.

    Args:
        is_terminal: Whether to draw a bar that moves; by default if stderr is a terminal.
    """

    def __init__(self, *, is_terminal: bool | None = None) -> None:
        self._is_terminal = sys.stderr.isatty() if is_terminal is None else is_terminal
        self._started: dict[tuple[str, str], float] = {}
        self._told: dict[tuple[str, str], float] = {}
        self._asked: dict[tuple[str, str], str] = {}
        self._notes: set[str] = set()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if self._is_terminal:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(compact=True),
                TextColumn("{task.fields[words]}", markup=False),
            )
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Show one event."""
        name = str(event.get("event"))
        stage, about = str(event.get("stage", "")), str(event.get("about", ""))
        if name == "progress":
            self._progress(stage, about, event)
        elif name == "asked":
            self._asked[stage, about] = _model_words(event)
        elif name == "stage-started":
            self._started[stage, about] = self._told[stage, about] = time.monotonic()
            if self._bar is None:
                self._line(stage, about, "…")
        elif name == "stage-done":
            now = time.monotonic()
            took = now - self._started.pop((stage, about), now)
            self._clear()
            asked = self._asked.pop((stage, about), None)
            self._line(stage, about, f"done in {took:.1f} s" + (f": {asked}" if asked else ""))
        elif name == "stage-skipped":
            self._line(stage, about, "done before")
        elif name == "note" and (message := str(event["message"])) not in self._notes:
            self._notes.add(message)
            self._line(stage, about, message)
        elif name == "warning":
            self._write(f"warning: {event.get('message', event.get('warning', ''))}")

    def stop(self) -> Stop:
        """Return what takes Ctrl-C while a classifier is trained, and says so here."""
        from augtune.training.running import Stop

        return Stop(lambda: self._write("stopping after this step; Ctrl-C again stops at once"))

    def _progress(self, stage: str, about: str, event: Mapping[str, Any]) -> None:
        step, of = int(event.get("step", 0)), int(event.get("of", 0))
        if self._bar is not None:
            described, words = f"{stage} · {about}", _model_words(event).partition(" · ")[2]
            if self._task is None:
                self._task = self._bar.add_task(described, total=of or None, words=words)
            self._bar.update(self._task, description=described, completed=step, total=of or None, words=words)
        elif time.monotonic() - self._told.get((stage, about), 0.0) >= EVERY_S:
            self._told[stage, about] = time.monotonic()
            self._line(stage, about, _model_words(event) or (f"{step} of {of}" if of else f"{step}"))

    def _clear(self) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None

    def _line(self, stage: str, about: str, what: str) -> None:
        self._write(f"{stage:<9} {about}: {what}")

    def _write(self, line: str) -> None:
        line = visible(line)
        if self._bar is not None:
            from rich.text import Text

            self._bar.console.print(Text(line), soft_wrap=True)
        else:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()


def _model_words(event: Mapping[str, Any]) -> str:
    """Return what an event says of a language model at work: calls, rows, tokens, money; empty if it says nothing."""
    if "usd_expected" not in event:
        return ""
    from augtune.llm.progress import LLMProgress

    return str(LLMProgress.from_json(event))
