import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from augtune.embedding import above, blocks_above, bounds, nearest, neighbours
from augtune.embedding.neighbours import blocks_before


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


def clustered(count, width, seed):
    random = np.random.default_rng(seed)
    spectrum = np.linspace(1, 0.1, width) ** 2
    rows = random.normal(size=(count, width)) * spectrum + 0.3 * spectrum
    rows[count // 2 :] = rows[: count - count // 2] + 0.15 * random.normal(size=(count - count // 2, width)) * spectrum
    return unit(rows)


@pytest.mark.parametrize("threshold", [0.2, 0.6, 0.9, 0.97])
def test_pairs_that_pass_the_bound_are_all_that_are_near(monkeypatch, threshold):
    a, b = clustered(300, 48, 0), clustered(260, 48, 1)
    whole, within = above(a, b, threshold), above(a, a, threshold)
    chosen = []
    monkeypatch.setattr(bounds, "LEAST_PAIRS", 1)
    for name, value in {"TILE_ROWS": 37, "TILE_COLUMNS": 50, "LOOKED_UP": 0.0}.items():
        monkeypatch.setattr(bounds, name, value)
    of = bounds.Bound.of
    monkeypatch.setattr(bounds.Bound, "of", lambda *given: chosen.append(of(*given)) or chosen[-1])
    assert list(above(a, b, threshold)) == list(whole)
    earlier = [pair for block in blocks_before(a, threshold) for pair in block]
    assert earlier == [(i, j, value) for i, j, value in within if j < i]
    assert earlier
    assert [one is not None for one in chosen] == [True, True]


def test_bound_is_not_used_where_most_pairs_pass(monkeypatch):
    monkeypatch.setattr(bounds, "LEAST_PAIRS", 1)
    monkeypatch.setattr(bounds, "SAMPLE", 100)
    a = clustered(500, 48, 2)
    assert bounds.Bound.of(a, a, -1.0) is None
    assert bounds.Bound.of(a, a, 0.95) is not None


@given(rows_of(12), st.floats(-1, 1, width=32))
def test_pairs_before_are_those_of_all_pairs(a, threshold):
    expected = [(i, j, value) for i, j, value in above(a, a, threshold) if j < i]
    assert [pair for block in blocks_before(a, threshold) for pair in block] == expected
