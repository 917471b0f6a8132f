"""What a checkpoint holds of a training, when it is written, and how the training stands there again.

The order of the batches is not among it: a stage's batches are a function of the seed, and those used are passed over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from augtune.core.errors import StorageError
from augtune.training.checkpoints import Checkpoint, CheckpointFolder
from augtune.training.parted import as_part, as_parts, put_together_all
from augtune.training.sharding import gathered

if TYPE_CHECKING:
    from augtune.training.loop import Loop
    from augtune.training.selection import Selection

__all__ = ["Saving", "capture", "flat_optimizer", "load_optimizer", "put_back"]

# By default a checkpoint is written after a tenth of the steps, but no sooner than this, and never so often that
# writing takes more than a share of the time: a training of half a minute is repeated as fast as it is looked up.
SECONDS_BETWEEN = 30.0
WRITING_SHARE = 0.05


class Saving:
    """Writes checkpoints when they are due.

    Args:
        folder: Where to.
        every: Steps between checkpoints; None: a tenth of the steps, and no sooner than it pays.
        steps: Steps of the whole training.
        clock: Seconds from any point in the past.
    """

    def __init__(
        self, folder: CheckpointFolder, every: int | None, steps: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder = folder
        self._every, self._steps, self._clock = every, steps, clock
        self.last = 0
        self._written_at = clock()
        self._took = 0.0

    def due(self, step: int) -> bool:
        """Return whether to write after this step; after the last there is nothing left to carry on with."""
        if step >= self._steps:
            return False
        if self._every is not None:
            return step % self._every == 0
        if step - self.last < max(1, self._steps // 10):
            return False
        return self._clock() - self._written_at >= max(SECONDS_BETWEEN, self._took / WRITING_SHARE)

    def write(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, due or not."""
        started = self._clock()
        self.folder.write(checkpoint)
        self.last, self._written_at = checkpoint.step, self._clock()
        self._took = self._written_at - started


def capture(loop: Loop, done: int, optimizer: Any, selection: Selection | None) -> Checkpoint:
    """Return where a training stands.

    Args:
        loop: The training.
        done: Steps taken of the stage it is in.
        optimizer: That of the stage.
        selection: Of the stage, if it selects.
    """
    whole, keep = gathered(optimizer, loop.team.rank), loop.team.rank == 0
    parts: dict[str, Mapping[str, Any]] = {
        "position": {"stage": loop.at, "done": done, "seconds": loop.seconds(), "micro": loop.micro.size},
        "told": {"history": loop.history, "notes": loop.notes},
        "weights": put_together_all(loop.classifier.state_dict(), keep=keep),
        "vocabulary": {"kept": 1.0 if loop.vocabulary is None else loop.vocabulary.kept},
        "seen": loop.seen.state_dict(),
        "streams": loop.team.gather(loop.streams.state_dict()),
        "optimizer": {} if whole is None else put_together_all(flat_optimizer(whole), keep=keep),
    }
    if selection is not None:
        parts["selection"] = put_together_all(selection.state_dict(), keep=keep)
    if loop.weigher is not None:
        parts["weigher"] = loop.weigher.state_dict()
    return Checkpoint(len(loop.history), parts)


def put_back(loop: Loop, checkpoint: Checkpoint) -> None:
    """Let a training stand where a checkpoint was written, but for what belongs to its stage.

    The stage puts back the optimizer, the random states and the selection once it has made them.
    """
    parts = checkpoint.parts
    loop.at, loop.micro.size = parts["position"]["stage"], parts["position"]["micro"]
    loop.seconds_before = parts["position"]["seconds"]
    loop.history[:] = parts["told"]["history"]
    loop.notes[:] = parts["told"]["notes"]
    loop.classifier.load_state_dict(as_parts(parts["weights"], loop.classifier.state_dict()))
    if loop.vocabulary is not None:
        loop.vocabulary.kept = parts["vocabulary"]["kept"]
    loop.seen.load_state_dict(parts["seen"])
    if loop.weigher is not None:
        loop.weigher.load_state_dict(parts["weigher"])
    if loop.saving is not None:
        loop.saving.last = checkpoint.step
    loop.resumed = checkpoint


def flat_optimizer(optimizer: Any) -> dict[str, Any]:
    """Return an optimizer's state as a flat mapping of tensors and plain values.

    Raises:
        StorageError: If it keeps something else, which a file without pickled objects cannot hold.
    """
    state = optimizer.state_dict()
    found: dict[str, Any] = {}
    for at, group in enumerate(state["param_groups"]):
        found |= {f"group.{at}.{name}": value for name, value in group.items() if name != "params"}
    for at, held in state["state"].items():
        found |= {f"state.{at}.{name}": value for name, value in held.items()}
    for name, value in found.items():
        if not isinstance(value, torch.Tensor | int | float | str | tuple | list | None):
            raise StorageError(
                f"the optimizer {type(optimizer).__name__} keeps a {type(value).__name__} ({name}), which no "
                "checkpoint can hold.",
                hint="Take another train.optimizer, or train without checkpoints.",
            )
    return found


def load_optimizer(optimizer: Any, flat: Mapping[str, Any]) -> None:
    """Put back the state that ``flat_optimizer`` returned into an optimizer over the same parameters."""
    groups, start, parameters = [], 0, []
    for group in optimizer.param_groups:
        end = start + len(group["params"])
        groups.append({**group, "params": list(range(start, end))})
        start = end
        parameters.extend(group["params"])
    held: dict[int, dict[str, Any]] = {}
    for key, value in flat.items():
        sort, at, name = key.split(".", 2)
        if sort == "state":
            is_tensor = isinstance(value, torch.Tensor)
            held.setdefault(int(at), {})[name] = as_part(value, parameters[int(at)]) if is_tensor else value
        else:
            group = groups[int(at)]
            group[name] = tuple(value) if isinstance(group.get(name), tuple) else value
    optimizer.load_state_dict({"state": held, "param_groups": groups})
