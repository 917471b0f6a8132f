import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augtune.collaboration.reading import read_reply, schema_of
from augtune.core.errors import ProviderError
from augtune.core.labels import Labels
from augtune.llm.messages import Reply, TokenLogprobs

LABELS = Labels(("negative", "neutral", "positive"))
PREFIXES = Labels(("no", "not sure", "not spam", "spam"))


def token(text, *others):
    """Return a token of probability 1 less that of its alternatives, given as (text, probability)."""
    own = 1 - sum(share for _, share in others)
    top = ((text, math.log(own)), *((other, math.log(share)) for other, share in others))
    return TokenLogprobs(text, math.log(own), top)


@pytest.mark.parametrize(
    "text", ["positive", " Positive\n", "POSITIVE.", "**positive**", '"positive"', "`positive`", "Label: positive"]
)
def test_label_is_read_when_the_reply_is_plainly_one(text):
    assert read_reply(Reply(text), LABELS).label == "positive"


def test_label_is_read_from_json():
    assert read_reply(Reply('{"label": "neutral"}'), LABELS).label == "neutral"
    assert read_reply(Reply('{"label": "neutral", "why": "x"}'), LABELS).problem == "more than a label"
    assert read_reply(Reply('{"label": "mixed"}'), LABELS).problem == "not a label"
    assert read_reply(Reply('{"label": 1}'), Labels(("0", "1"))).label is None


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply("Classification: label: invented text"), "not a label"),
        (Reply("mixed"), "not a label"),
        (Reply("  "), "empty"),
        (Reply("I can't assist with that request."), "refused"),
        (Reply("positive", "refusal"), "refused"),
        (Reply("", "length"), "cut off"),
        (Reply("positive", "length"), "cut off"),
        (Reply("positive", "other"), "cut off"),
        (Reply("The review is positive."), "more than a label"),
        (Reply("positive or negative"), "more than a label"),
        (Reply("positively"), "not a label"),
        (ProviderError("down"), "no reply"),
    ],
)
def test_reply_is_no_label_when_it_is_anything_else(reply, problem):
    reading = read_reply(reply, LABELS)
    assert (reading.label, reading.problem, reading.probabilities) == (None, problem, None)


@pytest.mark.parametrize("name", PREFIXES)
def test_labels_that_begin_alike_are_told_apart(name):
    assert read_reply(Reply(name), PREFIXES).label == name
    assert read_reply(Reply(f"{name}t"), PREFIXES).label is None


def test_labels_that_differ_in_case_only_have_to_be_exact():
    labels = Labels(("US", "us"))
    assert read_reply(Reply("us"), labels).label == "us"
    assert read_reply(Reply("Us"), labels).label is None


def test_probabilities_are_read_from_the_label_token():
    reply = Reply("positive", logprobs=(token("positive", ("negative", 0.2), (" neutral", 0.1)),))
    assert read_reply(reply, LABELS).probabilities == pytest.approx((0.2, 0.1, 0.7))


def test_probabilities_are_read_inside_json():
    tokens = (token('{"label": "'), token("no", ("spam", 0.25)), token('"}', ("t sure", 0.4)))
    reply = Reply('{"label": "no"}', logprobs=tokens)
    assert read_reply(reply, PREFIXES).probabilities == pytest.approx((0.45, 0.3, 0.0, 0.25))


def test_probabilities_are_not_read_when_tokens_do_not_tell():
    bare = Reply("no", logprobs=(token("no", ("spam", 0.1)),))
    assert read_reply(bare, PREFIXES) == read_reply(Reply("no"), PREFIXES)
    other = Reply("positive", logprobs=(token("positive", ("negative", 0.6)),))
    assert read_reply(other, LABELS).probabilities is None


@given(st.text(max_size=60))
def test_no_text_is_read_as_a_label_it_does_not_hold(text):
    label = read_reply(Reply(text), LABELS).label
    assert label is None or label in text.casefold()


def test_schema_allows_the_labels_alone():
    assert schema_of(LABELS)["properties"]["label"]["enum"] == list(LABELS)
    assert schema_of(LABELS)["additionalProperties"] is False
