"""Synthetic rows of a choice: written at once or by need, without repeats, and nothing said twice."""

from __future__ import annotations

import re

import pytest

from augtune.choosing.boost import BoostSettings
from augtune.core.dataset import Dataset, Example, HumanDataset
from augtune.core.errors import DataError, SettingsError
from augtune.core.labels import Labels
from augtune.experiment.fit import fit
from augtune.experiment.writing import Asked, synthetic_for
from augtune.llm.client import LLM
from augtune.llm.providers.scripted import Scripted
from training_rows import LABELS, human_rows


def model():
    """A language model that writes another row of the label shown last each time it is asked."""
    asked = []

    def said(request):
        asked.append(request)
        kind, label = re.findall(r"\((\w[\w ]*): ([^()]+)\)", request.messages[-1].content)[-1]
        return f" film {7919 * len(asked)} of {len(asked)} ({kind}: {label})"

    return LLM(Scripted(said)), asked


def few_negative():
    names = ["positive"] * 18 + ["negative"] * 4
    return HumanDataset.from_examples([Example(f"h{i}", f"a film {i}", name) for i, name in enumerate(names)], LABELS)


def made(train, encoder, given=None, **asked):
    return synthetic_for(train, given, model()[0], Asked(**asked), (encoder, 0))


def test_rows_are_written_by_need_only_where_classes_are_unbalanced_and_nobody_says_how(tiny_encoder, monkeypatch):
    monkeypatch.setattr("augtune.experiment.writing.PER_CLASS", 4)
    assert made(human_rows(24), tiny_encoder).boost is None
    found = made(few_negative(), tiny_encoder)
    assert found.boost.planned == 4
    assert [sum(one.asked.values()) for one in found.boost.rounds][:2] == [2, 2]
    told = made(few_negative(), tiny_encoder, generate={"kind": "gpt3mix", "per_class": 2})
    assert told.boost is None
    assert told.rows.counts() == {"negative": 2, "positive": 2}
    assert made(human_rows(24), tiny_encoder, boost=BoostSettings(rows=4, rounds=2)).boost.planned == 2


def test_rounds_go_on_from_the_rows_there_are_and_every_row_is_on_record_once(tiny_encoder):
    given = Dataset.from_examples(
        [Example("gpt3mix-0000", "a row from before", "negative", origin="generated")], LABELS
    )
    found = made(few_negative(), tiny_encoder, given, boost=BoostSettings(rows=12, rounds=3, idle=None))
    ids = [*found.rows.ids, *(row.example.id for row in found.dropped)]
    assert len(set(ids)) == len(ids)
    assert sum(found.boost.kept.values()) == len(found.rows) - 1
    assert "gpt3mix-0000" in found.rows.ids
    assert any(name.endswith(".3") for name in ids)


def test_the_same_rows_come_of_the_same_seed(tiny_encoder):
    first, again = (made(few_negative(), tiny_encoder, boost=BoostSettings(rows=8, rounds=2)) for _ in range(2))
    assert first.rows.texts == again.rows.texts
    assert first.boost == again.boost


def test_an_encoder_to_which_all_rows_look_alike_drops_no_row_for_it(tiny_encoder):
    found = made(human_rows(24), tiny_encoder, generate={"kind": "gpt3mix", "per_class": 4})
    assert len(found.rows) == 8
    assert found.notes == (
        "To the encoder rows of different classes look nearly the same, so repeats were told by their wording "
        "(jaccard).",
    )


def test_a_generator_without_a_language_model_needs_none(tiny_encoder):
    found = synthetic_for(human_rows(8), None, None, Asked({"kind": "eda", "per_class": 2}), (tiny_encoder, 0))
    assert len(found.rows) + len(found.dropped) == 4


def test_what_is_said_twice_or_heeded_by_nobody_is_refused(tiny_encoder):
    rows = human_rows(8)
    with pytest.raises(SettingsError, match=r"^generate and boost both say what is written; leave one of them out$"):
        made(rows, tiny_encoder, generate="gpt3mix", boost=BoostSettings())
    with pytest.raises(SettingsError, match=r"^boost: says how a language model writes rows, and none is named"):
        fit(rows, boost={"rows": 4})
    with pytest.raises(SettingsError, match=r"^budget: goes with a model that is named"):
        fit(rows, llm=model()[0], budget="1 USD")
    with pytest.raises(SettingsError, match=r"^boost\.round: unknown key; did you mean 'rounds'\?$"):
        fit(rows, llm=model()[0], boost={"round": 4})


MANY = HumanDataset.from_examples(
    [Example(f"h{i}", f"a film {i}", "", labels=(("a",), ("a", "b"), ())[i % 3]) for i in range(9)],
    Labels(("a", "b"), task="multi_label"),
    name="tags",
)
REFUSED = {
    "too few steps": (
        human_rows(8),
        {"choose": {"max_steps": 2}},
        "choose.max_steps: expected at least 300, which the final training takes; got 2",
    ),
    "no room to distill": (
        human_rows(8),
        {"choose": {"max_steps": 300, "distill": True}},
        "choose.max_steps: expected at least 900, which the two final trainings and that of the small model take",
    ),
    "a metric of another task": (
        MANY,
        {"choose": {"metric": "mcc"}},
        "metric mcc: made for data.task single_label or ordinal; here it is multi_label",
    ),
    "a class without human rows": (
        HumanDataset.from_examples(
            [Example(f"h{i}", f"a film {i}", "ab"[i % 2]) for i in range(8)], Labels(("a", "b", "c")), name="films"
        ),
        {},
        "films: no row is 'c', so it could never be predicted.",
    ),
    "too few rows": (
        HumanDataset.from_examples(
            [Example(f"h{i}", f"a film {i}", name) for i, name in enumerate(["negative", "positive"])], LABELS
        ),
        {},
        "data: 2 human rows are too few to train on some and judge by others.",
    ),
    "a layer that is not there": (
        human_rows(8),
        {"mix": {"kind": "tmix", "layers": [40]}},
        "mix.layers",
    ),
}


@pytest.mark.parametrize(("asked", "who"), [({}, "llm"), ({"boost": BoostSettings(rows=4)}, "boost")])
def test_rows_with_several_labels_are_written_by_nobody_which_says_what_to_do(tiny_encoder, asked, who):
    with pytest.raises(SettingsError) as found:
        made(MANY, tiny_encoder, **asked)
    assert str(found.value) == (
        f"{who}: rows are written of one label each; those of tags may have several (task multi_label)\n"
        "  Have them written elsewhere, leave the language model out and give them as synthetic rows: --synthetic FILE, "
        "synthetic= in Python."
    )


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_chosen_is_refused_before_a_row_is_written(tiny_encoder, case):
    rows, how, told = REFUSED[case]
    llm, asked = model()
    with pytest.raises((SettingsError, DataError)) as found:
        fit(rows, llm=llm, encoder=tiny_encoder, **how)
    assert str(found.value).startswith(told)
    assert asked == []


def test_a_class_without_human_rows_is_no_hindrance_where_that_is_allowed(tiny_encoder):
    train = REFUSED["a class without human rows"][0]
    how = {"max_steps": 2, "folds": {"folds": 2, "repeats": 1}, "learning": False, "candidates": []}
    fitted = fit(train, encoder=tiny_encoder, steps=2, allow_missing=True, choose=how)
    assert fitted.labels.names == ("a", "b", "c")
