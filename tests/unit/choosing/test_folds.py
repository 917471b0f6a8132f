"""Folds: no row that is trained on says what a row says that judges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augtune.choosing.folds import FoldSettings, folds_of, ties_of
from augtune.core.dataset import Dataset, Example, HumanDataset
from augtune.core.errors import DataError
from augtune.core.labels import Labels

LABELS = Labels(("a", "b", "c"))


def human(labels: str) -> HumanDataset:
    rows = [Example(f"h{i}", f"text number {i}", label) for i, label in enumerate(labels)]
    return HumanDataset.from_examples(rows, LABELS, name="human")


def made(parents: list[tuple[str, ...]]) -> Dataset:
    rows = [
        Example(f"s{i}", f"made text {i}", "abc"[i % 3], origin="generated", parents=known)
        for i, known in enumerate(parents)
    ]
    return Dataset.from_examples(rows, LABELS, name="made")


def units(count: int, seed: int = 0, width: int = 24) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, width))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(
    labels=st.text("abc", min_size=6, max_size=30).filter(lambda text: len(set(text)) > 1),
    parents=st.lists(st.lists(st.integers(0, 40), max_size=3), max_size=25),
    folds=st.integers(2, 6),
    seed=st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_no_allowed_row_has_a_parent_or_its_nearest_row_held_out(labels, parents, folds, seed):
    rows = human(labels)
    synthetic = made([tuple(f"h{i}" for i in one) for one in parents])
    vectors = units(len(rows), seed), units(len(synthetic), seed + 100)
    try:
        found = folds_of(
            rows, synthetic, ties_of(rows, synthetic, vectors), FoldSettings(folds=folds, repeats=2), seed=seed
        )
    except DataError:
        return
    similar = vectors[1] @ vectors[0].T
    known = {f"h{i}" for i in range(len(rows))}
    for fold in found:
        held_out = {rows.ids[i] for i in fold.held_out}
        assert held_out
        assert not held_out & {rows.ids[i] for i in fold.train}
        for m in fold.synthetic:
            own = synthetic[int(m)].parents
            assert not held_out & set(own)
            if not own or not set(own) <= known:
                assert rows.ids[int(similar[m].argmax())] not in held_out
        assert sorted([*fold.synthetic, *(tie.synthetic for tie in fold.left_out)]) == list(range(len(synthetic)))
        trained = {rows.label_names[i] for i in fold.train}
        assert trained == set(labels)
    for repeat in range(2):
        judged = [i for fold in found if fold.repeat == repeat for i in fold.held_out]
        assert len(judged) == len(set(judged))


def test_a_class_with_one_row_is_always_trained_on():
    found = folds_of(human("aaaabbbbc"), None, None, FoldSettings(folds=4), seed=0)
    assert all(8 in fold.train for fold in found)
    assert len(found) == 8
    assert all(len(fold.held_out) == 2 for fold in found)


def test_classes_are_spread_evenly():
    for fold in folds_of(human("a" * 20 + "b" * 10), None, None, FoldSettings(folds=5), seed=1):
        assert (len(fold.held_out[fold.held_out < 20]), len(fold.held_out[fold.held_out >= 20])) == (4, 2)


def test_rows_of_one_text_are_held_out_together():
    rows = [Example(f"h{i}", f"text {i // 2}" + "!" * (i % 2), "ab"[(i // 2) % 2]) for i in range(16)]
    for fold in folds_of(HumanDataset.from_examples(rows, LABELS), None, None, FoldSettings(folds=4), seed=0):
        assert all((i ^ 1) in fold.held_out for i in fold.held_out)


def test_reasons_are_on_record():
    rows = human("aaabbb")
    labels = ["h0"], ["elsewhere"], [], ["h1"]
    synthetic = made([tuple(one) for one in labels])
    copied = Example("s4", "Text number 5!", "b", origin="generated", parents=("h0",))
    synthetic = synthetic + Dataset.from_examples([copied], LABELS)
    vectors = np.eye(6)[:, :6], np.eye(6)[[0, 2, 3, 4, 1]]
    found = folds_of(rows, synthetic, ties_of(rows, synthetic, vectors), FoldSettings(folds=3, repeats=1), seed=0)
    said = {(one.example.id, one.because) for fold in found for one in fold.dropped(rows, synthetic)}
    assert said == {
        ("s0", "was made from 'h0', which judges here"),
        (
            "s1",
            "its sources are unknown, and of all human rows it is nearest to 'h2' (cosine 1.000), which judges here",
        ),
        (
            "s2",
            "its sources are unknown, and of all human rows it is nearest to 'h3' (cosine 1.000), which judges here",
        ),
        ("s3", "was made from 'h1', which judges here"),
        ("s3", "nearly repeats 'h4' (cosine 1.000), which judges here"),
        ("s4", "was made from 'h0', which judges here"),
        ("s4", "repeats 'h5', which judges here"),
        ("s4", "nearly repeats 'h1' (cosine 1.000), which judges here"),
    }
    assert all(one.by == "folds" for fold in found for one in fold.dropped(rows, synthetic))


def test_the_same_seed_parts_the_same_way_and_another_does_not():
    def parts(seed: int) -> list[list[int]]:
        return [fold.held_out.tolist() for fold in folds_of(human("ab" * 10), None, None, FoldSettings(), seed=seed)]

    assert parts(3) == parts(3)
    assert parts(3) != parts(4)


def test_too_few_rows_are_refused():
    with pytest.raises(DataError) as found:
        folds_of(human("abc"), None, None, FoldSettings(), seed=0)
    assert str(found.value).startswith("human: 3 human rows are too few to train on some and judge by others.")
