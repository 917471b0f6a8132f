"""The run's side of Ray: connect, hand out pieces of work, put what comes back into the run folder.

Only this side writes stages, asks language models and knows keys. A thread waits for each piece; the code that hands
it out is the same that would do it in process.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from augtune.core.errors import InputError, TrainingError
from augtune.core.extras import need
from augtune.experiment.ray_settings import RaySettings
from augtune.experiment.ray_task import MARK, Done, Order, identity, perform
from augtune.experiment.store import RunFolder
from augtune.experiment.work import Work

__all__ = ["LOCAL", "RayCrew", "connected"]

LOCAL = "local"
CONNECT_S = 10.0
LOOK_EVERY_S = 5.0
PATIENCE_S = 60.0
MOST_THREADS = 256
AHEAD = 2  # pieces handed out for each that can be done at once, so that no worker waits for the next
# What of this process's environment a worker's libraries have to share. None of it is a secret: Ray logs it.
PASSED_ON = ("HF_HUB_OFFLINE", "TOKENIZERS_PARALLELISM", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

# A Ray of this machine listens on loopback alone, and its workers have the priority of a run in process.
OF_ONE_MACHINE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_worker_niceness": "0"}

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """What of a machine one piece of work takes."""

    cpus: int
    gpus: float

    @classmethod
    def of(cls, settings: RaySettings) -> Share:
        """Return what settings ask for; what they leave open is what a training in this process has."""
        import torch

        gpus = float(torch.cuda.is_available()) if settings.gpus is None else settings.gpus
        return cls(settings.cpus or torch.get_num_threads(), gpus)

    def environment(self) -> dict[str, str]:
        """Return the variables of a worker's environment that its libraries read when they are loaded."""
        names = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        unseen = {} if self.gpus else {"CUDA_VISIBLE_DEVICES": ""}
        return {**names, **unseen, "OMP_NUM_THREADS": str(self.cpus)}

    def __str__(self) -> str:
        return _number(self.cpus, "CPU") + (f" and {_number(self.gpus, 'GPU')}" if self.gpus else "")


class RayCrew:
    """Does pieces of work as Ray tasks.

    Args:
        ray: The module, connected.
        settings: What a piece may be done with.
        share: What each piece asks for.
        store: The run folder, claimed by the time anything is done.
    """

    def __init__(self, ray: Any, settings: RaySettings, share: Share, store: RunFolder) -> None:
        self._ray, self._settings, self._store, self._share = ray, settings, store, share
        self._identity = identity()
        self._mark = None if settings.shared_folder is False else secrets.token_hex(16)
        self._is_marked = False
        self._room = threading.BoundedSemaphore(max(AHEAD * self._places(), 2))
        self._out: set[Any] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._looked = time.monotonic()
        self._lost_since: float | None = None
        self._arms = ThreadPoolExecutor(MOST_THREADS, "augtune-arm")
        self._trials = ThreadPoolExecutor(MOST_THREADS, "augtune-trial")
        self._task = ray.remote(
            num_cpus=share.cpus,
            num_gpus=share.gpus,
            max_retries=settings.retries,
            runtime_env={"env_vars": share.environment()},
        )(perform)

    def begin(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start a function that waits for pieces of work, in a thread of its own."""
        return self._arms.submit(function, *args, **kwargs)

    def map(self, function: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
        """Return what a function that waits for a piece of work returns for each item; all are begun at once."""
        return self._trials.map(function, items)

    def do(self, work: Work, folder: Path, about: str, note: Callable[[str], None]) -> Any:
        """Have a piece done on a worker, put its files into ``folder`` and return its notes.

        Raises:
            AugtuneError: What went wrong there.
            TrainingError: If its worker died again and again, or no machine is left that could do it.
        """
        self._leave_mark()
        run, stage = str(self._store.path.resolve()), str(folder.resolve())
        order = Order(about, run, stage, self._mark, self._share.cpus, self._identity)
        with self._room:
            done = self._waited(work, order)
        for sentence in done.said:
            note(sentence)
        if done.error is not None:
            raise done.error
        self._store.event("worked", about=about, where=done.where)
        _put(done, folder)
        return done.notes

    def _leave_mark(self) -> None:
        """Put a random word into the run folder, once: machines that read it there share the folder."""
        with self._lock:
            if self._mark is not None and not self._is_marked:
                (self._store.path / MARK).write_text(self._mark, encoding="utf-8")
                self._is_marked = True

    def _waited(self, work: Work, order: Order) -> Done:
        """Return what came of a piece of work."""
        if self._ended.is_set():
            raise KeyboardInterrupt
        out = self._task.options(name=f"augtune {order.about}").remote(work, order)
        with self._lock:
            self._out.add(out)
        try:
            while not self._ray.wait([out], timeout=LOOK_EVERY_S)[0]:
                self._look()
            done: Done = self._ray.get(out)
            return done
        except self._ray.exceptions.RayError as error:
            raise self._told(error, order.about) from error
        finally:
            with self._lock:
                self._out.discard(out)

    def _told(self, error: Exception, about: str) -> BaseException:
        """Return an error of Ray's as one of ours."""
        errors = self._ray.exceptions
        if self._ended.is_set() or isinstance(error, errors.TaskCancelledError):
            return KeyboardInterrupt()
        if isinstance(error, errors.RayTaskError):
            cause = error.cause
            if isinstance(cause, ModuleNotFoundError):
                return InputError(
                    f"{about}: a machine of the Ray cluster lacks {cause.name!r}.",
                    hint="Install augtune with the same extras on every machine of the cluster.",
                )
            return cause if isinstance(cause, Exception) else error
        first = str(error).strip().splitlines()
        return TrainingError(
            f"{about}: its worker died and so did those that began it again ({self._settings.retries} times): "
            f"{first[0] if first else type(error).__name__}",
            hint="Often memory ran out: ask for more processors a training (ray.cpus), so that fewer share a machine. "
            "The same command carries on.",
        )

    def _look(self) -> None:
        """See, every few seconds and for all that wait, that a machine is left that could do a piece."""
        if self._ended.is_set():
            raise KeyboardInterrupt
        with self._lock:
            now = time.monotonic()
            if now - self._looked < LOOK_EVERY_S:
                return
            self._looked = now
            if self._places():
                self._lost_since = None
                return
            self._lost_since = self._lost_since or now
            if now - self._lost_since < PATIENCE_S:
                return
        raise TrainingError(
            f"the Ray cluster has had no machine for {PATIENCE_S:.0f} s that could train: {self._asked()}; "
            f"{_machines(self._ray)}.",
            hint="Start machines again; the same command carries on.",
        )

    def check(self) -> None:
        """See that some machine can do a piece of work.

        Raises:
            InputError: If none can.
        """
        if not self._places():
            raise InputError(
                f"ray: {self._asked()}, and no machine of the cluster has that; {_machines(self._ray)}.",
                hint="Set ray.cpus and ray.gpus to what one machine has, e.g. ray.cpus=1.",
            )

    def _asked(self) -> str:
        return f"each training asks for {self._share}"

    def _places(self) -> int:
        """Return how many pieces the cluster can do at once."""
        found = 0
        for resources in _alive(self._ray):
            fits = int(resources.get("CPU", 0) // self._share.cpus)
            if self._share.gpus:
                fits = min(fits, int(resources.get("GPU", 0) / self._share.gpus))
            found += fits
        return found

    def close(self) -> None:
        """Give up what is under way; what is finished is kept. May be called again."""
        self._ended.set()
        with self._lock:
            out = list(self._out)
        for task in out:
            self._ray.cancel(task)
        self._arms.shutdown(cancel_futures=True)
        self._trials.shutdown(cancel_futures=True)
        if self._is_marked:
            (self._store.path / MARK).unlink(missing_ok=True)


@contextmanager
def connected(address: str, settings: RaySettings, store: RunFolder) -> Iterator[RayCrew]:
    """Connect to a Ray cluster, or start one on this machine, for as long as the block runs.

    A connection that this process has already is used, and kept.

    Args:
        address: ``local`` or ``HOST:PORT``.
        settings: What each piece of work asks for.
        store: The run folder.

    Raises:
        ExtraError: If Ray is not installed.
        InputError: If the address is none, nothing answers there, or no machine has what a training asks for.
    """
    host = None if address == LOCAL else _host(address)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if host is None:  # read when Ray is loaded
        for name, value in OF_ONE_MACHINE.items():
            os.environ.setdefault(name, value)
    ray = need("ray", extra="ray", to="train on a Ray cluster")
    share = Share.of(settings)
    is_ours = not ray.is_initialized()
    if is_ours:
        if host is not None:
            _reach(*host)
        _init(ray, address)
    try:
        crew = RayCrew(ray, settings, share, store)
        try:
            crew.check()
            yield crew
        finally:
            crew.close()
    finally:
        if is_ours:
            ray.shutdown()


def _host(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not host or "/" in address or not port.isdigit():
        raise InputError(
            f"--ray: expected local, or HOST:PORT of a cluster's head, got {address!r}.",
            hint="The port is the one that 'ray start --head --port=6379' names; ray:// addresses are not for this.",
        )
    return host.strip("[]"), int(port)


def _reach(host: str, port: int) -> None:
    """See that something listens there: Ray itself would try for minutes."""
    try:
        socket.create_connection((host, port), timeout=CONNECT_S).close()
    except OSError as error:
        raise InputError(
            f"--ray {host}:{port}: nothing answers there ({error.strerror or error}; {CONNECT_S:.0f} s allowed).",
            hint="Start the cluster's head with 'ray start --head --port=6379', or train here with --ray local.",
        ) from error


def _init(ray: Any, address: str) -> None:
    own: Mapping[str, Any] = {"include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, namespace="augtune", **own)
    except (Exception, SystemExit) as error:
        first = str(error).strip().splitlines()
        raise InputError(
            f"--ray {address}: cannot connect: {first[0] if first and first[0] != '15' else type(error).__name__}",
            hint="Run this on a machine of the cluster ('ray start --address=HEAD:PORT' makes it one), with the same "
            "versions of Ray and Python as the head's.",
        ) from error


def _put(done: Done, folder: Path) -> None:
    """Put the files of a piece of work into the stage's folder."""
    if done.part is not None:
        part = Path(done.part)
        for path in list(part.iterdir()):
            path.replace(folder / path.name)
        shutil.rmtree(part)
    for name, content in (done.files or {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _alive(ray: Any) -> list[dict[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _machines(ray: Any) -> str:
    """Return what the machines have, in words."""
    found = [f"{_number(r.get('CPU', 0), 'CPU')}, {_number(r.get('GPU', 0), 'GPU')}" for r in _alive(ray)]
    if not found:
        return "it has no machine"
    return f"it has {len(found)} machine{'s' if len(found) > 1 else ''}: " + "; ".join(found)


def _number(count: float, what: str) -> str:
    return f"{count:g} {what}{'' if count == 1 else 's'}"
