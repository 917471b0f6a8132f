"""What rows it would take to reach a score, off curves whose truth is known."""

import pytest

from augtune.choosing.plans import row_plans
from augtune.choosing.settings import ChooseSettings
from augtune.core.decision import LearningPoint
from augtune.core.errors import SettingsError

THERE = {"human": 100, "synthetic": 1000}


def curve(rows: str, slope: float, off: float, count: int = 100, score: float = 0.6) -> list[LearningPoint]:
    half = LearningPoint(rows, 0.5, count // 2, score - slope, -slope, (-slope - off, -slope + off))
    return [half, LearningPoint(rows, 1.0, count, score, 0.0, (0.0, 0.0))]


def test_a_doubling_is_asked_for_where_half_cost_what_is_missing():
    (plan,) = row_plans(curve("human", 0.04, 0.02), 0.0, 0.64, {"human": 0.5}, THERE)
    assert (plan.more, plan.interval, plan.usd, plan.because) == (100, (59, 300), 50.0, "")


def test_rows_that_were_held_out_from_the_curve_are_not_asked_for_again():
    learning = curve("human", 0.04, 0.02, count=80)  # a fifth of 100 rows judged
    (plan,) = row_plans(learning, 0.0, 0.64, {"human": 0.5}, THERE)
    assert (plan.more, plan.interval, plan.usd) == (60, (27, 220), 30.0)
    (none,) = row_plans(learning, 0.0, 0.61, {}, THERE)
    assert (none.more, none.usd, none.because) == (0, 0.0, "it is expected to be reached with the rows there are")


def test_the_cheapest_comes_first_and_unknown_prices_last():
    learning = [*curve("human", 0.04, 0.01), *curve("synthetic", 0.02, 0.005, count=1000)]
    cheap = row_plans(learning, 0.02, 0.64, {"human": 1.0, "synthetic": 0.002}, THERE)
    assert [(one.rows, one.more, one.usd) for one in cheap] == [
        ("synthetic", 1000, pytest.approx(2.0)),
        ("human", 42, pytest.approx(42.0)),
    ]
    assert [one.rows for one in row_plans(learning, 0.02, 0.64, {"human": 1.0}, THERE)] == ["human", "synthetic"]


def test_what_the_curve_cannot_say_is_not_said():
    (flat,) = row_plans(curve("human", 0.01, 0.02), 0.0, 0.64, {}, THERE)
    assert (flat.more, flat.because) == (None, "halving them cost nothing beyond chance, so no number can be told")
    (far,) = row_plans(curve("human", 0.02, 0.005), 0.0, 0.7, {}, THERE)
    assert (far.more, far.because) == (None, "it is further than two doublings, which the curve cannot say")
    (open_ended,) = row_plans(curve("human", 0.03, 0.02), 0.0, 0.64, {}, THERE)
    assert open_ended.interval[1] is None


def test_nothing_is_asked_for_where_nothing_is_missing():
    (plan,) = row_plans(curve("human", 0.04, 0.02), 0.05, 0.64, {"human": 1.0}, THERE)
    assert (plan.more, plan.usd, plan.because) == (0, 0.0, "it is expected to be reached with the rows there are")


def test_without_curves_there_is_no_plan():
    assert row_plans((), 0.0, 0.7, {}, THERE) == ()
    with pytest.raises(SettingsError, match="target: what it would take is read off the curves of learning"):
        ChooseSettings(target=0.8, learning=False)
