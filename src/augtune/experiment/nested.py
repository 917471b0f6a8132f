"""So many of the synthetic rows: nested samples, so that the 50 rows one arm trains on are among the 100 of another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from augtune.core.dataset import Dataset
from augtune.core.errors import SettingsError
from augtune.core.seeds import generator

__all__ = ["Size", "nested", "read_size"]

PER_CLASS = re.compile(r"\s*(\d+)\s*(?:/\s*(?:class|label)|s)\s*")


@dataclass(frozen=True, slots=True)
class Size:
    """How many synthetic rows.

    Args:
        number: Rows, 1 or more.
        is_per_class: Whether of each label; else in all.
    """

    number: int
    is_per_class: bool = False

    @property
    def written(self) -> int | str:
        """As the experiment file has it."""
        return f"{self.number}/class" if self.is_per_class else self.number

    def __str__(self) -> str:
        return str(self.written)


def read_size(value: Any, *, where: str) -> Size:
    """Return the size that ``50`` or ``10/class`` stands for.

    Raises:
        SettingsError: If it is neither, or no row.
    """
    match = PER_CLASS.fullmatch(value) if isinstance(value, str) else None
    if match is not None and int(match[1]):
        return Size(int(match[1]), is_per_class=True)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        hint = "; an arm without synthetic rows is {generate: null, curate: null}" if value in (0, None) else ""
        raise SettingsError(f"{where}: expected a number of synthetic rows such as 50 or 10/class, got {value!r}{hint}")
    return Size(value)


def nested(rows: Dataset, size: Size, *, seed: int) -> np.ndarray:
    """Return the positions of a sample of rows, in order; that of a smaller size lies in that of a larger one.

    Every label has a random order of its rows, fixed by the seed and the label's name. A number in all is taken from
    the front of these orders woven together, so that every sample has the labels in the shares they have in all rows;
    rows that may have several labels have one random order.

    Args:
        rows: The rows, the same for every size.
        size: How many; where there are fewer, all.
        seed: Names the draw.

    Raises:
        SettingsError: If rows may have several labels and a number of each is asked for.
    """
    if rows.labels.has_many:
        if size.is_per_class:
            raise SettingsError(f"size {size}: rows may have several labels here; give a number of rows in all.")
        return np.sort(generator(seed, "size", "rows").permutation(len(rows))[: size.number])
    orders = [
        generator(seed, "size", "label", name).permutation(np.flatnonzero(rows.label_indices == k))
        for k, name in enumerate(rows.labels)
    ]
    if size.is_per_class:
        return np.sort(np.concatenate([order[: size.number] for order in orders]))
    places = np.concatenate([(np.arange(len(order)) + 0.5) / max(len(order), 1) for order in orders])
    woven = np.concatenate(orders)[np.argsort(places, kind="stable")]
    return np.sort(woven[: size.number])
