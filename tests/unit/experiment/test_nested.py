"""Nested samples of synthetic rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augtune.core.dataset import Dataset, Example
from augtune.core.errors import SettingsError
from augtune.core.labels import Labels
from augtune.experiment.nested import Size, nested, read_size

LABELS = Labels(("a", "b", "c"))


def rows(counts):
    made = [
        Example(f"{label}{i}", f"text {label} {i}", label, origin="generated")
        for label, n in counts.items()
        for i in range(n)
    ]
    return Dataset.from_examples(made, LABELS, name="synthetic")


ROWS = rows({"a": 50, "b": 30, "c": 20})


@given(small=st.integers(1, 100), more=st.integers(0, 50), seed=st.integers(0, 5))
def test_a_small_sample_lies_in_a_large_one_with_labels_in_their_shares(small, more, seed):
    few, many = (nested(ROWS, Size(n), seed=seed) for n in (small, small + more))
    assert len(few) == small
    assert set(few) <= set(many)
    shares = np.array(list(ROWS.take(few).counts().values()))
    assert np.abs(shares - small * np.array([0.5, 0.3, 0.2])).max() <= 1.5


def test_so_many_of_each_label_where_there_are_so_many():
    found = ROWS.take(nested(ROWS, Size(25, is_per_class=True), seed=0))
    assert found.counts() == {"a": 25, "b": 25, "c": 20}
    less = ROWS.take(nested(ROWS, Size(10, is_per_class=True), seed=0))
    assert set(less.ids) < set(found.ids)


def test_the_seed_names_the_draw():
    assert not np.array_equal(nested(ROWS, Size(9), seed=0), nested(ROWS, Size(9), seed=1))
    assert np.array_equal(nested(ROWS, Size(9), seed=0), nested(ROWS, Size(9), seed=0))


@pytest.mark.parametrize("value", [0, -1, True, 2.5, "x", "0/class", None])
def test_what_is_no_size_is_refused(value):
    with pytest.raises(SettingsError, match=r"^size: expected a number of synthetic rows such as 50 or 10/class, got "):
        read_size(value, where="size")


def test_sizes_are_written_as_they_were():
    assert [str(read_size(value, where="")) for value in (50, "10/class", "10s")] == ["50", "10/class", "10/class"]
