"""Which rows each step of a stage takes: at random, the easiest first, or human and synthetic ones by a share.

Shapes: ``S`` rows of a stage, ``B`` rows of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from augtune.model.batching import training_batches
from augtune.training.stages import Stage

__all__ = ["StageRows", "batches_of", "pool_size"]

# The easiest rows are joined by harder ones so many times in a stage.
WINDOWS = 10


@dataclass(frozen=True, slots=True)
class StageRows:
    """What drawing has to know of a stage's rows.

    Args:
        lengths: ``(S,)`` tokens of each.
        human: ``(S,)`` True for those a human wrote.
        ease: ``(S,)`` how easy each is, the easiest highest; None where the stage does not ask.
    """

    lengths: np.ndarray
    human: np.ndarray
    ease: np.ndarray | None = None


def pool_size(rows: int, window: int) -> int:
    """Return how many rows, easiest first, are in use in a tenth of a stage, ``window`` from 0 to 9.

    They grow with the square root of the progress, from a third to all (after Platanios et al., NAACL 2019).
    """
    return max(1, math.ceil(math.sqrt((window + 1) / WINDOWS) * rows))


def batches_of(stage: Stage, rows: StageRows, *, batch_size: int, chance: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the places of each step's rows among the stage's rows, ``(B,)`` for each of its steps.

    Args:
        stage: The stage.
        rows: What there is to draw from.
        batch_size: ``B``.
        chance: Where chance comes from.
    """
    if stage.human_share is not None:
        return _mixed(stage, rows, batch_size, chance)
    if stage.order == "easiest_first":
        return _easiest_first(stage, rows, batch_size, chance)
    return training_batches(rows.lengths, batch_size=batch_size, steps=stage.steps, generator=chance)


def _easiest_first(stage: Stage, rows: StageRows, batch_size: int, chance: np.random.Generator) -> Iterator[np.ndarray]:
    order = _by_ease(np.arange(len(rows.lengths)), rows)
    borders = [-(-stage.steps * window // WINDOWS) for window in range(WINDOWS + 1)]
    for window, (start, end) in enumerate(pairwise(borders)):
        if start == end:
            continue
        pool = order[: pool_size(len(order), window)]
        lengths = rows.lengths[pool]
        for places in training_batches(lengths, batch_size=batch_size, steps=end - start, generator=chance):
            yield pool[places]


class _Queue:
    """Rows of one origin, in passes of random order over as many of them as are in use."""

    def __init__(self, places: np.ndarray, chance: np.random.Generator, *, grows: bool) -> None:
        self._places, self._chance, self._grows = places, chance, grows
        self._size = 0
        self._left = places[:0]

    def take(self, count: int, window: int) -> np.ndarray:
        size = pool_size(len(self._places), window) if self._grows else len(self._places)
        if size != self._size:
            self._size, self._left = size, self._places[:0]
        while len(self._left) < count:
            self._left = np.concatenate([self._left, self._chance.permutation(self._places[:size])])
        found, self._left = self._left[:count], self._left[count:]
        return found


def _mixed(stage: Stage, rows: StageRows, batch_size: int, chance: np.random.Generator) -> Iterator[np.ndarray]:
    first, last = stage.human_share or (0.0, 0.0)
    easy = stage.order == "easiest_first"
    human = _Queue(np.flatnonzero(rows.human), chance, grows=False)
    others = np.flatnonzero(~rows.human)
    synthetic = _Queue(_by_ease(others, rows) if easy else others, chance, grows=easy)
    owed = 0.5
    for step in range(stage.steps):
        progress = step / max(1, stage.steps - 1)
        owed += (first + (last - first) * progress) * batch_size
        count = min(batch_size, int(owed))
        owed -= count
        window = step * WINDOWS // stage.steps
        yield np.concatenate([human.take(count, window), synthetic.take(batch_size - count, window)])


def _by_ease(places: np.ndarray, rows: StageRows) -> np.ndarray:
    if rows.ease is None:
        raise ValueError("order easiest_first needs the ease of the rows")
    found: np.ndarray = places[np.argsort(-rows.ease[places], kind="stable")]
    return found
