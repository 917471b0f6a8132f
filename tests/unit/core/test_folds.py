"""Rows in parts of like composition."""

import numpy as np
import pytest

from augtune.core.folds import spread, spread_sets


def several(rows: int, seed: int) -> np.ndarray:
    """Return which of six labels rows have: some common, some rare, some together."""
    chance = np.random.default_rng(seed)
    marks = chance.random((rows, 6)) < [0.5, 0.3, 0.15, 0.08, 0.08, 0.05]
    marks[:, 5] |= marks[:, 4]
    return marks


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("folds", [2, 3, 5])
def test_every_label_is_spread_evenly_where_rows_have_several(folds, seed):
    marks = several(120, seed)
    found = spread_sets(marks, folds, np.random.default_rng(seed))
    sizes = np.bincount(found, minlength=folds)
    assert sizes.max() - sizes.min() <= 2
    counts = np.stack([marks[found == fold].sum(axis=0) for fold in range(folds)])
    even = marks.sum(axis=0) / folds
    assert np.abs(counts - even).max() <= 3
    # the two rarest labels, which are dealt out first, to the row
    first = np.argsort(marks.sum(axis=0), kind="stable")[0]
    assert np.abs(counts - even)[:, first].max() < 1


def test_labels_are_spread_better_than_by_chance():
    marks, off = several(100, 9), {"by labels": 0.0, "by chance": 0.0}
    for seed in range(20):
        chance = np.random.default_rng(seed)
        for how, found in (
            ("by labels", spread_sets(marks, 5, chance)),
            ("by chance", spread(np.zeros(100, dtype=int), 5, chance)),
        ):
            counts = np.stack([marks[found == fold].sum(axis=0) for fold in range(5)])
            off[how] += float(((counts - marks.sum(axis=0) / 5) ** 2).sum())
    assert off["by labels"] < off["by chance"] / 5


def test_rows_without_labels_fill_up_the_folds():
    marks = np.zeros((9, 2), dtype=bool)
    marks[:2, 0] = True
    found = spread_sets(marks, 3, np.random.default_rng(0))
    assert np.bincount(found).tolist() == [3, 3, 3]
    assert found[0] != found[1]


def test_fewer_rows_than_folds_make_fewer_folds():
    assert sorted(spread_sets(np.eye(2, dtype=bool), 5, np.random.default_rng(0)).tolist()) == [0, 1]


def test_the_same_chance_makes_the_same_folds():
    marks = several(50, 1)
    first, again, other = (spread_sets(marks, 4, np.random.default_rng(seed)).tolist() for seed in (0, 0, 1))
    assert first == again != other
