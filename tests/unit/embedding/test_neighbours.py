import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from augtune.embedding import above, blocks_above, nearest, neighbours


def unit(rows):
    rows = np.asarray(rows, dtype=np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def rows_of(most):
    shape = st.tuples(st.integers(0, most), st.just(3))
    return arrays(np.float32, shape, elements=st.integers(-3, 3).map(float)).map(unit)


@given(rows_of(12), rows_of(12), st.floats(-1, 1, width=32))
def test_above_is_every_pair_at_or_over_the_threshold(a, b, threshold):
    similarity = (a.astype(float) @ b.astype(float).T).astype(np.float32)
    expected = [
        (i, j, float(similarity[i, j]))
        for i in range(len(a))
        for j in range(len(b))
        if similarity[i, j] >= np.float32(threshold)
    ]
    assert list(above(a, b, threshold)) == expected


@given(rows_of(12), rows_of(12), st.integers(1, 5))
def test_nearest_is_the_start_of_the_whole_order(a, b, k):
    similarity = (a.astype(float) @ b.astype(float).T).astype(np.float32)
    found = nearest(a, b, k)
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(found.indices, order)
    np.testing.assert_array_equal(found.similarity, np.take_along_axis(similarity, order, axis=1))


def test_ties_are_told_in_order_of_their_place():
    b = unit([[0, 1], [1, 0], [1, 0], [0, 1], [1, 0]])
    assert nearest(unit([[1, 0], [0, 2]]), b, 4).indices.tolist() == [[1, 2, 4, 0], [0, 3, 1, 2]]


def test_blocks_do_not_change_the_answer(monkeypatch):
    random = np.random.default_rng(0)
    a, b = unit(random.normal(size=(37, 8))), unit(random.normal(size=(23, 8)))
    whole, best = above(a, b, 0.3), nearest(a, b, 4)
    monkeypatch.setattr(neighbours, "BLOCK", 50)
    assert len(list(blocks_above(a, b, 0.3))) == 19
    assert list(above(a, b, 0.3)) == list(whole)
    np.testing.assert_array_equal(nearest(a, b, 4).indices, best.indices)


@pytest.mark.parametrize(("n", "m"), [(0, 3), (3, 0), (0, 0)])
def test_no_rows_have_no_neighbours(n, m):
    a, b = np.zeros((n, 2), np.float32), np.zeros((m, 2), np.float32)
    assert len(above(a, b, 0.5)) == 0
    assert nearest(a, b, 2).indices.shape == (n, min(2, m))
