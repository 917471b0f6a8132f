"""What of a run on Ray can be set; where the cluster is, ``augtune run --ray`` says. Loads nothing of Ray."""

from __future__ import annotations

from pydantic import Field

from augtune.core.settings import Settings

__all__ = ["RaySettings"]


class RaySettings(Settings):
    """What each training asks of a Ray cluster; nothing of it is part of a result, but for the number of threads."""

    cpus: int | None = Field(default=None, ge=1)
    """Processors of one training, and its threads; by default as many threads as a training in process would have,
    which OMP_NUM_THREADS sets. The last bits of a result depend on the number of threads."""

    gpus: float | None = Field(default=None, ge=0)
    """GPUs of one training: 1, or 0.25 where four share one; one with 0 sees none. By default 1 if the machine of the
    command has any, else 0."""

    retries: int = Field(default=3, ge=0)
    """How many times a training is begun again whose worker or machine died."""

    shared_folder: bool | None = None
    """Whether the run folder is at the same path on every machine; by default each looks. Where it is, checkpoints are
    written there and files are moved, not sent."""
