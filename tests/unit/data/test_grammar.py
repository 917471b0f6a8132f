"""The grammar of sample sizes."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augtune.core.errors import SettingsError
from augtune.data.grammar import EXAMPLES, Imbalance, Wanted, parse

HINT = (
    "\n  Examples: all · 2000 · 10/class of train · 1% · 0.01f · 10s · 2000 of train, imbalance 0.2 minority=negative"
    " · all, longtail 100 · {joy: 10, anger: 20}"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", Wanted("all", "all")),
        (2000, Wanted("2000", "total", Fraction(2000))),
        ("2000 rows", Wanted("2000 rows", "total", Fraction(2000))),
        ("10/class", Wanted("10/class", "per_class", Fraction(10))),
        ("10 / label", Wanted("10 / label", "per_class", Fraction(10))),
        ("10s", Wanted("10s", "per_class", Fraction(10))),
        ("1%", Wanted("1%", "percent", Fraction(1, 100))),
        ("0.5 %", Wanted("0.5 %", "percent", Fraction(1, 200))),
        ("0.01f", Wanted("0.01f", "fraction", Fraction(1, 100))),
        ("all of base", Wanted("all of base", "all", split="base")),
        ("  10/class   of dev ", Wanted("10/class of dev", "per_class", Fraction(10), split="validation")),
        (
            "2000 of train, imbalance 0.2 minority=negative",
            Wanted(
                "2000 of train, imbalance 0.2 minority=negative", "total", Fraction(2000), split="train",
                imbalance=Imbalance(Fraction(1, 5), minority=("negative",)),
            ),
        ),
        ("all, imbalance 1", Wanted("all, imbalance 1", "all", imbalance=Imbalance(Fraction(1)))),
        ("all, longtail 100", Wanted("all, longtail 100", "all", longtail=Fraction(100))),
        ("{joy: 10, 'a: b, c': 0}", Wanted("{joy: 10, 'a: b, c': 0}", "sizes", sizes=(("joy", 10), ("a: b, c", 0)))),
        ("{joy: 1} of base", Wanted("{joy: 1} of base", "sizes", sizes=(("joy", 1),), split="base")),
        ("[0, 3, 17]", Wanted("[0, 3, 17]", "rows", rows=(0, 3, 17))),
    ],
)  # fmt: skip
def test_every_form_is_understood_exactly(text, expected):
    assert parse(text) == expected
    assert str(parse(text)) == expected.text


@pytest.mark.parametrize(
    ("written", "imbalance"),
    [
        ("minority=not hyperbole", Imbalance(Fraction(3, 10), minority=("not hyperbole",))),
        ("minority = joy + anger", Imbalance(Fraction(3, 10), minority=("joy", "anger"))),
        ("minority='C++'+\"a, b\"+c", Imbalance(Fraction(3, 10), minority=("C++", "a, b", "c"))),
        ("majority=Sci/Tech", Imbalance(Fraction(3, 10), majority=("Sci/Tech",))),
    ],
)
def test_labels_of_an_imbalance_may_hold_blanks_and_commas(written, imbalance):
    assert parse(f"all, imbalance 0.3 {written}").imbalance == imbalance


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_of_the_messages_are_of_the_grammar(text):
    assert parse(text).text == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not understood"),
        ("some", "'some' is not understood"),
        ("10/clas", "'10/clas' is not understood"),
        ("-3", "'-3' is not understood"),
        ("1.5", "'1.5' is not understood"),
        (0, "it asks for no rows"),
        ("0/class", "it asks for no rows"),
        ("0%", "it asks for no rows"),
        ("101%", "it asks for more than all rows"),
        ("1.2f", "it asks for more than all rows"),
        (True, "expected a string or a whole number"),
        (0.1, "expected a string or a whole number"),
        ("all, balanced", "'balanced' is not understood; known: imbalance R [minority=LABEL], longtail R"),
        ("2,000", "'000' is not understood; known: imbalance R [minority=LABEL], longtail R"),
        ("all, imbalance 0", "imbalance is minority over majority, over 0 and at most 1, got 0"),
        ("all, imbalance 1.5", "imbalance is minority over majority, over 0 and at most 1, got 1.5"),
        ("all, imbalance 0.5 minority=a+", "'a+' is no list of different labels like negative or joy+anger"),
        ("all, imbalance 0.5 minority=a+a", "'a+a' is no list of different labels like negative or joy+anger"),
        ("all, imbalance 0.5 minority=a++b", "'a++b' is no list of labels like negative or joy+anger"),
        ("all, longtail 0.5", "longtail is the largest class over the smallest, at least 1, got 0.5"),
        ("all, longtail 5 minority=a", "longtail orders the classes by size and takes no minority="),
        ("{a: x}", "{a: x} is not of the form {label: rows, label: rows}"),
        ("{a: 0}", "it asks for no rows"),
        ("{a: 1, a: 2}", "a label is named twice"),
        ("{a: 1}, imbalance 0.5", "{a: 1} says which rows to take, so no imbalance can follow"),
        ("[1, x]", "[1, x] is not of the form [0, 3, 17]"),
        ("[1, 1]", "a row is named twice"),
    ],
)
def test_a_bad_sample_size_is_refused_with_good_ones(text, why):
    with pytest.raises(SettingsError) as caught:
        parse(text)
    assert str(caught.value) == f"sample size {text!r}: {why}.{HINT}"


@given(st.text(max_size=40))
def test_any_string_is_understood_or_refused_clearly(text):
    try:
        understood = parse(text).text
    except SettingsError as error:
        understood = str(error)
    assert understood == " ".join(text.split()) or understood.startswith(f"sample size {text!r}: ")
