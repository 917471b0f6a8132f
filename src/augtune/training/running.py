"""Running: where and under whose eyes a training runs. Nothing of it changes what comes out. Loads without torch."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from augtune.training.tables import Checkers

__all__ = ["Running", "Stop", "Stopped"]


class Stopped(KeyboardInterrupt):
    """A training ended after a step because Ctrl-C was pressed; its checkpoint is written.

    It is a KeyboardInterrupt, since that is what the user did and what those who catch errors let through.
    """


class Stop:
    """Ctrl-C while training runs: the first press ends it after the step it is at, the second at once.

    Args:
        on_first: Called when it is pressed for the first time.
    """

    def __init__(self, on_first: Callable[[], None] = lambda: None) -> None:
        self._on_first = on_first
        self.asked = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take Ctrl-C as a wish for as long as the block runs; only a program's main thread hears of it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._hear)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self._on_first()


@dataclass(frozen=True, slots=True)
class Running:
    """What a training is run with, besides its rows and settings.

    Args:
        on_step: Called after each step with step, steps and loss.
        on_note: Called with each sentence its user has to know of; ``Fitted.notes`` holds those on the training itself.
        on_checkers: Called with what the checkers say, where there are any, before the first step.
        folder: Where checkpoints are written and looked for; None: there are none.
        stop: What ends it before its last step; None: nothing does.
        about: What the training is called where it is tracked.
        logs: Folder for what a tracker writes; None: the tracker's own choice.
        tracker: An accelerate tracker (``GeneralTracker``) of the caller's, besides ``settings.tracker``.
        when_stopped: ``raise``: write a checkpoint and raise ``Stopped``; ``keep``: write one and return what there is.
    """

    on_step: Callable[[int, int, float], None] | None = None
    on_note: Callable[[str], None] | None = None
    on_checkers: Callable[[Checkers], None] | None = None
    folder: Path | None = None
    stop: Stop | None = None
    about: str = ""
    logs: Path | None = None
    tracker: Any = None
    when_stopped: Literal["raise", "keep"] = "raise"
