from __future__ import annotations

import numpy as np
import pytest

from augtune.model.batching import training_batches
from augtune.model.losses import CrossEntropy
from augtune.training.drawing import StageRows, batches_of, pool_size
from augtune.training.stages import Stage

ROWS = StageRows(
    lengths=np.arange(40) % 7 + 3,
    human=np.arange(40) >= 30,
    ease=np.random.default_rng(1).uniform(size=40),
)


def drawn(steps: int = 50, batch_size: int = 8, **fields) -> list[np.ndarray]:
    stage = Stage("s", "all", steps, 1e-3, CrossEntropy(), **fields)
    return list(batches_of(stage, ROWS, batch_size=batch_size, chance=np.random.default_rng(0)))


def test_drawing_at_random_is_that_of_the_batches():
    wanted = training_batches(ROWS.lengths, batch_size=8, steps=50, generator=np.random.default_rng(0))
    for found, batch in zip(drawn(), wanted, strict=True):
        assert np.array_equal(found, batch)


@pytest.mark.parametrize("order", ["random", "easiest_first"])
@pytest.mark.parametrize("human_share", [None, (0.0, 1.0), (0.3, 0.3)])
@pytest.mark.parametrize(("steps", "batch_size"), [(1, 8), (3, 64), (50, 8)])
def test_every_step_has_a_whole_batch(order, human_share, steps, batch_size):
    batches = drawn(steps, batch_size, order=order, human_share=human_share)
    assert [len(batch) for batch in batches] == [batch_size] * steps
    assert all(0 <= batch.min() and batch.max() < 40 for batch in batches)


def test_easiest_rows_come_first_and_all_come_in():
    order = np.argsort(-ROWS.ease)
    batches = drawn(order="easiest_first")
    for step, batch in enumerate(batches):
        assert set(batch) <= set(order[: pool_size(40, step // 5)])
    assert {int(row) for batch in batches for row in batch} == set(range(40))


def test_pool_grows_with_the_root_of_the_progress():
    assert [pool_size(100, window) for window in (0, 3, 8, 9)] == [32, 64, 95, 100]
    assert pool_size(1, 0) == 1


def test_human_share_is_kept_over_the_steps():
    batches = drawn(human_share=(0.3, 0.3))
    counts = [int(ROWS.human[batch].sum()) for batch in batches]
    assert set(counts) == {2, 3}
    assert sum(counts) == 120


def test_human_share_rises_from_one_to_the_other():
    counts = [int(ROWS.human[batch].sum()) for batch in drawn(steps=41, human_share=(0.0, 1.0))]
    assert (counts[0], counts[-1]) == (0, 8)
    assert sum(counts) == 41 * 4
    assert max(np.abs(np.array(counts) - 8 * np.arange(41) / 40)) <= 1


def test_mixed_batches_pass_over_every_row_before_any_comes_again():
    batches = drawn(steps=10, batch_size=8, human_share=(0.25, 0.25))
    human = [int(row) for batch in batches for row in batch if ROWS.human[row]]
    synthetic = [int(row) for batch in batches for row in batch if not ROWS.human[row]]
    assert sorted(human) == sorted(2 * list(range(30, 40)))
    assert sorted(human[:10]) == list(range(30, 40))
    assert sorted(synthetic) == sorted(2 * list(range(30)))
    assert sorted(synthetic[:30]) == list(range(30))


def test_mixed_batches_begin_with_the_easiest_synthetic_rows():
    order = np.argsort(-ROWS.ease[:30])
    for step, batch in enumerate(drawn(human_share=(0.5, 0.5), order="easiest_first")):
        assert set(batch[batch < 30]) <= set(order[: pool_size(30, step // 5)])
