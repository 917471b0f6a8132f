import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augtune.curation import forms
from augtune.curation.forms import first_of_same, normalise, passage_key


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
def test_form_is_never_empty(text):
    assert normalise(text)


@given(st.text(alphabet=[chr(code) for code in range(128)], max_size=12))
def test_ascii_has_the_form_that_other_texts_have(text):
    # A letter beyond ASCII at both ends sends the text the general way, and nothing is stripped there.
    middle = normalise(f"é{text}é")[1:-1].strip(forms.ASCII_EDGES)
    assert (middle or text.strip()) == normalise(text)


def test_edges_of_ascii_are_its_punctuation_and_the_space():
    punctuation = [c for c in map(chr, range(128)) if unicodedata.category(c).startswith("P")]
    assert sorted(forms.ASCII_EDGES) == sorted([" ", *punctuation])


def test_second_texts_count():
    assert passage_key(("A.", None)) != passage_key(("a", ""))
    assert passage_key(("A.", "B!")) == passage_key(("a", "b"))


@given(st.lists(st.tuples(st.sampled_from(["a", "A.", "b", "é", "É!"]), st.sampled_from([None, "", "c", "C"]))))
def test_first_of_same_is_the_first_with_the_key(passages):
    keys = [passage_key(passage) for passage in passages]
    assert first_of_same(passages) == {i: keys.index(key) for i, key in enumerate(keys) if keys.index(key) != i}
