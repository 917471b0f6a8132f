import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augtune.curation.shingles import jaccard, normalise, passage_key, passages_alike, shingles


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Great film!", '  "great   FILM"  '),
        ("ＡＢＣ　１２３", "abc 123"),
        ("这部电影很好。", "「这部电影很好」"),
        ("素晴らしい映画！", "素晴らしい映画"),
        ("Straße", "STRASSE"),
        ("cafe\u0301", "CAFÉ"),
        ("so\u200b good", "so good"),
        ("wait…", "wait..."),
    ],
)
def test_texts_that_look_alike_share_a_form(one, other):
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("great 🙂", "great 😡"), ("🙂", "🙂🙂"), ("!!!", "???"), ("it's", "its"), ("好电影", "坏电影"), ("50 €", "50 $")],
)
def test_texts_that_say_different_things_keep_different_forms(one, other):
    assert normalise(one) != normalise(other)


@pytest.mark.parametrize("text", ["!!!", " … ", "？！", "\u200b", "—"])
def test_text_of_nothing_but_punctuation_is_its_own_form(text):
    assert normalise(text)


@given(st.text(min_size=1).filter(str.strip))
def test_form_is_never_empty_and_has_shingles(text):
    assert normalise(text)
    assert shingles(text)
    assert jaccard(shingles(text), shingles(text)) == 1


def test_second_texts_count():
    assert passage_key(("A.", None)) != passage_key(("a", ""))
    assert passage_key(("A.", "B!")) == passage_key(("a", "b"))


words = st.lists(st.sampled_from("a bad film was made here and nobody saw it".split()), min_size=1, max_size=9)
texts = words.map(" ".join)
passages = st.lists(st.tuples(texts, st.none() | texts), max_size=8)


@given(passages, passages, st.sampled_from([0.3, 0.5, 0.9]))
def test_pairs_found_are_all_those_alike(left, right, threshold):
    def alike(one, other):
        if (one[1] is None) != (other[1] is None):
            return 0.0
        first = jaccard(shingles(one[0]), shingles(other[0]))
        return first if one[1] is None else min(first, jaccard(shingles(one[1]), shingles(other[1])))

    expected = [
        (i, j, float(np.float32(value)))
        for i, one in enumerate(left)
        for j, other in enumerate(right)
        if (value := alike(one, other)) >= threshold
    ]
    assert [pair for block in passages_alike(left, right, threshold) for pair in block] == expected
