import pytest

from augtune.core.errors import DataError
from augtune.core.outcomes import Cost
from augtune.evaluation.cost import Bill, Item, Machine, token_usd


def test_published_costs_recompute():
    assert token_usd(11_049_720, 3.0) == pytest.approx(33.15, abs=0.005)
    eight = Machine("8 x V100", 4.40)
    assert eight.usd(2 * 3600 + 12 * 60 + 44) == pytest.approx(9.73, abs=0.005)


def test_bill_spreads_what_is_paid_once():
    bill = Bill((Item("training", 10.0, seconds=60), Item.of_calls("asking", Cost(2.0, calls=100), "running")), 100)
    assert (bill.once_usd, bill.running_usd, bill.usd, bill.seconds) == (10.0, 2.0, 12.0, 60)
    assert bill.usd_per_prediction() == pytest.approx(0.12)
    assert bill.usd_per_prediction(over=1_000) == pytest.approx(0.03)
    assert bill.usd_per_point(0.8) == pytest.approx(0.15)
    assert bill.usd_per_point(0.8, over=0.6) == pytest.approx(0.6)
    assert repr(bill) == "$12.00 (training $10.00, asking $2.00)"
    assert bill.to_json()["items"][1]["cost"]["calls"] == 100


def test_unknown_price_makes_the_sums_it_is_in_unknown():
    bill = Bill((Item("training", 1.0), Item.of_calls("asking", Cost(None, calls=1), "running")), 1)
    assert bill.once_usd == 1.0
    assert (bill.usd, bill.usd_per_prediction(), bill.usd_per_point(0.5)) == (None, None, None)
    assert repr(bill) == "price unknown (training $1.00, asking unknown)"


def test_bills_add_up():
    both = Bill((Item("a", 1.0),)) + Bill((Item.of_time("b", 1800, Machine("m", 2.0), "running"),), 5)
    assert (both.usd, both.predictions) == (2.0, 5)
    assert repr(Bill(())) == "$0.00"


def test_bill_refuses_what_has_no_answer():
    with pytest.raises(DataError, match=r"^a bill with running items has to say how many predictions"):
        Bill((Item("a", 1.0, "running"),))
    with pytest.raises(DataError, match=r"^cost per prediction: expected one prediction or more, got 0\.$"):
        Bill((Item("a", 1.0),)).usd_per_prediction()
    with pytest.raises(DataError, match=r"^cost per point: expected a value over 0\.5, got 0\.5\.$"):
        Bill((Item("a", 1.0),)).usd_per_point(0.5, over=0.5)
