"""Views of labels: the published templates, other merges, and what is wrong with a view."""

from __future__ import annotations

import re

import pytest

from augtune.core.dataset import Dataset, Example, HumanDataset
from augtune.core.errors import DataError, SettingsError
from augtune.core.labels import Labels
from augtune.core.view import view_labels, view_rows
from augtune.data import load

SENTIMENT = Labels(("negative", "neutral", "positive"), {"neutral": "neither good nor bad"})
ROWS = [("awful", "negative"), ("so so", "neutral"), ("great", "positive"), ("hm", "neutral")]

# The label numbers of the four templates of the ELECTRA sentiment study, as one table for every mode.
TEMPLATES = {
    "neg_neu_pos": ({"negative": "negative", "neutral": "neutral", "positive": "positive"}, [0, 1, 2, 1]),
    "bin_neu": ("one-vs-rest neutral", [0, 1, 0, 1]),
    "bin_pos": ("one-vs-rest positive", [0, 0, 1, 0]),
    "bin_neg": ({"non-negative": ["neutral", "positive"], "negative": ["negative"]}, [1, 0, 0, 0]),
}
NAMES = {
    "neg_neu_pos": ("negative", "neutral", "positive"),
    "bin_neu": ("non-neutral", "neutral"),
    "bin_pos": ("non-positive", "positive"),
    "bin_neg": ("non-negative", "negative"),
}


def rows():
    examples = [Example(f"r-{i}", text, label) for i, (text, label) in enumerate(ROWS)]
    return HumanDataset.from_examples(examples, SENTIMENT, name="rows")


@pytest.mark.parametrize("template", TEMPLATES)
def test_template_numbers_its_classes_as_published(template):
    view, numbers = TEMPLATES[template]
    kept, dropped = view_rows(rows(), view_labels(SENTIMENT, view))
    assert kept.labels.names == NAMES[template]
    assert kept.label_indices.tolist() == numbers
    assert kept.targets().argmax(axis=1).tolist() == numbers
    assert (kept.ids, kept.texts, dropped) == (rows().ids, rows().texts, ())
    assert isinstance(kept, HumanDataset)


def test_short_form_is_the_mapping_it_stands_for():
    whole = {"non-negative": ["neutral", "positive"], "negative": ["negative"]}
    assert view_labels(SENTIMENT, "one-vs-rest  negative") == view_labels(SENTIMENT, whole)


def test_classes_stand_in_the_order_they_are_written_in():
    assert view_labels(SENTIMENT, {"z": ["positive"], "a": ["negative", "neutral"]}).names == ("z", "a")


def test_view_keeps_the_description_of_a_class_of_one_label():
    assert view_labels(SENTIMENT, "one-vs-rest neutral").descriptions == {"neutral": "neither good nor bad"}


def test_rows_are_left_out_only_where_that_is_said_and_on_record():
    labels = view_labels(SENTIMENT, {"negative": ["negative"], "positive": ["positive"], "drop": ["neutral"]})
    kept, dropped = view_rows(rows(), labels)
    assert kept.label_names == ("negative", "positive")
    assert [(row.example.id, row.by, row.because, row.reason) for row in dropped] == [
        ("r-1", "view", "the view leaves out rows of the label 'neutral'", "left out"),
        ("r-3", "view", "the view leaves out rows of the label 'neutral'", "left out"),
    ]
    assert labels.was == {"negative": "negative", "neutral": None, "positive": "positive"}


def test_soft_labels_are_summed_within_a_class():
    soft = (0.35, 0.4, 0.25)
    made = Dataset.from_examples([Example("s", "hm", "neutral", probabilities=soft, origin="generated")], SENTIMENT)
    (row,), _ = view_rows(made, view_labels(SENTIMENT, "one-vs-rest neutral"))
    assert row.probabilities == pytest.approx((0.6, 0.4))
    assert row.label == "non-neutral"
    view = {"negative": "negative", "neutral": "neutral", "drop": ["positive"]}
    (row,), _ = view_rows(made, view_labels(SENTIMENT, view))
    assert row.probabilities == pytest.approx((0.35 / 0.75, 0.4 / 0.75))
    assert row.label == "neutral"


WRONG = {
    "unknown label": (
        {"a": ["negativ"], "b": ["neutral", "positive", "negative"]},
        "view: there is no label 'negativ'; did you mean 'negative'?",
    ),
    "named twice": (
        {"a": ["negative", "neutral"], "b": ["neutral", "positive"]},
        "view: label 'neutral' is named twice",
    ),
    "named twice by drop": (
        {"a": ["negative", "neutral"], "b": ["positive"], "drop": ["neutral"]},
        "view: label 'neutral' is named twice",
    ),
    "not named": (
        {"a": ["negative"], "b": ["positive"]},
        "view: nothing is said of label 'neutral'; put it into a class, or under drop to leave its rows out",
    ),
    "one class": (
        {"a": ["negative", "neutral", "positive"]},
        "view: expected two classes or more, got 1; e.g. {non-neutral: [negative, positive], neutral: [neutral]} or "
        "one-vs-rest neutral",
    ),
    "empty class": (
        {"a": [], "b": ["negative", "neutral"], "c": ["positive"]},
        "view: class 'a' is made of no label",
    ),
    "rest of an unknown label": (
        "one-vs-rest neutrol",
        "view: there is no label 'neutrol'; did you mean 'neutral'?",
    ),
    "no form": (
        "neutral",
        "view: expected {non-neutral: [negative, positive], neutral: [neutral]} or one-vs-rest neutral, got 'neutral'",
    ),
    "no mapping": (
        ["neutral"],
        "view: expected a mapping such as {non-neutral: [negative, positive], neutral: [neutral]} or one-vs-rest "
        "neutral, got ['neutral']",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_view_is_told(case):
    view, message = WRONG[case]
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        view_labels(SENTIMENT, view)


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(SettingsError) as caught:
        view_labels(SENTIMENT, {"a": ["x", "negative"], "b": ["negative"]})
    assert len(caught.value.problems) == 4


def test_labels_with_an_order_keep_it():
    stars = Labels(("bad", "fair", "good"), task="ordinal")
    assert view_labels(stars, {"low": ["bad", "fair"], "high": ["good"]}).task == "ordinal"
    with pytest.raises(SettingsError, match=r"^view: the labels have an order \(bad · fair · good\), which the new"):
        view_labels(stars, {"extreme": ["bad", "good"], "fair": ["fair"]})


def test_rows_of_several_labels_have_no_view():
    with pytest.raises(DataError, match=r"^view: a view needs rows of one label each"):
        view_labels(Labels(("a", "b"), task="multi_label"), "one-vs-rest a")


# ---- in load


@pytest.fixture
def folder(tmp_path):
    for split in ("train", "validation", "test"):
        lines = [f"{split} {text},{label}" for text, label in ROWS]
        (tmp_path / f"{split}.csv").write_text("\n".join(["text,label", *lines]))
    return tmp_path


def test_view_holds_for_every_split_alike(folder):
    splits = load(folder, view="one-vs-rest neutral")
    for part in (splits.train, splits.validation, splits.test):
        assert part.labels.names == ("non-neutral", "neutral")
        assert part.label_indices.tolist() == [0, 1, 0, 1]
    assert splits.dropped == ()


def test_rows_left_out_of_every_split_are_on_record(folder):
    splits = load(folder, view={"drop": ["neutral"], "pos": ["positive"], "neg": ["negative"]})
    assert [row.example.id for row in splits.dropped] == [
        f"{split}-{i:04d}" for split in ("train", "validation", "test") for i in (1, 3)
    ]
    assert splits.train.labels.names == ("pos", "neg")


def test_view_is_of_the_names_given_as_labels(folder):
    given = {"negative": "bad", "neutral": "so so", "positive": "fine"}
    assert load(folder, labels=given, view="one-vs-rest fine").labels.names == ("non-fine", "fine")


def test_other_files_follow_the_view_of_the_labels_they_are_loaded_with(folder):
    labels = load(folder, view="one-vs-rest neutral").labels
    assert load(folder / "test.csv", labels=labels).train.label_indices.tolist() == [0, 1, 0, 1]
    with pytest.raises(SettingsError, match=r"^view: the labels given are a view already: non-neutral · neutral$"):
        load(folder / "test.csv", labels=labels, view="one-vs-rest neutral")
