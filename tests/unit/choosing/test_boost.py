"""Rows written of each label follow how badly it is found on held-out human rows."""

from __future__ import annotations

import numpy as np

from augtune.choosing.boost import boosted, is_unbalanced, shared_out
from augtune.core.dataset import Example, HumanDataset
from augtune.core.decision import ClassNeed
from augtune.core.labels import Labels

LABELS = Labels(("many", "some", "few", "none"))


def rows(*counts: int) -> HumanDataset:
    names = [name for name, count in zip(LABELS, counts, strict=False) for _ in range(count)]
    return HumanDataset.from_examples([Example(f"h{i}", f"text {i}", name) for i, name in enumerate(names)], LABELS)


def test_what_is_missed_and_what_is_unknown_get_rows():
    needs = [ClassNeed("a", 50, 0, 0.9, (0.8, 0.96)), ClassNeed("b", 50, 0, 0.5, (0.36, 0.64))]
    found = shared_out([*needs, ClassNeed("c", 2, 0, 0.5, (0.1, 0.9))], 100)
    assert found["a"] < found["b"] < found["c"]
    assert sum(found.values()) == 100
    assert shared_out(needs, 2) == {"a": 1, "b": 1}


def test_the_class_that_is_hardest_to_find_gets_most_and_one_without_rows_none():
    human = rows(40, 40, 4)
    chance = np.random.default_rng(0)
    vectors = np.eye(3)[human.label_indices] @ chance.normal(size=(3, 8))
    vectors[80:] = chance.normal(size=(4, 8))  # nothing tells the few
    vectors += 0.1 * chance.normal(size=vectors.shape)
    found = boosted(human, vectors, 60, seed=0)
    assert boosted(human, vectors, 60, seed=0) == found
    assert list(found) == ["many", "some", "few"]
    assert sum(found.values()) == 60
    assert found["few"] > 2 * max(found["many"], found["some"])


def test_balanced_rows_are_left_alone():
    assert is_unbalanced(rows(30, 10, 10))
    assert not is_unbalanced(rows(20, 10, 10))
    assert not is_unbalanced(rows(20))
