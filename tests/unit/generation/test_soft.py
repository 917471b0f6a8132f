from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augtune.generation.soft import soft_label
from augtune.llm.messages import TokenLogprobs


def tokens(*places):
    """Each place is a token, or a mapping from candidate to probability whose first is the one drawn."""
    made = []
    for place in places:
        options = {place: 1.0} if isinstance(place, str) else place
        top = tuple((token, math.log(p)) for token, p in options.items())
        made.append(TokenLogprobs(top[0][0], top[0][1], top))
    return made


def soft(words, *places):
    made = tokens(*places)
    start = "".join(entry.token for entry in made).index(":") + 1
    text = "".join(entry.token for entry in made)
    start += len(text[start:]) - len(text[start:].lstrip())
    found = soft_label(made, start, words)
    return None if found is None else [round(p, 4) for p in found]


def test_spellings_of_a_word_add_up():
    place = {" Positive": 0.4, "Positive": 0.1, " positive": 0.1, " negative": 0.2, " meh": 0.2}
    assert soft(["negative", "positive"], "a (Label:", place, ")") == [0.25, 0.75]


def test_a_label_that_is_not_among_the_candidates_gets_nothing():
    assert soft(["negative", "positive"], "a (Label:", {" Positive": 0.4}, ")") == [0.0, 1.0]


def test_no_label_among_the_candidates_gives_no_soft_label():
    assert soft(["negative", "positive"], "a (Label:", {" Meh": 0.9, " So": 0.1}, ")") is None


def test_the_drawn_token_counts_when_the_alternatives_lack_it():
    entry = TokenLogprobs(" Good", math.log(0.2), ((" Bad", math.log(0.6)),))
    assert soft_label([*tokens("a (Label:"), entry], 10, ["good", "bad"]) == pytest.approx((0.25, 0.75))


def test_a_label_of_several_tokens_counts_by_its_first():
    place = {" hy": 0.25, " not": 0.75}
    assert soft(["hyperbole", "not hyperbole"], "a (Label:", place, "per", "bole", ")") == [0.25, 0.75]


def test_labels_that_begin_alike_are_told_apart_by_the_next_token():
    words = ["very bad", "very good", "fine"]
    found = soft(words, "a (Label:", {" Very": 0.8, " Fine": 0.2}, {" good": 0.75, " bad": 0.25}, ")")
    assert found == [0.2, 0.6, 0.2]


def test_a_label_that_is_the_beginning_of_another():
    words = ["sad", "sadness", "joy"]
    end = {")": 0.75, "ness": 0.25}
    assert soft(words, "a (Label:", {" Sad": 0.8, " Joy": 0.2}, end) == [0.6, 0.2, 0.2]


def test_a_likely_candidate_that_begins_several_labels_spoils_the_reading():
    words = ["very bad", "very good", "fine"]
    assert soft(words, "a (Label:", {" Fine": 0.7, " Very": 0.3}, ")") is None


def test_an_unlikely_candidate_that_begins_several_labels_is_left_out():
    words = ["very bad", "very good", "fine"]
    assert soft(words, "a (Label:", {" Fine": 0.9, " Very": 0.001, " very bad": 0.1}, ")") == [0.1, 0.0, 0.9]


def test_a_reply_that_ends_between_two_labels_gives_no_soft_label():
    assert soft(["sad", "sadness"], "a (Label:", {" Sad": 0.8}) is None


def test_a_token_that_begins_before_the_label():
    assert soft(["good", "bad"], "a (Label", {": G": 0.6, ": B": 0.4, "?": 0.3}, "ood", ")") == [0.6, 0.4]


def test_a_label_past_the_tokens_gives_no_soft_label():
    assert soft_label(tokens("a"), 5, ["good", "bad"]) is None


@given(st.lists(st.floats(1e-6, 1), min_size=3, max_size=3))
def test_a_soft_label_sums_to_one(masses):
    words = ["mild", "milder", "strong"]
    place = {" Mild": masses[0], " Milder": masses[1], " Strong": masses[2]}
    found = soft_label(tokens("a (Label:", place, ")"), 10, words)
    assert found is None or (abs(sum(found) - 1) < 1e-9 and all(0 <= p <= 1 for p in found))
