"""Several processes, one program: the first does everything, the others serve its trainings.

Under ``torchrun`` every process starts the same command. The first runs it; the others wait, and when the first comes
to a training they are given its rows and settings and train with it. What asks a language model, writes files or prints
is thus done once. While they wait they are in no collective operation, so nothing times out, however long it takes.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from augtune.core.errors import AugtuneError, SettingsError, TrainingError
from augtune.core.launched import is_one_of_several

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset
    from augtune.training.fitting import Job

__all__ = ["AloneError", "ending_together", "hand_out", "leading", "serve"]

LOOK_EVERY = timedelta(seconds=60)
# How long a process waits for the first one to come to the same error, before it takes it for its own.
SAME_ERROR_WITHIN = timedelta(seconds=30)
TRAIN, END = "train", "end"
# Exit codes of a process that was interrupted, and of one that met a mistake of ours.
INTERRUPTED, BUG = 130, 1


class AloneError(TrainingError):
    """One of several processes cannot go on, which the others do not know."""


class _Board:
    """Where the first process says what is next, a training or the end, and any says that its training failed."""

    def __init__(self, *, leads: bool) -> None:
        from torch.distributed import PrefixStore  # type: ignore[attr-defined]
        from torch.distributed.rendezvous import rendezvous

        store, _, _ = next(iter(rendezvous("env://")))
        self._store = PrefixStore("augtune", store)
        self._count = 0
        self.leads = leads

    def say(self, word: str) -> None:
        self._store.set(str(self._count), word)
        self._count += 1

    def hear(self) -> str:
        """Wait for the next word, for as long as it takes."""
        from torch.distributed import DistStoreError

        while True:
            try:
                self._store.wait([str(self._count)], LOOK_EVERY)
            except DistStoreError:
                continue
            word: str = self._store.get(str(self._count)).decode()
            self._count += 1
            return word

    def fail(self, code: int) -> None:
        """Say that the training that is under way failed in this process, which will end with this exit code."""
        self._store.set(self._failed("anywhere"), str(code))
        if self.leads:
            self._store.set(self._failed("first"), "")

    def failure(self) -> int | None:
        """Return the exit code of a process that said that the training failed; None: none did."""
        key = self._failed("anywhere")
        return int(self._store.get(key).decode()) if self._store.check([key]) else None

    def has_failed_in_first(self, within: timedelta) -> bool:
        """Tell whether the first process says that the training failed, in time."""
        from torch.distributed import DistStoreError

        try:
            self._store.wait([self._failed("first")], within)
        except DistStoreError:
            return False
        return True

    def _failed(self, where: str) -> str:
        return f"failed.{self._count}.{where}"


_board: _Board | None = None


@contextmanager
def ending_together() -> Iterator[None]:
    """Run a training, one of several processes', of which one alone says what went wrong.

    A process that fails leaves the others in an exchange that cannot end, and their own errors say no more than that.

    Raises:
        SystemExit: If another process failed, which has said why.
    """
    if _board is None:
        yield
        return
    try:
        yield
    except AugtuneError as error:
        _board.fail(error.exit_code)
        raise
    except KeyboardInterrupt:
        _board.fail(INTERRUPTED)
        raise
    except Exception as error:
        code = _board.failure()
        if code is not None:
            raise SystemExit(code) from error
        _board.fail(BUG)
        raise


@contextmanager
def leading() -> Iterator[None]:
    """Let the other processes serve the trainings of the block, and end with it."""
    global _board
    _board = _Board(leads=True)
    try:
        yield
    finally:
        _board.say(END)
        _board = None


def serve() -> None:
    """Serve the first process's trainings until it ends.

    An error in a training that all processes come to alike is told by the first; any other ends this process, and with
    it the run.

    Raises:
        AugtuneError: If this process cannot go on and the first does not know.
    """
    global _board
    from augtune.training.fitting import fit
    from augtune.training.running import Stopped
    from augtune.training.team import Team, make_accelerator

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the first, which tells the others
    _board = board = _Board(leads=False)
    while board.hear() == TRAIN:
        job = _from_bytes(Team(make_accelerator()).spread(None))
        try:
            fit(job)
        except Stopped:
            continue
        except AugtuneError as error:
            if isinstance(error, AloneError) or not board.has_failed_in_first(SAME_ERROR_WITHIN):
                raise


def hand_out(job: Job) -> None:
    """Give a job to the processes that serve, if there are any; call it in the first, right before training.

    Raises:
        SettingsError: If a step has fewer rows than there are processes.
    """
    size = int(os.environ.get("WORLD_SIZE", "1")) if is_one_of_several() else 1
    if job.settings.batch_size < size:
        raise SettingsError(
            f"batch_size: {job.settings.batch_size} rows of a step cannot be shared by {size} processes",
            hint="Raise train.batch_size, or use fewer processes.",
        )
    if _board is not None and _board.leads:
        from augtune.training.team import Team, check_engine, make_accelerator

        check_engine()
        _board.say(TRAIN)
        Team(make_accelerator()).spread(_to_bytes(job))


def _to_bytes(job: Job) -> bytes:
    import torch

    from augtune.training.team import pack

    tensors = {"rows": _table(job.dataset)}
    if job.validation is not None:
        tensors["validation"] = _table(job.validation)
    if job.known is not None and job.known.weights is not None:
        tensors["weights"] = torch.from_numpy(job.known.weights)
    labels = job.dataset.labels
    about = {
        "settings": job.settings.model_dump(mode="json", exclude_unset=True),
        "seed": job.seed,
        "labels": [list(labels.names), dict(labels.descriptions), labels.task, dict(labels.was)],
        "names": [job.dataset.name, None if job.validation is None else job.validation.name],
        "checkers": None if job.checkers is None else job.checkers.to_json(),
        "when_stopped": job.running.when_stopped,
    }
    return pack(tensors, about)


def _table(rows: Dataset) -> Any:
    """Return a dataset's table as a tensor of the bytes of an Arrow stream."""
    import pyarrow as pa
    import torch

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.table.schema) as stream:
        stream.write_table(rows.table)
    return torch.frombuffer(bytearray(sink.getvalue().to_pybytes()), dtype=torch.uint8)


def _from_bytes(content: bytes) -> Job:
    import pyarrow as pa

    from augtune.core.dataset import Dataset, HumanDataset
    from augtune.core.labels import Labels
    from augtune.training.fitting import Job, Known
    from augtune.training.running import Running
    from augtune.training.settings import TrainSettings
    from augtune.training.tables import Checkers
    from augtune.training.team import unpack

    tensors, about = unpack(content)
    labels = Labels(*about["labels"])

    def table(name: str) -> pa.Table:
        return pa.ipc.open_stream(tensors[name].numpy().tobytes()).read_all()

    job = Job(
        Dataset(table("rows"), labels, name=about["names"][0]),
        TrainSettings.parse(about["settings"], where="train"),
        about["seed"],
        running=Running(when_stopped=about["when_stopped"]),
        checkers=None if about["checkers"] is None else Checkers.from_json(about["checkers"], labels),
        known=Known(tensors["weights"].numpy() if "weights" in tensors else None),
    )
    if "validation" not in tensors:
        return job
    return replace(job, validation=HumanDataset(table("validation"), labels, name=about["names"][1]))
