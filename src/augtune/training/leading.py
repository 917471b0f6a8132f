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

from augtune.core.errors import AugtuneError, SettingsError
from augtune.core.launched import is_one_of_several

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset
    from augtune.training.fitting import Job

__all__ = ["hand_out", "leading", "serve"]

LOOK_EVERY = timedelta(seconds=60)
TRAIN, END = "train", "end"


class _Board:
    """Where the first process says what is next: a training, or the end."""

    def __init__(self) -> None:
        from torch.distributed import PrefixStore  # type: ignore[attr-defined]
        from torch.distributed.rendezvous import rendezvous

        store, _, _ = next(iter(rendezvous("env://")))
        self._store = PrefixStore("augtune", store)
        self._count = 0

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


_board: _Board | None = None


@contextmanager
def leading() -> Iterator[None]:
    """Let the other processes serve the trainings of the block, and end with it."""
    global _board
    _board = _Board()
    try:
        yield
    finally:
        _board.say(END)
        _board = None


def serve() -> None:
    """Serve the first process's trainings until it ends.

    An error in a training that all processes come to alike is told by the first; any other ends this process, and with
    it the run.
    """
    from augtune.training.fitting import fit
    from augtune.training.running import Stopped
    from augtune.training.team import Team, make_accelerator

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the first, which tells the others
    board = _Board()
    while board.hear() == TRAIN:
        job = _from_bytes(Team(make_accelerator()).spread(None))
        try:
            fit(job)
        except (AugtuneError, Stopped):
            continue


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
    if _board is not None:
        from augtune.training.team import Team, make_accelerator

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
