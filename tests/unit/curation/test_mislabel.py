from __future__ import annotations

import pytest

from augtune.core.dataset import Dataset, Example, HumanDataset
from augtune.core.errors import DataError, SettingsError
from augtune.core.labels import Labels
from augtune.curation.base import Context, curate, parse_steps
from augtune.curation.mislabel import Mislabel

LABELS = Labels(("anger", "joy", "surprise"))


@pytest.fixture
def rows() -> Dataset:
    """60 rows of anger, 30 of joy and 10 of surprise."""
    names = ["anger"] * 60 + ["joy"] * 30 + ["surprise"] * 10
    examples = [Example(f"made-{i}", f"text {i}", name, origin="generated") for i, name in enumerate(names)]
    return Dataset.from_examples(examples, LABELS, name="made")


def test_each_class_loses_the_share_and_all_rows_stay(rows):
    curation = Mislabel(share=0.3).apply(rows, Context())
    assert curation.dataset.ids == rows.ids
    assert curation.dropped == ()
    was = [record.before.label for record in curation.changed]
    assert {name: was.count(name) for name in LABELS} == {"anger": 18, "joy": 9, "surprise": 3}
    assert all(record.after.label != record.before.label for record in curation.changed)
    assert {record.after.label for record in curation.changed if record.before.label == "anger"} == {"joy", "surprise"}


def test_record_says_what_was_done(rows):
    record = Mislabel(share=0.3).apply(rows, Context()).changed[0]
    before, after = record.before.label, record.after.label
    assert record.because == f"given a wrong label on purpose, {after!r} for {before!r}"
    assert record.after.generator == f"mislabelled:{before}>{after}"
    assert (record.by, record.after.text) == ("mislabel", record.before.text)


def test_larger_share_changes_the_rows_of_a_smaller_one_to_the_same_labels(rows):
    few, many = (
        {record.after.id: record.after.label for record in Mislabel(share=share).apply(rows, Context()).changed}
        for share in (0.1, 0.5)
    )
    assert len(few) < len(many)
    assert few.items() <= many.items()


def test_seed_names_the_draw(rows):
    first, again, other = (Mislabel(seed=seed).apply(rows, Context()).dataset.fingerprint for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_soft_label_becomes_a_hard_one():
    soft = Example("s", "text", "joy", origin="generated", probabilities=(0.1, 0.7, 0.2), soft_source="stated")
    made = Dataset.from_examples([soft], LABELS, name="made")
    after = Mislabel(share=1.0).apply(made, Context()).changed[0].after
    assert (after.probabilities, after.soft_source) == (None, None)
    assert after.label != "joy"


def test_human_rows_keep_their_labels(rows):
    own = HumanDataset.from_examples([Example("h", "text", "joy", origin="human")], LABELS, name="own")
    curation = curate(rows + own, [{"kind": "mislabel", "share": 1.0}])
    assert curation.dataset[100].label == "joy"
    assert len(curation.changed) == 100


def test_one_class_only_has_no_wrong_label():
    one = Labels(("joy",))
    made = Dataset.from_examples([Example("m", "text", "joy", origin="generated")], one, name="made")
    with pytest.raises(DataError) as caught:
        Mislabel().apply(made, Context())
    assert str(caught.value) == "curate: mislabel needs two labels or more, and there is only 'joy'."


def test_share_out_of_range_is_refused():
    with pytest.raises(SettingsError) as caught:
        parse_steps([{"kind": "mislabel", "share": 0}])
    assert caught.value.problems == ("curate[0].share: should be greater than 0, got 0",)
