import pytest
from hypothesis import given
from hypothesis import strategies as st

from augtune.core.replies import ReplyError, distribution, label_named, object_in

WORDS = {"a": "sad", "b": "sadness", "c": "not sad", "d": "C++", "e": "C#", "f": "?", "g": "C"}


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("sad", "a"), (" Sad.\n", "a"), ("**Sadness**", "b"), ("“sadness”", "b"), ("「sad」", "a"), ("«SAD»", "a"),
        ("Label: not  sad", "c"), ("Sentiment: sad", "a"), ("**Answer:** sad", "a"), ("answer: C#.", "e"),
        ("C++", "d"), ("C", "g"), ("?", "f"), ("'C#'", "e"),
        ("sad sadness", None), ("The label is sad", None), ("sa", None), ("sad-ish", None), ("", None), ("\n", None),
        ("C##", None), ("label", None), ("<html>sad</html>", None), ("sad, because it is", None),
    ],
)  # fmt: skip
def test_a_reply_names_a_label_only_if_it_is_its_word(reply, label):
    assert label_named(reply, WORDS, label_type="sentiment") == label


@given(
    st.sampled_from(sorted(WORDS)), st.sampled_from(["", "'", "“", "**", "("]), st.sampled_from(["", ".", "”", ")."])
)
def test_every_word_is_known_whatever_stands_around_it(label, before, after):
    assert label_named(before + WORDS[label].upper() + after, WORDS) == label


@pytest.mark.parametrize("reply", ['{"text": "a"}', ' \ufeff{"text": "a"}\n', '```json\n{"text": "a"}\n```'])
def test_an_object_is_read(reply):
    assert object_in(reply.strip(), ["text"]) == {"text": "a"}


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ('{"text": "a', "the JSON is cut off"),
        ('{"text": ', "the JSON is cut off"),
        ("{", "the JSON is cut off"),
        ("<html><body>", "expected JSON, got what looks like HTML: '<html><body>'"),
        ("hello", "expected a JSON object and nothing else, got 'hello'"),
        ("", "expected a JSON object and nothing else, got ''"),
        ("[" * 20_000, "expected a JSON object and nothing else, got '" + "[" * 60 + "'"),
        ("[1]", "expected a JSON object with 'text', got a list"),
        ("null", "expected a JSON object with 'text', got null"),
        ('{"text": "a"} and so on', "expected a JSON object and nothing else, got 'and so on' after it"),
        ('{"text": “a”}', "not JSON: Expecting value at character 9"),
        ('{"text": "a", "note": 1}', "expected a JSON object with 'text'; 'note' not asked for"),
        ('{"Text": "a"}', "expected a JSON object with 'text'; 'text' missing and 'Text' not asked for"),
        ('{"text": "a", "text": "b"}', "the JSON object has a field twice"),
    ],
)
def test_what_is_no_such_object_says_why(reply, message):
    with pytest.raises(ReplyError) as caught:
        object_in(reply, ["text"])
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("stated", "shares"),
    [({"B": 0.5, "a": 0.5}, (0.5, 0.5)), ({"a": 70, "b": 30}, (0.7, 0.3)), ({"a": 0.95, "b": 0.0}, (1.0, 0.0))],
)
def test_stated_probabilities_are_normalised(stated, shares):
    assert distribution(stated, ["a", "b"]) == pytest.approx(shares)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"a": 0.9, "b": 0.9}, "expected probabilities that sum to 1, got a sum of 1.8"),
        ({"a": 0, "b": 0}, "expected probabilities that sum to 1, got a sum of 0"),
        ({"a": 1}, "expected the probability of each of 'a', 'b', got those of 'a'"),
        ({"a": 1, "b": 0, "c": 0}, "expected the probability of each of 'a', 'b', got those of 'a', 'b', 'c'"),
        ({"a": float("nan"), "b": 1}, "expected numbers of 0 or more as probabilities, got [nan, 1]"),
        ({"a": float("inf"), "b": 0}, "expected numbers of 0 or more as probabilities, got [inf, 0]"),
        ({"a": -0.5, "b": 1.5}, "expected numbers of 0 or more as probabilities, got [-0.5, 1.5]"),
        ({"a": "0.5", "b": 0.5}, "expected numbers of 0 or more as probabilities, got ['0.5', 0.5]"),
        ({"a": True, "b": 0}, "expected numbers of 0 or more as probabilities, got [True, 0]"),
        ([1, 0], "expected the probability of each of 'a', 'b', got a list"),
    ],
)
def test_probabilities_that_are_none_say_why(stated, message):
    with pytest.raises(ReplyError) as caught:
        distribution(stated, ["a", "b"])
    assert str(caught.value) == message


@given(st.text(max_size=40))
def test_any_reply_is_read_or_refused(reply):
    label_named(reply, WORDS)
    refused, found = "", None
    try:
        found = object_in(reply, ["text"])
    except ReplyError as error:
        refused = str(error)
    assert isinstance(found, dict) != bool(refused)
