from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path
from typing import Any

import pytest

from augtune.core.errors import BudgetError, InputError, ProviderError
from augtune.core.outcomes import Cost
from augtune.llm.client import LLM
from augtune.llm.failures import CallError
from augtune.llm.messages import Reply, Request
from augtune.llm.providers.scripted import Scripted
from augtune.llm.settings import LLMSettings

from .conftest import Obedient


def prompts(llm: LLM, count: int, **sampling: Any) -> list[Request]:
    return [llm.request(prompt=f"{i}", max_tokens=5, **sampling) for i in range(count)]


def test_answers_are_in_the_order_of_the_requests():
    inner = Obedient(lambda request: request.text)
    llm = LLM(inner, max_in_flight=8)
    assert [reply.text for reply in llm.send_all(prompts(llm, 100))] == [str(i) for i in range(100)]
    assert inner.most_in_flight == 8
    assert llm.send_all([]) == []


def test_each_reply_is_kept_before_it_is_told_and_told_in_the_callers_thread(tmp_path: Path):
    llm = LLM(Obedient(lambda request: request.text), cache=tmp_path / "c.sqlite")
    wanted = prompts(llm, 50)
    told = {}

    def on_answer(index: int, answer: Any) -> None:
        assert threading.current_thread() is threading.main_thread()
        assert llm._running().store.get(wanted[index].key) == answer
        told[index] = answer

    replies = llm.send_all(wanted, on_answer=on_answer)
    assert [told[i] for i in range(50)] == replies
    llm.close()


def test_a_second_run_pays_nothing(tmp_path: Path):
    costs = []
    for _ in range(2):
        inner = Obedient(lambda _: Reply("Hello.", tokens_in=100, tokens_out=10))
        with LLM(inner, cache=tmp_path / "c.sqlite", price={"input": 1, "output": 10}) as llm:
            llm.send_all(prompts(llm, 10))
            in_use = llm.cost
            paid_for = llm.paid
        assert llm.cost == in_use
        costs.append((in_use, paid_for, len(inner.asked)))
    paid = Cost(0.002, 10, 0, 1000, 100)
    assert costs == [(paid, paid, 10), (Cost(0.0, 0, 10, 0, 0), paid, 0)]


def test_a_failed_request_has_its_error_in_its_place():
    llm = LLM(Obedient(lambda request: CallError("No.", "request") if request.text == "3" else request.text))
    answers = llm.send_all(prompts(llm, 6))
    assert [getattr(answer, "text", None) for answer in answers] == ["0", "1", "2", None, "4", "5"]
    assert isinstance(answers[3], ProviderError)
    with pytest.raises(ProviderError) as caught:
        llm.send(llm.request(prompt="3"))
    assert str(caught.value) == "No."


def test_what_fails_every_request_is_raised_and_stops_the_rest():
    inner = Obedient(lambda request: CallError("Wrong key.", "setup") if request.text == "5" else request.text)
    llm = LLM(inner, max_in_flight=2)
    told: list[int] = []
    with pytest.raises(CallError) as caught:
        llm.send_all(prompts(llm, 1000), on_answer=lambda index, _: told.append(index))
    assert str(caught.value) == "Wrong key."
    assert len(inner.asked) < 20
    assert len(told) == len(inner.asked) - 1  # those that were out have been waited for


def test_an_address_that_answered_before_is_given_another_chance():
    gone = CallError("Nothing answers.", "connection")
    policy = {"give_up_after_s": 0}
    llm = LLM(Obedient(lambda request: gone if request.text == "3" else request.text), max_in_flight=1, **policy)
    assert [isinstance(answer, Reply) for answer in llm.send_all(prompts(llm, 5))] == [True, True, True, False, True]
    unreached = LLM(Obedient(lambda _: gone), **policy)
    with pytest.raises(CallError, match=r"^Nothing answers \(given up after 1 attempt\)\.$"):
        unreached.send_all(prompts(unreached, 5))


def test_most_calls_failing_stops_early_and_says_why():
    inner = Obedient(lambda request: CallError("Too long.", "request", hint="Shorten it."))
    llm = LLM(inner, max_in_flight=4)
    with pytest.raises(ProviderError) as caught:
        llm.send_all(prompts(llm, 1000))
    assert str(caught.value) == (
        "stopped early: 20 of the last 20 calls failed, the last one so: Too long.\n  Shorten it."
    )
    assert len(inner.asked) < 40


def test_a_third_of_calls_failing_is_lived_with():
    llm = LLM(Obedient(lambda request: CallError("No.", "request") if int(request.text) % 3 == 0 else "Hello."))
    answers = llm.send_all(prompts(llm, 300))
    assert sum(isinstance(answer, Reply) for answer in answers) == 200


def test_calls_of_another_model_without_a_price_are_not_charged_at_this_ones(tmp_path: Path):
    cache = tmp_path / "c.sqlite"
    reply = Reply("A.", tokens_in=1_000_000, tokens_out=1)

    class Named(Obedient):
        def __init__(self, model: str) -> None:
            super().__init__(lambda _: reply)
            self.model = model

    price = {"input": 1.0, "output": 1.0}
    with LLM(Named("other"), cache=cache) as other:
        other.send_all(prompts(other, 2))
    with LLM(Named("one"), cache=cache) as one:
        one.send_all(prompts(one, 1))
    with LLM(Named("one"), cache=cache, price=price, budget="2.5 USD") as one:
        one.send(one.request(prompt="more", max_tokens=5))
        with pytest.raises(BudgetError, match=r"2\.000002 USD spent \(1\.000001 USD of it by earlier runs\)"):
            one.send(one.request(prompt="x" * 900_000, max_tokens=5))


@pytest.mark.parametrize("budget", ["100 calls", "0.001 USD", "1k tokens"])
def test_the_budget_holds_over_restarts_and_all_that_was_paid_for_is_kept(tmp_path: Path, budget: str):
    calls = []
    for raised in (budget, budget, budget.replace("0.001", "0.002").replace("100 ", "200 ").replace("1k", "2k")):
        inner = Obedient(lambda _: Reply("Hello.", tokens_in=9, tokens_out=1))
        with LLM(inner, cache=tmp_path / "c.sqlite", price={"input": 1, "output": 1}, budget=raised) as llm:
            told: list[Any] = []
            with pytest.raises(BudgetError, match=f"the budget of {LLMSettings(budget=raised).budget} is reached: "):
                llm.send_all(prompts(llm, 500), on_answer=lambda _, answer, told=told: told.append(answer))
            calls.append(len(inner.asked))
            assert len(told) == sum(calls) == llm.paid.calls
            assert all(answer == Reply("Hello.", tokens_in=9, tokens_out=1) for answer in told)
    assert calls == ([100, 0, 100] if budget == "100 calls" else [97, 0, 100])


def test_it_works_inside_a_running_loop():
    async def notebook() -> str:
        llm = LLM(Scripted(["Hello."]))
        return llm.send(llm.request(prompt="Hi.")).text

    assert asyncio.run(notebook()) == "Hello."


def test_an_error_in_the_callback_stops_the_rest_and_is_the_callers():
    inner = Obedient(lambda request: request.text)
    llm = LLM(inner, max_in_flight=2)

    def on_answer(index: int, answer: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        llm.send_all(prompts(llm, 5000), on_answer=on_answer)
    assert len(inner.asked) < 5000
    assert llm.send(llm.request(prompt="again")).text == "again"


def test_a_stop_does_not_wait_for_calls_that_wait():
    def act(request: Request) -> Any:
        if request.text == "0":
            return CallError("Slow down.", "limit", retry_after_s=300.0)
        return CallError("Wrong key.", "setup")

    llm = LLM(Obedient(act))
    with pytest.raises(CallError, match=r"^Wrong key\.$"):
        llm.send_all(prompts(llm, 2))


def test_a_bug_in_ones_own_provider_is_seen():
    llm = LLM(Obedient(lambda _: ZeroDivisionError("oops")))
    with pytest.raises(ZeroDivisionError):
        llm.send(llm.request(prompt="Hi."))


def test_a_request_has_the_models_address_and_the_extra_fields():
    llm = LLM("openai/gpt-4.1-mini", extra={"reasoning_effort": "none", "a": 1})
    request = llm.request(prompt="Hi.", temperature=0.5, extra={"a": 2})
    assert request == Request(
        "openai",
        "https://api.openai.com/v1",
        "gpt-4.1-mini",
        prompt="Hi.",
        temperature=0.5,
        extra={"reasoning_effort": "none", "a": 2},
    )
    with pytest.raises(InputError):
        llm.request()
    assert llm.name == "gpt-4.1-mini"
    assert repr(llm) == "openai/gpt-4.1-mini · $0.000"


def test_settings_decide_where_replies_are_kept(tmp_path: Path):
    script = tmp_path / "s.jsonl"
    script.write_text('"One."\n')
    for named, used in ((None, "run.sqlite"), (tmp_path / "own.sqlite", "own.sqlite")):
        settings = LLMSettings(model=f"scripted/{script}", cache=named)
        with LLM.from_settings(settings, cache=tmp_path / "run.sqlite") as llm:
            assert not (tmp_path / used).exists()  # nothing is written before the first call
            assert llm.send(llm.request(prompt="Hi.")).text == "One."
        assert (tmp_path / used).exists()


def test_a_forgotten_model_closes_what_it_opened():
    closed = threading.Event()

    class Closing(Obedient):
        async def aclose(self) -> None:
            closed.set()

    llm = LLM(Closing(lambda _: "Hello."))
    llm.send(llm.request(prompt="Hi."))
    del llm
    gc.collect()
    assert closed.wait(5)
