"""A model in this process: a transformers causal model, its calls gathered into batches; also scores given texts."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from pydantic import Field, PrivateAttr

from augtune.core.errors import InputError
from augtune.core.extras import need
from augtune.core.settings import Settings
from augtune.llm.failures import CallError
from augtune.llm.messages import Reply, Request

__all__ = ["Local", "LocalOptions", "check_place", "weights_name"]

SAMPLES, SAMPLE_BYTES = 64, 1 << 16
WEIGHTS = ("*.safetensors", "*.bin", "*.json", "*.jinja", "*.model")

Outcome = Reply | CallError


class LocalOptions(Settings):
    """How a local model is loaded and run."""

    device: str = "auto"
    """Where it runs: cpu, cuda, cuda:1, ...; auto is a GPU if there is one."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """What it computes in; auto is what its weights are stored in."""

    batch_size: int = Field(default=16, ge=1)
    """Most calls answered together; llm.max_in_flight has to be as large for batches to fill up."""

    revision: str | None = None
    """Branch, tag or commit of a model on the hub."""


class Answering(Protocol):
    """What a loaded model does; ``augtune.llm.providers.causal`` has the one there is."""

    def write(self, requests: Sequence[Request], wanted: Callable[[], bool]) -> list[Outcome]: ...

    def score(self, requests: Sequence[Request], wanted: Callable[[], bool]) -> list[Outcome]: ...


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    request: Request
    future: asyncio.Future[Reply]


class Local(LocalOptions):
    """Run a causal language model of a folder or the hub. The same request gives the same reply, whatever its mates.

    (Up to rounding: in 16-bit precision it differs with a batch's shape and can tip a draw that is very close.)
    What a request leaves open is left open: temperature and top_p are then 1, and a reply may fill the model's context.
    It takes no schema and no extra fields, and a chat only if the model's tokenizer has a chat template.
    """

    kind: ClassVar[str] = "local"
    can_score: ClassVar[bool] = True
    takes_its_time: ClassVar[bool] = True  # calls wait in its own line, which is never a time-out

    model: str
    """A folder, or a name on the hub."""

    _waiting: deque[_Job] = PrivateAttr(default_factory=deque)
    _worker: asyncio.Task[None] | None = PrivateAttr(default=None)
    _thread: ThreadPoolExecutor | None = PrivateAttr(default=None)
    _loaded: Answering | None = PrivateAttr(default=None)

    async def send(self, request: Request) -> Reply:
        """Return the reply, or the scores of the request's continuations.

        Raises:
            CallError: If this request cannot be answered: too long, a chat without a template, a schema.
            InputError: If the model cannot be loaded.
            ExtraError: If torch or transformers is not installed.
        """
        _refuse(request)
        job = _Job(request, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await job.future

    async def _work(self) -> None:
        while self._waiting:
            await asyncio.sleep(0.001)  # calls that start in the same moment make one batch
            jobs = self._next()
            if not jobs:
                continue
            try:
                outcomes = await self._run(jobs)
            except Exception as error:
                outcomes = [error] * len(jobs)
            for job, outcome in zip(jobs, outcomes, strict=True):
                if job.future.done():
                    continue
                if isinstance(outcome, Reply):
                    job.future.set_result(outcome)
                else:
                    job.future.set_exception(outcome)

    def _next(self) -> list[_Job]:
        """Take the calls of the next batch: in order of arrival, all to be written or all to be scored."""
        jobs: list[_Job] = []
        while self._waiting and len(jobs) < self.batch_size:
            if jobs and bool(self._waiting[0].request.continuations) != bool(jobs[0].request.continuations):
                break
            job = self._waiting.popleft()
            if not job.future.done():
                jobs.append(job)
        return jobs

    async def _run(self, jobs: Sequence[_Job]) -> list[Any]:
        requests = [job.request for job in jobs]

        def wanted() -> bool:
            return not all(job.future.done() for job in jobs)

        def work() -> list[Outcome]:
            model = self._model()
            return (model.score if requests[0].continuations else model.write)(requests, wanted)

        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="augtune-local")
        return list(await asyncio.get_running_loop().run_in_executor(self._thread, work))

    def _model(self) -> Answering:
        if self._loaded is None:
            for module in ("torch", "transformers"):
                need(module, extra="train", to="run a language model in this process")
            from augtune.llm.providers.causal import CausalModel

            self._loaded = CausalModel(self.model, self)
        return self._loaded

    async def aclose(self) -> None:
        """Let go of the model; the next call loads it again."""
        self._loaded = None
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=False)


def _refuse(request: Request) -> None:
    name = f"local/{request.model}"
    if request.schema is not None:
        raise CallError(f"{name}: a local model is not held to a schema.", "request", hint="Ask for plain text.")
    if request.extra:
        raise CallError(f"{name}: llm.extra: {', '.join(sorted(request.extra))}: a local model has no body.", "setup")


def weights_name(model: str, options: LocalOptions) -> tuple[str, str | None]:
    """Return a local model's name, and what stands in place of an address: which weights they are, in what precision.

    Of a folder it is a fingerprint of its files (their sizes, and blocks spread over each), so that a folder may be
    moved and retraining is noticed; of a hub name it is the revision, if one is given.
    """
    folder = Path(model).expanduser()
    precision = "" if options.dtype == "auto" else f"+{options.dtype}"
    if not folder.is_dir():
        which = f"revision:{options.revision or 'main'}" if options.revision or precision else ""
        return model, f"{which}{precision}" or None
    digest = hashlib.sha256()
    for path in sorted({path for pattern in WEIGHTS for path in folder.glob(pattern)}):
        size = path.stat().st_size
        digest.update(f"{path.name}:{size};".encode())
        with path.open("rb") as stream:
            for start in sorted({size * i // SAMPLES // SAMPLE_BYTES * SAMPLE_BYTES for i in range(SAMPLES)}):
                stream.seek(start)
                digest.update(stream.read(SAMPLE_BYTES))
    return folder.resolve().name, f"weights:{digest.hexdigest()[:16]}{precision}"


def check_place(model: str) -> None:
    """Refuse a path to nothing.

    Raises:
        InputError: If the name is a path and there is no model.
    """
    folder = Path(model).expanduser()
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise InputError(f"llm.model: local/{model}: the folder holds no config.json, so it is no saved model.")
    if not folder.is_dir() and (model.startswith((".", "/", "~")) or model.count("/") > 1):
        raise InputError(f"llm.model: local/{model}: there is no such folder.")
