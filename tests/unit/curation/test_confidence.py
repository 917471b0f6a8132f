from __future__ import annotations

import numpy as np
import pytest

from augtune.core.dataset import Dataset, Example, HumanDataset, Splits
from augtune.core.errors import DataError, SettingsError
from augtune.core.labels import Labels
from augtune.curation.base import Context, curate
from augtune.curation.confidence import Confidence

LABELS = Labels(("negative", "positive"))
GOOD, BAD = ("good", "great", "love", "fun"), ("bad", "awful", "hate", "boring")
THINGS = ("film", "movie", "plot", "acting", "story", "day", "week")


def examples(count: int, name: str, origin: str, wrong: frozenset[int] = frozenset()) -> list[Example]:
    """Rows whose label their one word of mood tells; those in ``wrong`` are labelled the other way round."""
    rows = []
    for i in range(count):
        text = f"the {THINGS[i % 7]} was {(BAD, GOOD)[i % 2][(i // 2) % 4]}"
        rows.append(Example(f"{name}-{i}", text, LABELS[(i + (i in wrong)) % 2], origin=origin))
    return rows


WRONG = frozenset({3, 8, 15, 22, 31, 36})
HUMAN = HumanDataset.from_examples(examples(30, "own", "human"), LABELS, name="own")
MADE = Dataset.from_examples(examples(40, "made", "generated", WRONG), LABELS, name="made")


class Words:
    """Stands in for an encoder: one unit for each mood word."""

    @staticmethod
    def vectors(texts, *, encoder=None):
        return np.array([[word in text.split() for word in GOOD + BAD] for text in texts], dtype=np.float32)


@pytest.fixture
def context(monkeypatch):
    monkeypatch.setattr(Context, "vectors", lambda self, texts, encoder=None: Words.vectors(texts))
    return Context(HUMAN)


def ids(numbers) -> set[str]:
    return {f"made-{i}" for i in numbers}


@pytest.mark.parametrize("trained_on", ["human", "synthetic"])
def test_rows_labelled_wrong_are_the_ones_that_go(context, trained_on):
    curation = Confidence(keep=0.85, trained_on=trained_on).apply(MADE, context)
    assert {row.example.id for row in curation.dropped} == ids(WRONG)
    assert len(curation.dataset) == 34


def test_the_record_says_how_likely_the_label_is_and_what_the_classifier_says(context):
    record = Confidence(keep=0.85).apply(MADE, context).dropped[0]
    assert (record.example.id, record.by, record.reason) == ("made-3", "confidence", "doubtful label")
    assert record.because == ("label found 3% likely by a classifier of the human rows, which says 'positive' (97%)")


def test_a_share_of_every_class_stays_or_of_all_together(context):
    by_class = Confidence(keep=0.5).apply(MADE, context).dataset
    assert by_class.counts() == {"negative": 10, "positive": 10}
    uneven = MADE.take([i for i in range(40) if i % 2 == 0 or i in WRONG])
    together = Confidence(keep=0.8, per_class=False).apply(uneven, context)
    assert len(together.dataset) == round(0.8 * len(uneven))
    assert {row.example.id for row in together.dropped} <= ids(WRONG)


def test_a_threshold_keeps_what_is_likelier(context):
    curation = Confidence(threshold=0.5).apply(MADE, context)
    assert {row.example.id for row in curation.dropped} == ids(WRONG)
    assert Confidence(threshold=0.0).apply(MADE, context).dropped == ()


def test_a_soft_label_counts_by_its_probabilities(context):
    torn = Example("torn", "the film was good", "positive", origin="generated", probabilities=(0.45, 0.55))
    sure = Example("sure", "the film was good", "positive", origin="generated")
    rows = Dataset.from_examples([torn, sure], LABELS, name="made")
    assert [row.example.id for row in Confidence(threshold=0.6).apply(rows, context).dropped] == ["torn"]


def test_test_and_validation_rows_are_never_looked_at(context):
    other = HumanDataset.from_examples(
        [Example(f"t-{i}", row.text, LABELS[i % 2]) for i, row in enumerate(MADE)], LABELS, name="test"
    )
    alone = Confidence().apply(MADE, context)
    beside = Confidence().apply(MADE, Context(HUMAN, Splits(HUMAN, other, other)))
    assert alone.dropped == beside.dropped


def test_human_rows_among_the_rows_train_it_and_stay(context):
    curation = curate(HUMAN + MADE, {"kind": "confidence", "keep": 0.85}, human=HUMAN)
    assert set(HUMAN.ids) <= set(curation.dataset.ids)
    assert {row.example.id for row in curation.dropped} == ids(WRONG)
    assert {r.example.id for r in Confidence(keep=0.85).apply(HUMAN + MADE, Context()).dropped} == ids(WRONG)


def test_without_human_rows_it_says_what_to_do(context):
    with pytest.raises(SettingsError) as caught:
        Confidence().apply(MADE, Context())
    assert str(caught.value) == (
        "curate: confidence is trained on human rows, and there are none; give human=..., or trained_on: synthetic"
    )


def test_one_class_alone_is_refused(context):
    with pytest.raises(DataError) as caught:
        Confidence().apply(MADE, Context(HUMAN.take([0, 2, 4])))
    assert str(caught.value) == (
        "curate: confidence trains a classifier on the human rows, which needs at least two classes; own has only "
        "'negative'."
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"keep": 0.5, "threshold": 0.5}, "Confidence: give keep or threshold, not both"),
        (
            {"threshold": 0.5, "per_class": True},
            "Confidence: per_class shares out what keep keeps; with threshold leave it out",
        ),
        ({"keep": 0}, "Confidence.keep: should be greater than 0, got 0"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(fields, message):
    with pytest.raises(SettingsError) as caught:
        Confidence(**fields)
    assert str(caught.value) == message


def test_the_record_names_no_other_label_where_the_classifier_agrees(context):
    right = MADE.take([i for i in range(40) if i not in WRONG])
    record = Confidence(keep=0.5).apply(right, context).dropped[0]
    assert record.because == "label found 97% likely by a classifier of the human rows"
