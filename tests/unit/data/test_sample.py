"""Drawing samples: deterministic, nested, in order."""

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augtune.core.dataset import Example, HumanDataset
from augtune.core.errors import DataError, SettingsError
from augtune.core.labels import Labels
from augtune.data import load, sample
from augtune.data.grammar import parse


def dataset(*sizes, name="x/train"):
    names = [f"class {k}" for k in range(len(sizes))]
    order = [name for i in range(max(sizes)) for k, name in enumerate(names) if i < sizes[k]]
    rows = [Example(f"train-{i:04d}", f"text {i}", label) for i, label in enumerate(order)]
    return HumanDataset.from_examples(rows, Labels(tuple(names)), name=name)


MANY = dataset(60, 90, 50)


def test_rows_stay_as_they_are_and_in_order():
    drawn = sample(MANY, "20/class", seed=3)
    assert isinstance(drawn, HumanDataset)
    assert drawn.counts() == {"class 0": 20, "class 1": 20, "class 2": 20}
    assert list(drawn.ids) == sorted(drawn.ids)
    assert drawn.name == "x/train"
    assert set(drawn) <= set(MANY)
    assert len(MANY) == 200


def test_all_is_the_dataset_itself():
    assert sample(MANY, "all of train") is MANY


def test_positions_are_taken_as_given():
    assert sample(MANY, "[5, 0]").ids == ("train-0000", "train-0005")


def test_seeds_give_different_samples_and_zero_is_a_seed():
    drawn = [sample(MANY, 50, seed=seed).ids for seed in (0, 0, 1, 2)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3
    assert sample(MANY, 50).ids == drawn[0]


def test_a_class_is_drawn_the_same_whatever_the_others_hold():
    few, many = dataset(30, 30), dataset(30, 30, 0)
    assert sample(few, "5/class").ids == sample(many, "{class 0: 5, class 1: 5, class 2: 0}").ids


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.data())
def test_smaller_samples_lie_in_larger_ones(seed, data):
    forms = {
        "{}": 200,
        "{}/class": 50,
        "{}%": 100,
        "{}, imbalance 0.5 minority=class 2": 195,
        "{}, longtail 3": 120,
    }
    form = data.draw(st.sampled_from(sorted(forms)))
    more = data.draw(st.integers(10, forms[form]))
    less = data.draw(st.integers(10, more))
    larger = sample(MANY, form.format(more), seed=seed)
    assert set(sample(MANY, form.format(less), seed=seed).ids) <= set(larger.ids)


def test_the_sample_does_not_depend_on_the_processs_hash_seed():
    code = (
        "from augtune.core.dataset import Example, HumanDataset\n"
        "from augtune.core.labels import Labels\n"
        "from augtune.data import sample\n"
        "rows = [Example(f'r{i}', 't', 'ab'[i % 2]) for i in range(40)]\n"
        "data = HumanDataset.from_examples(rows, Labels(('a', 'b')))\n"
        "print(sample(data, '5/class', seed=7).ids, sample(data, 9, seed=7).ids)\n"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


def test_a_known_draw_stays_what_it_is():
    """Changing how rows are drawn would silently change every published result; this says so aloud."""
    assert sample(dataset(30, 30), "2/class", seed=0).ids == ("train-0005", "train-0016", "train-0021", "train-0044")
    assert sample(dataset(30, 30), 3, seed=0).ids == ("train-0003", "train-0033", "train-0053")


@pytest.mark.parametrize(
    ("data", "wanted", "error", "message"),
    [
        (MANY, 201, DataError, "x/train: '201' asks for 201 rows, and there are 200."),
        (MANY, "[200]", DataError, "x/train: there is no row 200; the 200 rows count from 0."),
        (MANY, "all of test", SettingsError, "sample size 'all of test': asks for the split 'test', got 'x/train'."),
        (
            MANY[:0], "all", DataError,
            "x/train: has no rows to sample from.\n"
            "  If the source has no train split, name the one to draw from: '10/class of validation'.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(data, wanted, error, message):
    with pytest.raises(error) as caught:
        sample(data, wanted)
    assert str(caught.value) == message


@pytest.mark.data
def test_two_stage_counts_on_the_data_pack(data_pack):
    train = load(data_pack / "sst2").train
    expected = {
        "0.1": (360, 3968), "0.2": (721, 4329), "0.3": (1082, 4690), "0.4": (1443, 5051), "0.5": (1804, 5412),
        "0.6": (2164, 5772), "0.7": (2525, 6133), "0.8": (2886, 6494), "0.9": (3247, 6855),
    }  # fmt: skip
    for ratio, (negatives, rows) in expected.items():
        drawn = sample(train, f"all of train, imbalance {ratio} minority=negative", seed=42)
        assert (drawn.counts()["negative"], len(drawn)) == (negatives, rows)
    with pytest.raises(DataError) as caught:
        sample(train, "all, imbalance 1.0 minority=negative")
    assert str(caught.value) == (
        "sst2/train: 'all, imbalance 1.0 minority=negative' asks for 3608 rows of 'negative' "
        "(1 × 3608 of the majority), and there are 3309.\n  The largest imbalance possible here is 0.917."
    )


@pytest.mark.data
def test_gpt3mix_counts_on_the_data_pack(data_pack):
    train = load(data_pack / "sst2").train
    for ratio, each in {"0.001": 3, "0.003": 10, "0.01": 35, "0.05": 173, "0.1": 346}.items():
        assert sample(train, parse(f"{ratio}f")).counts() == {"negative": each, "positive": each}
