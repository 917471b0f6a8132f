"""Draw a sample of human rows: the same for the same seed anywhere, and nested, so small samples lie in larger ones."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from augtune.core.dataset import HumanDataset
from augtune.core.errors import DataError, SettingsError
from augtune.core.seeds import generator
from augtune.data.class_sizes import class_sizes
from augtune.data.grammar import Wanted, parse

__all__ = ["sample"]


def sample(dataset: HumanDataset, wanted: str | int | Wanted, *, seed: int = 0) -> HumanDataset:
    """Return a sample of the dataset's rows, in the dataset's order.

    Every class has its own random order of rows, fixed by the seed and the class's name, and a sample takes from its
    front; a plain total takes from the front of one random order of all rows. So with one seed the 50 rows drawn are
    among the 100, and a second class's size does not change which rows of the first are drawn.

    Args:
        dataset: The rows to draw from.
        wanted: How many, in the grammar of ``augtune.data.grammar``: ``"10/class"``, ``"1%"``, ``2000``, …
        seed: Names the draw; 0 is a seed like any other.

    Raises:
        SettingsError: If ``wanted`` is not of the grammar, names a label that does not exist, or another split.
        DataError: If there are fewer rows than asked for; the message has the class and its count.
    """
    wanted = wanted if isinstance(wanted, Wanted) else parse(wanted)
    _, slash, split = dataset.name.rpartition("/")
    if wanted.split is not None and slash and split != wanted.split:
        raise SettingsError(f"sample size {str(wanted)!r}: asks for the split {wanted.split!r}, got {dataset.name!r}.")
    if not len(dataset):
        raise DataError(
            f"{dataset.name}: has no rows to sample from.",
            hint="If the source has no train split, name the one to draw from: '10/class of validation'.",
        )
    if wanted.amount == "all" and wanted.imbalance is None and wanted.longtail is None:
        return dataset
    return dataset.take(_positions(dataset, wanted, seed))


def _positions(dataset: HumanDataset, wanted: Wanted, seed: int) -> np.ndarray:
    if wanted.amount == "rows":
        beyond = next((row for row in wanted.rows if row >= len(dataset)), None)
        if beyond is not None:
            raise DataError(f"{dataset.name}: there is no row {beyond}; the {len(dataset)} rows count from 0.")
        return np.sort(np.array(wanted.rows, dtype=np.int64))
    if dataset.labels.has_many:
        return _of_several(dataset, wanted, seed)
    sizes = class_sizes(wanted, dataset.counts(), where=dataset.name)
    if sizes is None:
        total = int(wanted.value or 0)
        if total > len(dataset):
            raise DataError(f"{dataset.name}: {str(wanted)!r} asks for {total} rows, and there are {len(dataset)}.")
        return np.sort(generator(seed, "sample", "rows").permutation(len(dataset))[:total])
    drawn = []
    for k, name in enumerate(dataset.labels):
        rows = np.flatnonzero(dataset.label_indices == k)
        drawn.append(generator(seed, "sample", "label", name).permutation(rows)[: sizes[name]])
    return np.sort(np.concatenate(drawn))


def _of_several(dataset: HumanDataset, wanted: Wanted, seed: int) -> np.ndarray:
    """Return rows that may have several labels: so many at random, or so many or more of each label.

    A row drawn for one label counts for all it has, so a label may come out with more rows than asked for.
    """
    if wanted.amount in ("total", "percent") and not (wanted.imbalance or wanted.longtail):
        share = Fraction(wanted.value or 0)
        total = int(share) if wanted.amount == "total" else max(1, round(len(dataset) * share))
        if total > len(dataset):
            raise DataError(f"{dataset.name}: {str(wanted)!r} asks for {total} rows, and there are {len(dataset)}.")
        return np.sort(generator(seed, "sample", "rows").permutation(len(dataset))[:total])
    if wanted.amount != "per_class" or wanted.imbalance or wanted.longtail:
        raise SettingsError(
            f"sample size {str(wanted)!r}: needs rows of one label each; these may have several (task multi_label).",
            hint="Of such rows take all, 2000, 10%, or 10/class: so many or more of each label.",
        )
    sizes = class_sizes(wanted, dataset.counts(), where=dataset.name) or {}
    drawn = [
        generator(seed, "sample", "label", name).permutation(np.flatnonzero(dataset.marks[:, k]))[: sizes[name]]
        for k, name in enumerate(dataset.labels)
    ]
    return np.unique(np.concatenate(drawn))
