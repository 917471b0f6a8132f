from __future__ import annotations

import json

import pytest

from augtune.core.errors import ProviderError, SettingsError
from augtune.generation.attributes import Attributes
from augtune.generation.base import generate
from augtune.llm.messages import Reply

GIVEN = {"length": ["short", "long"], "topic": {"positive": ["plot", "cast"], "negative": ["price"]}}
PROPOSED = {
    "dimensions": [{"name": "tone", "values": ["dry", "warm", "dry"]}, {"name": "who", "values": ["a fan", "a critic"]}]
}


def is_proposal(request):
    return "Along which dimensions" in request.text


def proposing(*replies):
    """Answer the proposal with the replies in turn, and number the texts."""
    left = list(replies)

    def reply(request):
        if is_proposal(request):
            return left.pop(0) if len(left) > 1 else left[0]
        return f"text {request.draw}"

    return reply


def traits(row):
    return json.loads(row.generator.partition(" traits:")[2])


def test_given_attributes_are_drawn_one_value_each_and_kept_per_row(train, answering):
    llm = answering(proposing("never asked"))
    made = generate(train, Attributes(attributes=GIVEN, per_class=20), llm=llm)
    assert len(made.dataset) == len(llm.seen) == 40
    by_key = {request.key: request.text for request in llm.seen}
    for row in made.dataset:
        drawn = traits(row)
        assert drawn["length"] in GIVEN["length"]
        assert drawn["topic"] in GIVEN["topic"][row.label]
        assert f"\n- length: {drawn['length']}\n- topic: {drawn['topic']}\n" in by_key[row.call_key]
        assert row.generator.startswith("conditioned@1#461d0011 traits:")
    assert len({row.generator for row in made.dataset if row.label == "positive"}) == 4


def test_the_draw_depends_on_the_seed_alone(train):
    maker = Attributes(attributes=GIVEN, per_class=20)
    assert maker.preview(train, count=40) == maker.preview(train, count=40)
    assert maker.preview(train, count=40) != maker.preview(train, count=40, seed=1)


def test_a_dimension_that_does_not_name_a_label_plays_no_part_for_it(train, answering):
    maker = Attributes(attributes={"topic": {"positive": ["plot", "cast"]}}, per_class=1)
    assert next(traits(row) for row in generate(train, maker, llm=answering(proposing(""))).dataset) == {}


def test_the_model_proposes_once_for_all_labels(train, answering):
    llm = answering(proposing(json.dumps(PROPOSED)))
    made = generate(train, Attributes(per_class=10), llm=llm)
    assert [is_proposal(request) for request in llm.seen].count(True) == 1
    assert {name for row in made.dataset for name in traits(row)} == {"tone", "who"}
    assert {traits(row)["tone"] for row in made.dataset} == {"dry", "warm"}
    assert made.dataset[0].generator.startswith("conditioned@1#461d0011+attributes@1#222ac6f1 traits:")
    assert made.cost.cached + made.cost.calls == 21


def test_the_model_proposes_for_each_label(train, answering):
    llm = answering(proposing(json.dumps(PROPOSED)))
    generate(train, Attributes(per_class=1, by_label=True), llm=llm)
    asked = [request.text for request in llm.seen if is_proposal(request)]
    assert ["here it is 'negative'" in text for text in asked] == [True, False]
    assert "- a real treat" in asked[1]
    assert "- a real treat" not in asked[0]


def test_no_more_is_taken_than_was_asked_for(train, answering):
    llm = answering(proposing(json.dumps(PROPOSED)))
    made = generate(train, Attributes(per_class=5, dimensions=1, values=2), llm=llm)
    assert {tuple(traits(row)) for row in made.dataset} == {("tone",)}


@pytest.mark.parametrize(
    ("reply", "because"),
    [
        ('{"dimensions": [', "the JSON is cut off"),
        ("<html>", "expected JSON, got what looks like HTML: '<html>'"),
        ('{"dimensions": []}', "expected 'dimensions' to be a list of objects with 'name' and 'values'"),
        ('{"dimensions": ["tone"]}', "expected each dimension to be an object with 'name' and a list of 'values'"),
        ('{"dimensions": [{"name": "tone", "values": ["dry", " dry", 3]}]}', "expected at least 2 different values of 'tone', got ['dry', ' dry', 3]"),
        ('{"dimensions": [{"name": " ", "values": ["a", "b"]}]}', "expected each dimension to have a name of its own, got ' '"),
    ],
)  # fmt: skip
def test_a_proposal_is_sent_back_once_and_then_the_run_stops(train, answering, reply, because):
    llm = answering(proposing(reply, json.dumps(PROPOSED)))
    made = generate(train, Attributes(per_class=1), llm=llm)
    assert len(made.dataset) == 2
    assert because in llm.seen[1].messages[2].content
    with pytest.raises(ProviderError) as caught:
        generate(train, Attributes(per_class=1), llm=answering(proposing(reply)))
    assert caught.value.message == (
        f"attributes: the model's proposal of dimensions cannot be used: {because}; it wrote {reply!r}."
    )
    assert caught.value.hint.startswith("Give them yourself, attributes: {length: [short, long], ")


def test_a_proposal_that_is_cut_off_or_missing(train, answering):
    with pytest.raises(ProviderError, match=r"the reply was cut off at max_tokens; it wrote '\{'"):
        generate(train, Attributes(per_class=1), llm=answering(proposing(Reply("{", "length"))))
    with pytest.raises(ProviderError, match="cannot be used: the provider gave no reply: gone"):
        generate(train, Attributes(per_class=1), llm=answering(proposing(ProviderError("gone"))))


def test_preview_shows_the_proposal_first(train):
    first, second = Attributes(per_class=3).preview(train, count=2)
    assert first.startswith("Along which dimensions")
    assert "- (a dimension the model proposes): (one of its values)" in second
    assert len(Attributes(attributes=GIVEN, per_class=3).preview(train)) == 3


def test_estimate_counts_the_proposals(train):
    assert Attributes(attributes=GIVEN, per_class=5).estimate(train).calls == 10
    found = Attributes(per_class=5, by_label=True).estimate(train)
    assert (found.calls, found.calls_at_most, found.rows) == (12, 24, 10)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, "generate.attributes: expected at least one dimension with its values, got {}"),
        ({"tone": []}, "generate.attributes: expected some values for 'tone', got []"),
        ({"tone": {"positive": []}}, "generate.attributes: expected some values for 'tone', got {'positive': []}"),
        ({"tone": [" "]}, "generate.attributes: expected some values for 'tone', got [' ']"),
        ({"topic": {"postive": ["x"]}}, "generate.attributes.topic: no label is called 'postive'; did you mean 'positive'?"),
    ],
)  # fmt: skip
def test_attributes_that_are_wrong(train, answering, attributes, message):
    with pytest.raises(SettingsError) as caught:
        generate(train, {"kind": "attributes", "attributes": attributes}, llm=answering(proposing("")))
    assert caught.value.problems == (message,)
