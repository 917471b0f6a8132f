from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from augtune.core.errors import InputError, SettingsError
from augtune.generation.base import generate
from augtune.generation.conditioned import Zeroshot
from augtune.generation.gpt3mix import Gpt3Mix
from augtune.generation.quotas import planned
from augtune.generation.rephrase import Rephrase

ROWS = [("a1", "a"), ("a2", "a"), ("a3", "a"), ("a4", "a"), ("b1", "b"), ("b2", "b"), ("c1", "c")]


@pytest.mark.parametrize(
    ("wanted", "count", "rows"),
    [
        ("max", None, {"a": 4, "b": 4, "c": 4}),
        ("minority", None, {"b": 2, "c": 3}),
        ("prior", None, {"a": 4, "b": 2, "c": 1}),
        ("prior", 70, {"a": 40, "b": 20, "c": 10}),
        ("prior", 2, {"a": 1, "b": 1}),
        ("even", None, {"a": 3, "b": 2, "c": 2}),
        ("even", 30, {"a": 10, "b": 10, "c": 10}),
        (5, None, {"a": 5, "b": 5, "c": 5}),
        ({"c": 9, "a": 1, "b": 0}, None, {"a": 1, "c": 9}),
    ],
)
def test_planned(make_human, wanted, count, rows):
    assert planned(wanted, make_human(ROWS), where="x", count=count) == rows


@given(count=st.integers(1, 200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_prior_adds_up_and_stays_within_a_row_of_the_shares(make_human, count):
    rows = planned("prior", make_human(ROWS), where="x", count=count)
    assert sum(rows.values()) == count
    assert all(abs(rows.get(label, 0) - count * have / 7) < 1 for label, have in {"a": 4, "b": 2, "c": 1}.items())


@pytest.mark.parametrize("maker", [Gpt3Mix, Zeroshot, Rephrase])
def test_all_generators_plan_alike(make_human, maker):
    train = make_human(ROWS)
    assert maker(balance="minority").estimate(train).rows == 5
    assert maker(balance="prior", count=70).estimate(train).rows == 70
    assert maker(per_class="prior", count=14).estimate(train).rows == 14
    assert maker(balance={"c": 2}).estimate(train).rows == 2


def test_prior_and_max_need_human_rows_to_count(make_human, answering):
    train = make_human(ROWS)[:0]
    with pytest.raises(InputError) as caught:
        generate(train, Zeroshot(), llm=answering(lambda _: "x"))
    assert str(caught.value) == (
        "generate.balance: max counts the human rows of each label, and there are none.\n"
        "  Give a number: per_class: 50, or one per label: per_class: {billing: 30, login: 20}."
    )
    made = generate(train, Zeroshot(per_class=1), llm=answering(lambda r: f"text {r.draw}"))
    assert made.dataset.counts() == {"a": 1, "b": 1, "c": 1}


@pytest.mark.parametrize(
    ("given_settings", "message"),
    [
        ({"per_class": 3, "balance": "max"}, "generate: per_class and balance are both given; the number of rows is set by one of them"),
        ({"count": 3}, "generate: count is the number of rows of balance: prior or even; set that, or use per_class"),
        ({"balance": "evenly"}, "generate.balance: expected 'max', 'minority', 'prior', 'even', a number of rows, or one per label as in {billing: 30, login: 20}, got 'evenly'"),
        ({"balance": True}, "generate.balance: expected 'max', 'minority', 'prior', 'even', a number of rows, or one per label as in {billing: 30, login: 20}, got True"),
        ({"balance": {"d": 3}}, "generate.balance: no label is called 'd'; known: a, b, c"),
    ],
)  # fmt: skip
def test_plans_that_are_wrong(make_human, answering, given_settings, message):
    with pytest.raises(SettingsError) as caught:
        generate(make_human(ROWS), {"kind": "zeroshot", **given_settings}, llm=answering(lambda _: "x"))
    assert caught.value.problems == (message,)


def test_what_is_not_delivered_is_told(make_human, answering):
    llm = answering(lambda r: "" if "'b'" in r.text else f"text {r.draw}")
    made = generate(make_human(ROWS), Zeroshot(balance="minority"), llm=llm)
    assert made.shortfall == {"b": 2}
    assert "2 fewer than asked" in repr(made)


def test_nothing_to_do_is_no_error(make_human, answering):
    llm = answering(lambda _: "x")
    for maker in (Gpt3Mix(balance="minority"), Zeroshot(balance="minority"), Rephrase(balance="minority")):
        made = generate(make_human(ROWS[3:5]), maker, llm=llm)
        assert (len(made.dataset), made.shortfall, llm.seen) == (0, {}, [])
        assert maker.preview(make_human(ROWS[3:5])) == []
        assert maker.estimate(make_human(ROWS[3:5])).calls == 0
