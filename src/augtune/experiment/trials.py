"""Trials: with which seed of the data and which of training each model is made (as HyperMix has them).

A trial is a draw of the human rows, what is generated from them, and a training. With ``data_seeds`` the draws take
turns: trial ``i`` has the ``i``-th seed of training and the ``i``-th of the data, from the front again where there are
fewer. With ``master_seed`` both are derived from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from augtune.core.errors import SettingsError
from augtune.core.seeds import derive

__all__ = ["Trial", "derived", "seeds_given", "trials_of"]

LARGEST = 2**31


@dataclass(frozen=True, slots=True)
class Trial:
    """One model of an arm.

    Args:
        seed: Of training; no two trials have the same, and files are named by it.
        data_seed: Of the draw of human rows and of what is generated from them.
    """

    seed: int
    data_seed: int


def derived(master: int, name: str, count: int) -> list[int]:
    """Return ``count`` different seeds in [0, 2**31) of the stream called ``name`` under a master seed.

    More trials keep the seeds of fewer.
    """
    found: dict[int, None] = {}
    number = 0
    while len(found) < count:
        found[derive(master, name, number) % LARGEST] = None
        number += 1
    return list(found)


def trials_of(seeds: Sequence[int], data_seeds: Sequence[int], data_seed: int) -> tuple[Trial, ...]:
    """Return the trials that seeds of training, of the data (none: one draw for all) and ``data.seed`` make."""
    return tuple(
        Trial(seed, data_seeds[number % len(data_seeds)] if data_seeds else data_seed)
        for number, seed in enumerate(seeds)
    )


def seeds_given(
    given: Iterable[str], seeds: list[int], data_seeds: list[int], master: int | None, trials: int | None
) -> tuple[list[int], list[int]]:
    """Return the seeds of training and of the data that the file's keys come to.

    Args:
        given: Keys that the file has.
        seeds: Seeds of training, or their default.
        data_seeds: Seeds of the data.
        master: The seed that both are derived from.
        trials: How many.

    Raises:
        SettingsError: If keys contradict each other.
    """
    own = set(given)
    if trials is not None and master is None:
        raise SettingsError("trials: says how many seeds to derive from master_seed; set that, or list seeds")
    if master is not None:
        beside = [key for key in ("seeds", "data_seeds") if key in own]
        if beside:
            raise SettingsError(f"master_seed: stands beside {' and '.join(beside)}; leave one of them out")
        count = len(seeds) if trials is None else trials
        return derived(master, "training", count), derived(master, "data", count)
    if data_seeds and "seeds" not in own:
        return list(range(len(data_seeds))), data_seeds
    if len(data_seeds) > len(seeds):
        told = f"{len(data_seeds)} seeds of the data and {len(seeds)} of training"
        raise SettingsError(f"data_seeds: {told}; each trial has one of both, so give as many seeds or more")
    return seeds, data_seeds
