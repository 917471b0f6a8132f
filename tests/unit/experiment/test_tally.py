"""What calls have cost, told the same by a run that was cut off and by one that was not."""

from __future__ import annotations

from decimal import Decimal

from augtune.core.outcomes import Cost
from augtune.experiment.tally import Tallied
from augtune.llm.messages import Message, Reply
from augtune.llm.payments import Payment
from augtune.llm.providers.scripted import Scripted


def answered(cache, texts, price=None):
    """Return what it costs to have texts answered, which the cache may know already."""
    scripted = Scripted(lambda request: Reply("yes", tokens_in=10, tokens_out=2))
    with Tallied(scripted, cache=cache, price=price) as llm:
        asked = [llm.request(messages=[Message("user", text)], max_tokens=5) for text in texts]
        return llm.worth(lambda: llm.send_all(asked))[1]


def test_work_that_was_cut_off_is_worth_what_all_its_calls_cost(tmp_path):
    price = {"input": 1.0, "output": 2.0}
    whole = answered(tmp_path / "whole.sqlite", "abcd", price)
    assert whole == Cost(4 * 14e-6, 4, 0, 40, 8)
    answered(tmp_path / "cut.sqlite", "abc", price)
    assert answered(tmp_path / "cut.sqlite", "abcd", price) == whole
    assert answered(tmp_path / "cut.sqlite", "ab", price) == Cost(2 * 14e-6, 2, 0, 20, 4)


def test_calls_paid_for_before_the_price_was_known_are_worth_it_now(tmp_path):
    scripted = Scripted(lambda request: Reply("yes", tokens_in=10, tokens_out=2))
    with Tallied(scripted, cache=tmp_path / "c.sqlite", price={"input": 1.0, "output": 2.0}) as llm:
        request = llm.request(messages=[Message("user", "a")], max_tokens=5)
        llm._running().store.put(request, Reply("yes", tokens_in=10, tokens_out=2))
        llm._running().store.pay(Payment(request.key, None, 10, 2))
        llm._running().store.pay(Payment(request.key, Decimal("0.5"), 3, 1))  # its reply was lost at first
        assert llm.worth(lambda: llm.send(request))[1] == Cost(0.5 + 14e-6, 2, 0, 13, 3)


def test_work_that_asks_nothing_is_worth_nothing(tmp_path):
    with Tallied(Scripted([]), cache=tmp_path / "c.sqlite") as llm:
        assert llm.worth(lambda: "made") == ("made", Cost())
    assert not (tmp_path / "c.sqlite").exists()
