"""Rows with several labels, and labels with an order, from files; samples of them."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augtune.core.dataset import Example, HumanDataset
from augtune.core.errors import AugtuneError, DataError, SettingsError
from augtune.core.labels import Labels
from augtune.core.seeds import generator
from augtune.data import load, sample
from augtune.data.classes import MEASURED

SEPARATED = "  If labels stand in one text, name what is between them: data.separator: '|' in YAML, --separator '|'."


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def refusal(source: object, **options: object) -> str:
    with pytest.raises(AugtuneError) as error:
        load(source, **options)  # type: ignore[arg-type]
    return str(error.value)


def test_labels_of_a_csv_are_split_at_the_separator(tmp_path):
    path = write(tmp_path / "x.csv", "text,label", "a,joy | fear", "b,", "c,anger")
    rows = load(path, task="multi_label", separator="|").train
    assert rows.labels == Labels(("anger", "fear", "joy"), task="multi_label")
    assert rows.label_values == (["fear", "joy"], [], ["anger"])


def test_lists_written_as_json_are_read_from_a_csv(tmp_path):
    path = write(tmp_path / "x.csv", "text,label", 'a,"[""joy"", ""fear""]"', "b,[]")
    assert load(path, task="multi_label").train.label_values == (["fear", "joy"], [])


def test_lists_of_labels_come_from_json_and_parquet(tmp_path):
    path = write(tmp_path / "x.jsonl", '{"text": "a", "labels": ["joy", "fear"]}', '{"text": "b", "labels": []}')
    assert load(path, task="multi_label").train.label_values == (["fear", "joy"], [])
    table = pa.table({"text": ["a", "b"], "labels": [[2, 0], []]})
    pq.write_table(table, tmp_path / "x.parquet")
    assert load(tmp_path / "x.parquet", task="multi_label").train.label_values == (["0", "2"], [])


def test_lists_of_class_numbers_of_the_hub_bring_their_names(tmp_path):
    features = datasets.Features(
        {"text": datasets.Value("string"), "labels": datasets.List(datasets.ClassLabel(names=["joy", "anger"]))}
    )
    made = datasets.Dataset.from_dict({"text": ["a", "b"], "labels": [[1, 0], []]}, features=features)
    made.save_to_disk(tmp_path / "saved")
    made.to_parquet(tmp_path / "x.parquet")
    for source in (tmp_path / "saved", tmp_path / "x.parquet"):
        rows = load(source, task="multi_label").train
        assert rows.labels.names == ("joy", "anger")
        assert rows.label_values == (["joy", "anger"], [])


def test_given_labels_keep_their_order_and_rename(tmp_path):
    path = write(tmp_path / "x.csv", "text,label", "a,0|1", "b,1")
    rows = load(path, task="multi_label", separator="|", labels={"1": "joy", "0": "anger"}).train
    assert rows.labels.names == ("joy", "anger")
    assert rows.label_values == (["joy", "anger"], ["joy"])


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        (
            '"joy|fear"',
            "column 'label': expected a list of labels, got 'joy|fear'.\n" + SEPARATED,
        ),
        ("null", "column 'label': the labels are missing.\n  Write [] for a row that has none of them."),
        ('["joy", "joy"]', "label 'joy' is given twice (column 'label')."),
        ('["joy", null]', "the label is missing (column 'label').\n  Label or remove the row."),
        ('"[joy"', "column 'label': expected a list of labels, got '[joy'.\n" + SEPARATED),
    ],
)
def test_cell_that_is_no_list_of_labels_is_refused_with_file_and_line(tmp_path, cell, told):
    path = write(tmp_path / "x.jsonl", '{"text": "a", "label": ["joy"]}', f'{{"text": "b", "label": {cell}}}')
    where = f"{path}: line 2: "
    assert refusal(path, task="multi_label") == where + told


def test_separator_without_several_labels_is_refused(tmp_path):
    path = write(tmp_path / "x.csv", "text,label", "a,joy|fear")
    assert refusal(path, separator="|") == "separator: '|': made for data.task multi_label; here it is single_label"


def test_test_rows_of_an_unknown_label_are_refused(tmp_path):
    write(tmp_path / "train.csv", "text,label", "a,joy|fear", "b,")
    path = write(tmp_path / "test.csv", "text,label", "c,joy|rage")
    told = refusal(tmp_path, task="multi_label", separator="|")
    assert told.startswith(f"{path}: line 2: label 'rage' is none of those in {tmp_path / 'train.csv'}: 'fear', 'joy'")


def test_stars_are_ordered_as_numbers_halves_included(tmp_path):
    path = write(tmp_path / "x.jsonl", *(json.dumps({"text": "a", "label": x}) for x in (10, 0.5, 2)))
    rows = load(path, task="ordinal").train
    assert rows.labels.names == ("0.5", "2", "10")
    assert rows.labels.positions == (0.5, 2.0, 10.0)


def test_names_with_an_order_have_to_be_given(tmp_path):
    path = write(tmp_path / "x.csv", "text,label", "a,good", "b,bad", "c,fair")
    assert "names do not tell their order" in refusal(path, task="ordinal")
    assert load(path, task="ordinal", labels=["bad", "fair", "good"]).train.labels.positions == (0.0, 1.0, 2.0)


@pytest.mark.parametrize("task", ["single_label", "ordinal"])
def test_measurements_are_refused_with_what_to_do(tmp_path, task):
    values = generator(0, "measurements").normal(size=30)
    path = write(tmp_path / "x.csv", "text,label", *(f"text {i},{x}" for i, x in enumerate(values)))
    assert (
        refusal(path, task=task) == f"{path}: the labels are 30 different numbers, such as {values[0]}.\n  {MEASURED}"
    )


# ---- samples


def many(count: int = 60) -> HumanDataset:
    chance = generator(0, "several labels").random((count, 3)) < np.array([0.5, 0.3, 0.2])
    names = ("joy", "anger", "fear")
    rows = [
        Example(f"r{i}", f"text {i}", "", labels=tuple(n for n, has in zip(names, row, strict=True) if has))
        for i, row in enumerate(chance)
    ]
    return HumanDataset.from_examples(rows, Labels(names, task="multi_label"), name="tags/train")


def test_sample_by_label_has_enough_of_each_and_is_nested():
    rows = many()
    small, large = sample(rows, "4/class", seed=1), sample(rows, "8/class", seed=1)
    assert min(small.counts().values()) >= 4
    assert min(large.counts().values()) >= 8
    assert set(small.ids) < set(large.ids)
    assert sample(rows, "4/class", seed=1).ids == small.ids


def test_sample_of_a_number_or_share_of_rows():
    rows = many()
    assert len(sample(rows, 20)) == len(sample(rows, "20")) == 20
    assert len(sample(rows, "10%")) == 6
    assert set(sample(rows, "10%").ids) < set(sample(rows, 20).ids)


@pytest.mark.parametrize("wanted", ["0.1f", "all, imbalance 0.5 minority=joy", "{joy: 1, anger: 1, fear: 1}"])
def test_sample_that_needs_one_label_a_row_is_refused(wanted):
    with pytest.raises(SettingsError) as error:
        sample(many(), wanted)
    assert str(error.value) == (
        f"sample size {wanted!r}: needs rows of one label each; these may have several (task multi_label).\n"
        "  Of such rows take all, 2000, 10%, or 10/class: so many or more of each label."
    )


def test_sample_of_more_rows_of_a_label_than_there_are_is_refused():
    with pytest.raises(DataError, match="asks for 50 rows of class"):
        sample(many(), "50/class")
