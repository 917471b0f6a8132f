"""What a Ray worker does with a piece of a run's work. Needs no Ray to be loaded."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augtune.core.errors import AugtuneError, InputError
from augtune.experiment.content import VERSION
from augtune.experiment.store import CHECKPOINTS
from augtune.experiment.work import Work

if TYPE_CHECKING:
    from augtune.training.running import Running

__all__ = ["MARK", "Done", "Order", "identity", "perform"]

MARK = ".ray"
"""File of a run folder that holds a random word for as long as the run is on Ray."""


def identity() -> str:
    """Return what has to be the same on every machine for a result to be the same."""
    from augtune import __version__

    return f"augtune {__version__}, stages of version {VERSION}, Python {platform.python_version()}"


@dataclass(frozen=True)
class Order:
    """How a piece of work is to be done.

    Args:
        about: What it is called.
        run: The run folder as the driver sees it.
        stage: The stage's folder there.
        mark: What ``MARK`` in the run folder holds; None: do not look.
        threads: Threads of a training.
        identity: The driver's.
    """

    about: str
    run: str
    stage: str
    mark: str | None
    threads: int
    identity: str


@dataclass(frozen=True)
class Done:
    """What came of a piece of work.

    Args:
        notes: Its notes.
        files: The files, by their path in the stage's folder; None if they are in ``part``.
        part: Folder beside the stage's that holds them, where the machines share the run folder.
        said: What its user has to know of.
        where: Machine and process.
        error: What went wrong, in place of all else.
    """

    notes: Any = None
    files: dict[str, bytes] | None = None
    part: str | None = None
    said: tuple[str, ...] = ()
    where: str = ""
    error: AugtuneError | None = None


def perform(work: Work, order: Order) -> Done:
    """Do a piece of work in a folder of this attempt's own, so that none ever writes what another does.

    An error of augtune's is returned, not raised, so that it arrives as it is.
    """
    where = f"{platform.node()}, process {os.getpid()}"
    said: list[str] = []
    try:
        _check(order)
        _limit(order.threads)
        with _folder(order) as (folder, is_shared):
            notes = work.do(folder, _running(order, said, is_shared=is_shared))
            if is_shared:
                return Done(notes, None, str(folder), tuple(said), where)
            files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
            return Done(notes, files, None, tuple(said), where)
    except AugtuneError as error:
        return Done(said=tuple(said), where=where, error=error)


def _check(order: Order) -> None:
    if order.identity != identity():
        raise InputError(
            f"{platform.node()} has {identity()}, the machine that runs the experiment {order.identity}.",
            hint="Install the same versions on every machine of the cluster.",
        )


def _limit(threads: int) -> None:
    """Let torch take as many threads as in the run's own process; other libraries were told before they loaded."""
    import torch

    torch.set_num_threads(threads)


@contextmanager
def _folder(order: Order) -> Iterator[tuple[Path, bool]]:
    """Yield a new folder, and whether it is in the run folder; it stays there if all went well, and nowhere else."""
    if not _shares(order):
        with tempfile.TemporaryDirectory(prefix="augtune-") as made:
            yield Path(made), False
        return
    stage = Path(order.stage)
    part = stage.with_name(f".{stage.name}.{uuid.uuid4().hex}.part")
    part.mkdir(parents=True)
    try:
        yield part, True
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _shares(order: Order) -> bool:
    """Tell whether this machine sees the driver's run folder."""
    try:
        return order.mark is not None and (Path(order.run) / MARK).read_text(encoding="utf-8") == order.mark
    except OSError:
        return False


def _running(order: Order, said: list[str], *, is_shared: bool) -> Running:
    from augtune.training.running import Running

    running = Running(about=order.about, on_note=said.append)
    if not is_shared:
        return replace(running, logs=Path(tempfile.gettempdir()) / "augtune-tracking")
    return replace(running, folder=Path(order.stage) / CHECKPOINTS, logs=Path(order.run) / "tracking")
