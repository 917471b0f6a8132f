"""Wording against values worked out by hand and against plain definitions."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from augtune.curation.quality.wording import distinct, divergence, self_bleu, words

TEXTS = st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=9).map(tuple), min_size=2, max_size=8)


def test_words_are_lower_case_and_marks_stand_alone():
    assert words("Don't wait—GO! 7.5 Ａ") == ("don't", "wait", "—", "go", "!", "7", ".", "5", "a")
    assert words(" ") == ()


def test_distinct_counts_over_all_texts():
    assert distinct([("a", "b", "a"), ("a", "b")], 1) == 2 / 5
    assert distinct([("a", "b", "a"), ("a", "b")], 2) == 2 / 3
    assert distinct([("a",), ()], 2) is None


def test_divergence_is_zero_of_the_same_words_and_one_of_none_in_common():
    assert divergence([("a", "b")], [("b",), ("a",)]) == 0
    assert divergence([("a", "b")], [("c",)]) == pytest.approx(1)
    assert divergence([("a",)], [("a", "b")]) == pytest.approx(0.5 * math.log2(4 / 3) + 0.25 * math.log2(2 / 3) + 0.25)
    assert divergence([()], [("a",)]) is None


@given(TEXTS)
@settings(deadline=None, max_examples=40)
def test_divergence_is_that_of_scipy(texts):
    first, second = texts[:1], texts[1:]
    counts = [Counter(word for text in side for word in text) for side in (first, second)]
    vectors = [[one[word] for word in "abcde"] for one in counts]
    assert divergence(first, second) == pytest.approx(jensenshannon(*vectors, base=2) ** 2, abs=1e-12)


def plain_self_bleu(texts) -> float:
    """The definition: each text against all others, every pair compared."""
    scores = []
    for i, text in enumerate(texts):
        others = [other for j, other in enumerate(texts) if j != i]
        logs = 0.0
        for n in range(1, 5):

            def grams(one, n=n):
                return Counter(one[k : k + n] for k in range(len(one) - n + 1))

            hits = sum(min(c, max(grams(other)[gram] for other in others)) for gram, c in grams(text).items())
            more = 1 if n > 1 else 0
            share = (hits + more) / (max(0, len(text) - n + 1) + more)
            logs += math.log(share) / 4 if share else -math.inf
        closest = min((abs(len(other) - len(text)), len(other)) for other in others)[1]
        scores.append(math.exp(logs + min(0, 1 - closest / len(text))))
    return sum(scores) / len(scores)


@given(TEXTS)
@settings(deadline=None, max_examples=150)
def test_self_bleu_in_one_pass_is_that_of_every_pair(texts):
    assert self_bleu(texts) == pytest.approx(plain_self_bleu(texts), abs=1e-12)


def test_self_bleu_at_its_ends():
    same = ("we", "all", "say", "the", "same")
    assert self_bleu([same] * 3) == pytest.approx(1)
    assert self_bleu([("a", "b"), ("c", "d")]) == 0
    assert self_bleu([same]) is None
    # each: 1 of 2 words, (0 + 1) of (1 + 1) pairs, (0 + 1) of (0 + 1) longer runs
    assert self_bleu([("a", "b"), ("a", "c")]) == pytest.approx((1 / 4) ** (1 / 4))


def test_divergence_is_the_same_to_the_last_bit_in_any_order_of_the_words():
    first, second = ([i * i % 37 for i in range(200)], [i * i % 41 for i in range(150)])

    def named(mark):  # other names have other hashes, so a set of them has another order
        return [[[f"{mark}{word}"] for word in words] for words in (first, second)]

    assert len({divergence(*named(mark)) for mark in "abcdefghijklmnop"}) == 1
