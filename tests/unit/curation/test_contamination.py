import pytest

from augtune.core.dataset import Splits
from augtune.core.errors import SettingsError
from augtune.curation.base import curate
from augtune.curation.contamination import Contamination, Overlap, contaminated_human

LONG = "the parcel that i was told would be here on monday has not come and nobody can say where it is now"


def made_from(text, **fields):
    return (text, "positive", fields)


def told(curation):
    return [(row.example.id, row.reason, row.because) for row in curation.dropped]


@pytest.fixture
def splits(human):
    return Splits(
        human("train", "a good film", "Not a test row?"),
        human("validation", "the plot is thin"),
        human("test", "so dull", LONG, "not a test row"),
    )


def test_rows_that_repeat_a_test_row_go(synthetic, splits):
    rows = synthetic("So dull!", LONG + " ok", "a good film", "the plot is thin")
    curation = curate(rows, [Contamination(measure="jaccard")], splits=splits)
    assert told(curation) == [
        ("made-0", "evaluation repeat", "repeats test row 'test-0'"),
        ("made-1", "near evaluation repeat", "nearly repeats test row 'test-1' (jaccard 0.966)"),
    ]


def test_rows_made_from_a_test_row_go(synthetic, splits):
    rows = synthetic(
        made_from("a film that put me to sleep", source_text="So dull."),
        made_from("they lost what i ordered", source_text=LONG + " ok"),
        made_from("what a boring story", parents=("test-0",)),
        made_from("nobody is here", parents=("train-0", "train-1")),
        made_from("a great movie", parents=("train-0",), source_text="a good film"),
    )
    curation = curate(rows, [Contamination(measure="jaccard")], splits=splits, human=splits.train)
    assert told(curation) == [
        ("made-0", "evaluation source", "was made from the text of test row 'test-0'"),
        (
            "made-1",
            "near evaluation source",
            "was made from a text that nearly repeats test row 'test-1' (jaccard 0.966)",
        ),
        ("made-2", "evaluation source", "was made from test row 'test-0'"),
        ("made-3", "evaluation source", "was made from human row 'train-1', which repeats test row 'test-2'"),
    ]


def test_rewording_of_a_row_trained_on_stays_though_that_is_near_a_test_row(synthetic, human, splits):
    rows = synthetic(made_from("they lost what i ordered", source_text=LONG + " ok"))
    step = Contamination(measure="jaccard")
    assert len(curate(rows, [step], splits=splits).dropped) == 1
    assert len(curate(rows, [step], splits=splits, human=human("own", LONG + " ok.")).dropped) == 0


def test_ids_shared_by_train_and_test_mean_the_row_trained_on(synthetic, human):
    train, test = human("row", "a good film"), human("row", "so dull")
    rows = synthetic(made_from("a great movie", parents=("row-0",)))
    step = Contamination(against=test, measure="jaccard")
    assert len(curate(rows, [step], human=train).dropped) == 0
    assert told(curate(rows, [step])) == [("made-0", "evaluation source", "was made from row row 'row-0'")]


@pytest.mark.parametrize(
    ("against", "gone"),
    [("test", ["made-0"]), ("validation", ["made-1"]), ("both", ["made-0", "made-1"])],
)
def test_against_names_the_splits(synthetic, splits, against, gone):
    rows = synthetic("so dull", "the plot is thin")
    curation = curate(rows, [{"kind": "contamination", "against": against, "measure": "jaccard"}], splits=splits)
    assert [row.example.id for row in curation.dropped] == gone


def test_against_takes_rows_in_python(synthetic, splits):
    rows = synthetic("so dull", "the plot is thin", "fine")
    for against in (splits.test, [splits.test], (splits.test, splits.validation)):
        curation = curate(rows, [Contamination(against=against, measure="jaccard")])
        assert len(curation.dropped) == (2 if len(against) == 2 else 1)
    settings = Contamination(against=[splits.test]).to_json()
    assert settings == {
        "kind": "contamination",
        "threshold": 0.9,
        "measure": "cosine",
        "encoder": None,
        "against": [f"test@{splits.test.fingerprint}"],
    }
    assert Contamination().to_json()["against"] == "test"


def test_near_rows_are_found_by_meaning(synthetic, splits, tiny_encoder):
    rows = synthetic(LONG + " .", "the login never works")
    curation = curate(
        rows,
        [{"kind": "dedup", "threshold": 0.999}, {"kind": "contamination", "threshold": 0.98}],
        splits=splits,
        encoder=tiny_encoder,
    )
    assert [(row.example.id, row.by) for row in curation.dropped] == [("made-0", "contamination")]


def test_human_rows_stay_and_are_listed(synthetic, splits):
    mixed = splits.train + synthetic("not a TEST row")
    curation = curate(mixed, [Contamination(measure="jaccard")], splits=splits)
    assert curation.dataset.ids == ("train-0", "train-1")
    assert contaminated_human(splits.train, splits.test) == (Overlap("train-1", "test-2"),)
    assert contaminated_human(splits.train, splits.validation) == ()


def test_missing_split_is_refused(synthetic, human, splits):
    with pytest.raises(SettingsError) as error:
        curate(synthetic("a"), ["contamination"])
    assert str(error.value) == (
        "contamination.against: there are no test rows to compare with\n"
        "  Give data that has them, name another split, or pass the rows themselves: "
        "Contamination(against=splits.test) or curate(..., splits=splits)."
    )
    only_train = Splits(splits.train)
    with pytest.raises(SettingsError, match=r"^contamination\.against: there are no test or validation rows"):
        curate(synthetic("a"), [Contamination(against="both")], splits=only_train)
    no_validation = Splits(splits.train, None, splits.test)
    assert len(curate(synthetic("so dull"), [Contamination(against="both")], splits=no_validation).dropped) == 1


def test_wrong_against_is_refused(synthetic):
    for wrong in ("tset", 3, [], [3]):
        with pytest.raises(SettingsError) as error:
            curate(synthetic("a"), [{"kind": "contamination", "against": wrong}])
        assert str(error.value) == f"curate[0].against: expected test, validation, both or human rows, got {wrong!r}"


def test_pair_rows_repeat_only_in_both_texts(synthetic, human):
    test = human("test", (LONG, "positive", {"text_pair": "it is late"}))
    rows = synthetic(
        (LONG, "positive", {"text_pair": "It is late."}),
        (LONG, "positive", {"text_pair": "they never pay a refund"}),
        ("a film", "positive", {"text_pair": "it is late", "source_text": LONG}),
    )
    curation = curate(rows, [Contamination(against=test, measure="jaccard")])
    assert [(row.example.id, row.reason) for row in curation.dropped] == [
        ("made-0", "evaluation repeat"),
        ("made-2", "evaluation source"),
    ]
