import json

import pytest

from augtune.core.dataset import Dataset, Example
from augtune.core.errors import SettingsError
from augtune.core.labels import Labels
from augtune.curation.base import curate
from augtune.curation.dedup import Dedup

LONG = "the parcel that i was told would be here on monday has not come and nobody can say where it is now"


def told(curation):
    return [(row.example.id, row.reason, row.because) for row in curation.dropped]


def test_exact_repeats_leave_the_first(synthetic):
    rows = synthetic(
        "Great film!", "so dull", '"great  FILM"', "🙂", "🙂🙂", "!!!", "???", "!!!", ("So dull.", "negative")
    )
    curation = curate(rows, [Dedup(measure="jaccard")])
    assert curation.dataset.ids == ("made-0", "made-1", "made-3", "made-4", "made-5", "made-6")
    assert told(curation) == [
        ("made-2", "repeat", "repeats row 'made-0'"),
        ("made-7", "repeat", "repeats row 'made-5'"),
        ("made-8", "repeat", "repeats row 'made-1', which is labelled 'positive'"),
    ]
    assert repr(curation) == "6 kept, 3 dropped by dedup"


def test_near_repeats_name_the_most_similar_row_that_stays(synthetic):
    rows = synthetic(LONG, "so dull", LONG + " ok", LONG + " okay")
    curation = curate(rows, [Dedup(measure="jaccard", threshold=0.9)])
    assert told(curation) == [
        ("made-2", "near repeat", "nearly repeats row 'made-0' (jaccard 0.966)"),
        ("made-3", "near repeat", "nearly repeats row 'made-0' (jaccard 0.945)"),
    ]


def test_exact_repeat_of_a_near_repeat_names_both(synthetic):
    rows = synthetic(LONG, LONG + " ok", LONG + " OK!")
    assert told(curate(rows, [Dedup(measure="jaccard")]))[1] == (
        "made-2",
        "repeat",
        "repeats row 'made-1'; that one nearly repeats row 'made-0' (jaccard 0.966)",
    )


def test_row_near_one_that_was_dropped_is_kept_if_near_no_other(synthetic):
    words = LONG.split()
    chain = [" ".join(words[i : i + 17]) for i in range(4)]
    curation = curate(synthetic(*chain), [Dedup(measure="jaccard", threshold=0.85)])
    assert curation.dataset.texts == (chain[0], chain[2])
    assert [row.because for row in curation.dropped] == [
        "nearly repeats row 'made-0' (jaccard 0.896)",
        "nearly repeats row 'made-2' (jaccard 0.901)",
    ]


def test_rows_that_repeat_human_rows_go(synthetic, human):
    train = human("train", ("good plot", "negative"), LONG)
    rows = synthetic("Good plot!", LONG + " ok", LONG + " okay", "so dull")
    curation = curate(rows, [Dedup(measure="jaccard")], human=train)
    assert told(curation) == [
        ("made-0", "human repeat", "repeats human row 'train-0', which is labelled 'negative'"),
        ("made-1", "near human repeat", "nearly repeats human row 'train-1' (jaccard 0.966)"),
        ("made-2", "near human repeat", "nearly repeats human row 'train-1' (jaccard 0.945)"),
    ]
    alone = curate(rows, [Dedup(measure="jaccard", against_human=False)], human=train)
    assert alone.dataset.ids == ("made-0", "made-1", "made-3")


def test_human_rows_among_the_rows_stay_even_if_they_repeat(synthetic, human):
    mixed = synthetic("good plot") + human("train", "Good plot", "good plot!")
    curation = curate(mixed, ["dedup"])
    assert curation.dataset.ids == ("train-0", "train-1")
    assert told(curation) == [("made-0", "human repeat", "repeats human row 'train-0'")]
    assert len(curate(mixed, [Dedup(against_human=False, measure="jaccard")]).dataset) == 3


@pytest.mark.parametrize("measure", ["jaccard", "cosine"])
def test_pairs_have_to_be_near_in_both_texts(synthetic, tiny_encoder, measure):
    def pair(second):
        return (LONG, "positive", {"text_pair": second})

    rows = synthetic(pair("a bad film"), pair("the login never works"), pair("A bad film."), LONG, pair("a bad  film,"))
    curation = curate(rows, [Dedup(measure=measure, threshold=0.999)], encoder=tiny_encoder)
    assert told(curation) == [
        ("made-2", "repeat", "repeats row 'made-0'"),
        ("made-4", "repeat", "repeats row 'made-0'"),
    ]
    near = synthetic(pair(LONG), pair(LONG + " now"), pair("the login never works"), LONG)
    curation = curate(near, [Dedup(measure=measure, threshold=0.95)], encoder=tiny_encoder)
    assert [row.example.id for row in curation.dropped] == ["made-1"]


def test_cosine_uses_the_encoder_of_the_run_or_the_step(synthetic, tiny_encoder):
    rows = synthetic("good film", "good , film", "the login never works and nobody can say why")
    by_run = curate(rows, [{"kind": "dedup", "threshold": 0.9}], encoder=tiny_encoder)
    by_step = curate(rows, [{"kind": "dedup", "threshold": 0.9, "encoder": tiny_encoder}], encoder="/not/used")
    assert by_run.dropped == by_step.dropped
    assert [row.reason for row in by_run.dropped] == ["near repeat"]
    assert by_run.dropped[0].because.startswith("nearly repeats row 'made-0' (cosine 0.9")


def test_no_rows_are_no_problem(synthetic):
    assert repr(curate(synthetic(), ["dedup", "dedup"])) == "0 kept, 0 dropped"


def test_wrong_settings_are_all_told_at_once(synthetic):
    with pytest.raises(SettingsError) as error:
        curate(synthetic("a"), [{"kind": "dedup", "threshold": 9, "mesure": "cosine"}, "dedupe"])
    assert str(error.value).splitlines() == [
        "curate[0].threshold: should be less than or equal to 1, got 9",
        "curate[0].mesure: unknown key; did you mean 'measure'?",
        "curate[1].kind: no curation step is called 'dedupe'; did you mean 'dedup'?",
    ]


@pytest.mark.data
@pytest.mark.parametrize(("name", "repeats"), [("synthetic_llama2_70b", 630), ("synthetic_gpt4", 1)])
def test_exact_repeats_of_real_rows_are_found(data_pack, name, repeats):
    lines = (data_pack / "hypo_l" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    labels = Labels(("not hyperbole", "hyperbole"))
    examples = [Example(f"{name}-{i}", origin="rewritten", **json.loads(line)) for i, line in enumerate(lines)]
    curation = curate(Dataset.from_examples(examples, labels), [Dedup(measure="jaccard")])
    assert sum(row.reason == "repeat" for row in curation.dropped) == repeats
    assert len(curation.dataset) + len(curation.dropped) == len(lines)
