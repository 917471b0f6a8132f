from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augtune.reporting import words


def test_score_is_written_with_its_interval():
    assert words.score(0.911, (0.893, 0.930)) == "0.911 [0.893, 0.930]"
    assert words.score(0.911) == "0.911"
    assert words.score(None) == "–"


@pytest.mark.parametrize(
    ("value", "text"), [(0.031, "+0.031"), (-0.004, "−0.004"), (-0.0001, "0.000"), (0.0, "0.000"), (None, "–")]
)
def test_difference_has_a_true_sign(value, text):
    assert words.difference(value) == text


def test_signed_interval():
    assert words.interval((-0.012, 0.05), signed=True) == "[−0.012, +0.050]"
    assert words.interval(None) == ""


@pytest.mark.parametrize(("value", "text"), [(0.0004, "< 0.001"), (0.0123, "0.012"), (1.0, "1.000"), (None, "–")])
def test_p_value(value, text):
    assert words.p_value(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "price unknown"),
        (0, "$0"),
        (0.0002, "< $0.001"),
        (0.0312, "$0.031"),
        (12.4, "$12.40"),
        (1234, "$1,234.00"),
    ],
)
def test_money(value, text):
    assert words.money(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(4.04, "4.0 s"), (38.2, "38 s"), (59.7, "1 min 00 s"), (245, "4 min 05 s"), (7800, "2 h 10 min"), (None, "–")],
)
def test_duration(value, text):
    assert words.duration(value) == text


@given(st.floats(0, 1e6))
def test_duration_never_shows_sixty_of_a_unit(seconds):
    assert not {"60 s", "60 min"} & {words.duration(seconds), *re.findall(r"\d+ \w+", words.duration(seconds))}


@given(st.floats())
def test_number_never_shows_a_negative_zero(value):
    text = words.number(value)
    assert text == "–" if not math.isfinite(value) else not text.startswith("-") or float(text) < 0


def test_clip_keeps_one_line():
    assert words.clip("a\n b   c", 10) == "a b c"
    assert words.clip("abcdefgh", 4) == "abc…"


def test_names_are_written_as_people_write_them():
    assert [words.metric_name(m) for m in ("macro_f1", "mcc", "balanced_accuracy")] == [
        "macro-F1",
        "MCC",
        "balanced accuracy",
    ]
    assert words.spoken_list(["a"]) == "a"
    assert words.spoken_list(["a", "b", "c"]) == "a, b and c"


def test_intervals_are_kept_on_one_line():
    assert words.unbroken("dimp, 0.9 [0.8, 1.0], p < 0.001") == "dimp, 0.9 [0.8,\u00a01.0], p\u00a0<\u00a00.001"
