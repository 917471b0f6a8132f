"""Labels, Example, Dataset, HumanDataset, Splits."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augtune.core.dataset import Dataset, Example, HumanDataset, Splits
from augtune.core.errors import DataError
from augtune.core.labels import Labels

LABELS = Labels(("negative", "positive"))
HUMAN = HumanDataset.from_examples(
    [Example("train-0000", "a joyless film", "negative"), Example("train-0001", "great fun", "positive")],
    LABELS,
    name="sst2/train",
)
MADE = Dataset.from_examples(
    [
        Example(
            "gpt3mix-0017",
            "a joyless, endless film",
            "negative",
            probabilities=(0.81, 0.19),
            origin="generated",
            parents=("train-0000",),
            soft_source="logprobs",
            call_key="ab12",
            generator="gpt3mix@1",
        )
    ],
    LABELS,
    name="gpt3mix",
)


def test_labels_found_are_in_natural_order():
    assert Labels.found_in(["10", "9", "-1"]).names == ("-1", "9", "10")
    assert Labels.found_in([2, 0, 1]).names == ("0", "1", "2")
    assert Labels.found_in(["b", "a", "B"]).names == ("B", "a", "b")
    assert Labels.found_in(["10", "nine"]).names == ("10", "nine")


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1), min_size=1))
def test_labels_found_do_not_depend_on_row_order(values):
    assert Labels.found_in(values) == Labels.found_in(values[::-1])


def test_labels_refuse_repeats_and_unknown_names():
    with pytest.raises(DataError, match=r"^labels: 'a' named more than once\.$"):
        Labels(("a", "b", "a"))
    with pytest.raises(DataError, match=r"^label 'x' is not one of 'negative', 'positive'\.$"):
        LABELS.index("x")


def test_dataset_prints_name_size_counts_and_fingerprint():
    assert repr(HUMAN) == f"sst2/train · 2 examples · 1/1 · {HUMAN.fingerprint[:8]}"
    assert repr(MADE[0]) == "gpt3mix-0017 'a joyless, endless film' → negative 0.81"


def test_dataset_targets_are_soft_and_one_hot_for_hard_labels():
    targets = (HUMAN + MADE).targets()
    np.testing.assert_array_equal(targets, [[1, 0], [0, 1], [0.81, 0.19]])


def test_dataset_rows_survive_json():
    assert Example.from_json(MADE[0].to_json(LABELS), LABELS) == MADE[0]
    again = Dataset.from_examples((Example.from_json(row.to_json(LABELS), LABELS) for row in HUMAN + MADE), LABELS)
    assert again.fingerprint == (HUMAN + MADE).fingerprint


def test_dataset_selects_rows_and_groups_by_label():
    both = HUMAN + MADE
    assert both[[2, 0]].ids == ("gpt3mix-0017", "train-0000")
    assert both[-1].id == "gpt3mix-0017"
    assert len(both[5:]) == 0
    assert {name: len(rows) for name, rows in both.by_label().items()} == {"negative": 2, "positive": 1}
    with pytest.raises(IndexError):
        both[3]


def test_fingerprint_depends_on_content_and_not_on_the_name():
    assert HUMAN.renamed("other").fingerprint == HUMAN.fingerprint
    assert HUMAN[::-1].fingerprint != HUMAN.fingerprint
    changed = HumanDataset.from_examples([HUMAN[0], Example("train-0001", "great fun!", "positive")], LABELS)
    assert changed.fingerprint != HUMAN.fingerprint


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([Example("a", " ", "negative")], r"data: row 0 \(a\): the text is empty\.\n  Remove or fill the row\."),
        ([Example("a", "x", "mixed")], r"data: row 0 \(a\): label 'mixed' is not one of 'negative', 'positive'\."),
        ([Example("a", "x", "negative")] * 2, r"data: id 'a' is used twice; ids have to be unique\."),
        (
            [Example("a", "x", "negative", probabilities=(0.5, 0.4))],
            r"data: row 0 \(a\): expected 2 probabilities that sum to 1, got \[0\.5, 0\.4\]\.",
        ),
    ],
)
def test_dataset_refuses_wrong_rows(examples, message):
    with pytest.raises(DataError, match=f"^{message}$"):
        Dataset.from_examples(examples, LABELS)


def test_datasets_of_other_labels_do_not_join():
    other = Dataset.from_examples([], Labels(("positive", "negative")), name="other")
    with pytest.raises(DataError, match="other labels"):
        HUMAN + other


def test_synthetic_rows_cannot_enter_a_human_dataset():
    with pytest.raises(DataError, match=r"gpt3mix-0017\) is generated: synthetic rows can be trained on, never"):
        HumanDataset(MADE.table, LABELS)
    assert type(HUMAN + MADE) is Dataset
    assert type(HUMAN + HUMAN[:0]) is HumanDataset
    assert type((HUMAN + MADE).human()) is HumanDataset
    assert (HUMAN + MADE).synthetic().ids == ("gpt3mix-0017",)


def test_splits_name_what_there_is():
    splits = Splits(HUMAN, test=HUMAN.renamed("sst2/test"))
    assert splits.named("test").name == "sst2/test"
    with pytest.raises(DataError, match=r"^there is no split 'validation'; there are: train, test\.$"):
        splits.named("validation")
    assert len(repr(splits).splitlines()) == 2


def test_dataset_goes_to_pandas_and_back():
    frame = HUMAN.to_pandas()
    again = Dataset.from_pandas(frame, name="train")
    assert again.fingerprint == HUMAN.fingerprint


def test_from_pandas_refuses_a_missing_text():
    import pandas

    frame = pandas.DataFrame({"text": ["fine", None], "label": ["a", "b"]})
    with pytest.raises(DataError, match=r"^data: row 1: expected a text, got "):
        Dataset.from_pandas(frame)


def test_dataset_goes_to_hugging_face_and_back():
    again = Dataset.from_hf(HUMAN.to_hf(), name="train")
    assert again.fingerprint == HUMAN.fingerprint


def test_from_hf_keeps_the_order_of_a_class_label():
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["z", "a"])})
    rows = datasets.Dataset.from_dict({"text": ["x", "y"], "label": [0, 1]}, features=features)
    made = Dataset.from_hf(rows)
    assert made.labels.names == ("z", "a")
    assert made.label_names == ("z", "a")


def test_rows_are_gone_through_a_part_at_a_time():
    names = Labels(("a", "b"))
    data = Dataset.from_examples((Example(f"row-{i}", f"text {i}", "ab"[i % 2]) for i in range(40_000)), names)
    tracemalloc.start()
    assert sum(len(row.text) > 5 for row in data) == 40_000
    assert len(data.fingerprint) == 12
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * 2**20  # all rows at once are more than twice as much


def test_equal_labels_and_origins_are_one_object():
    data = Dataset.from_examples((Example(f"row-{i}", "text", "ab"[i % 2]) for i in range(6)), Labels(("a", "b")))
    assert len({id(name) for name in data.label_names}) == 2
    assert len({id(origin) for origin in data.origins}) == 1
    assert len({id(names) for names in data.label_sets}) == 2


def test_a_row_taken_twice_is_refused():
    data = Dataset.from_examples((Example(f"row-{i}", "text", "ab"[i % 2]) for i in range(6)), Labels(("a", "b")))
    with pytest.raises(DataError) as raised:
        data.take([1, 2, 1])
    assert raised.value.message == "data: id 'row-1' is used twice; ids have to be unique."
