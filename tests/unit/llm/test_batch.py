"""Calls made in batches: one file, one price, one record; what a killed run left is picked up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from augtune.core.errors import BudgetError, ProviderError, SettingsError, StorageError
from augtune.llm.client import LLM
from augtune.llm.failures import may_be_billed
from augtune.llm.messages import Message, Reply, Request
from augtune.llm.prices import Price, list_price
from augtune.llm.providers.batch_files import read_lines
from batch_server import BatchServer

PRICE = {"input": 10.0, "output": 20.0, "batch": 0.5}
CALL_USD = (100 * 10 + 10 * 20) / 2 / 1e6


@pytest.fixture
def server(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> BatchServer:
    import augtune.llm.batch as module

    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(module, "GATHER_S", 0.03)
    return BatchServer(httpserver)


def model(server: BatchServer, cache: Path, **settings) -> LLM:
    batch = {"poll_s": 0.02, **settings.pop("batch", {})}
    return LLM("openai/m", base_url=server.url, cache=cache, batch=batch, price=PRICE, **settings)


def chats(llm: LLM, *prompts: str) -> list[Request]:
    return [llm.request(messages=[Message("user", prompt)], max_tokens=20) for prompt in prompts]


def texts(answers: list) -> list[str]:
    return [answer.text if isinstance(answer, Reply) else f"{type(answer).__name__}" for answer in answers]


def test_calls_go_in_one_file_and_cost_the_batch_price(server: BatchServer, tmp_path: Path):
    names = [f"p{i}" for i in range(70)]
    with model(server, tmp_path / "c.sqlite") as llm:
        assert texts(llm.send_all(chats(llm, *names))) == [name.upper() for name in names]
        assert llm.cost.calls == 70
        assert llm.cost.usd == pytest.approx(70 * CALL_USD)
        assert texts(llm.send_all(chats(llm, *names))) == [name.upper() for name in names]
    assert len(server.batches) == 1
    batch = server.batches["batch-0"]
    assert (batch["endpoint"], batch["completion_window"]) == ("/v1/chat/completions", "24h")
    line = json.loads(server.files["file-0"].splitlines()[0])
    assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
    assert line["body"]["model"] == "m"
    assert line["body"]["max_tokens"] == 20


def test_the_same_cache_serves_single_calls_and_batches(server: BatchServer, tmp_path: Path):
    with model(server, tmp_path / "c.sqlite") as llm:
        llm.send_all(chats(llm, "a", "b"))
    with LLM("openai/m", base_url=server.url, cache=tmp_path / "c.sqlite") as llm:
        assert texts(llm.send_all(chats(llm, "b", "a"))) == ["B", "A"]
        assert (llm.cost.calls, llm.cost.cached) == (0, 2)


def test_completions_and_chats_go_in_batches_of_their_own_and_large_ones_in_parts(server: BatchServer, tmp_path: Path):
    with model(server, tmp_path / "c.sqlite", batch={"calls": 2}) as llm:
        asked = [*chats(llm, "a", "b", "c"), llm.request(prompt="d", max_tokens=5)]
        assert texts(llm.send_all(asked)) == ["A", "B", "C", "D"]
    ends = sorted((b["endpoint"], server.files[b["input_file_id"]].count("\n")) for b in server.batches.values())
    assert ends == [("/v1/chat/completions", 1), ("/v1/chat/completions", 2), ("/v1/completions", 1)]


def test_a_refused_call_fails_alone_and_a_failed_one_is_sent_again(
    server: BatchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    server.refuse = {"bad": (400, "Not this."), "rude": (403, "Flagged."), "slow": (500, "Later.")}
    with model(server, tmp_path / "c.sqlite") as llm:
        bad, rude, slow, good = llm.send_all(chats(llm, "bad", "rude", "slow", "good"))
    assert [answer.message for answer in (bad, rude) if isinstance(answer, ProviderError)] == [
        "openai/m: HTTP 400 in the batch: Not this.",
        "openai/m: HTTP 403 in the batch: Flagged.",
    ]
    assert texts([slow, good]) == ["SLOW", "GOOD"]
    assert len(server.batches) == 2


def test_an_expired_batch_keeps_what_was_made_and_the_next_run_sends_the_rest(server: BatchServer, tmp_path: Path):
    server.status, server.skip = "expired", {"late"}
    with model(server, tmp_path / "c.sqlite") as llm:
        with pytest.raises(ProviderError) as error:
            llm.send_all(chats(llm, "a", "late", "b"))
        assert llm.cost.usd == pytest.approx(2 * CALL_USD)
    assert error.value.message == "openai/m: the batch ended before this call was made: It was too late."
    assert error.value.hint == (
        "Such calls are not charged. Every reply is kept; run again to send the rest in a new batch."
    )
    server.status, server.skip = "completed", set()
    with model(server, tmp_path / "c.sqlite") as llm:
        assert texts(llm.send_all(chats(llm, "a", "late", "b"))) == ["A", "LATE", "B"]
        assert llm.paid.usd == pytest.approx(3 * CALL_USD)
    assert server.made == {"a": 1, "b": 1, "late": 1}


def test_a_cancelled_batch_says_so(server: BatchServer, tmp_path: Path):
    server.status = "cancelled"
    server.finish = lambda batch: None  # type: ignore[method-assign]
    with model(server, tmp_path / "c.sqlite") as llm, pytest.raises(ProviderError) as error:
        llm.send_all(chats(llm, "a"))
    assert error.value.message == "batch batch-0: it has cancelled before all calls were made."
    assert llm.cost.calls == 0


def test_a_batch_that_the_provider_finds_wrong_is_told_in_its_words(server: BatchServer, tmp_path: Path):
    server.status, server.problem = "failed", "The model m has no batches."
    with model(server, tmp_path / "c.sqlite") as llm, pytest.raises(ProviderError) as error:
        llm.send_all(chats(llm, "a"))
    assert error.value.message == "batch batch-0: the provider refused it: The model m has no batches."


def test_a_batch_whose_start_was_not_confirmed_is_found_by_its_name(server: BatchServer, tmp_path: Path):
    server.fail = {"POST /batches": [Response("lost", 599)]}
    with model(server, tmp_path / "c.sqlite") as llm:
        assert texts(llm.send_all(chats(llm, "a", "b"))) == ["A", "B"]
    assert len(server.batches) == 1


def test_bad_weather_while_a_batch_is_watched_is_waited_out(server: BatchServer, tmp_path: Path):
    bad = [Response("{}", 503, content_type="application/json"), Response("{}", 429, content_type="application/json")]
    server.fail = {"POST /files": bad[:1], "GET /batches/batch": list(bad), "GET /files/file/content": bad[:1]}
    with model(server, tmp_path / "c.sqlite") as llm:
        assert texts(llm.send_all(chats(llm, "a"))) == ["A"]
    assert server.made == {"a": 1}


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_ends_the_run_at_once_and_leaves_nothing_behind(server: BatchServer, tmp_path: Path, status: int):
    with model(server, tmp_path / "c.sqlite") as llm:
        llm.send_all(chats(llm, "answered"))
    refusal = Response('{"error": {"message": "Wrong key."}}', status, content_type="application/json")
    server.fail = {"POST /files": [refusal]}
    with model(server, tmp_path / "c.sqlite") as llm:
        with pytest.raises(ProviderError) as error:
            llm.send_all(chats(llm, "answered", "a"))
        assert error.value.message == f"batch: HTTP {status} from {server.url}: Wrong key."
        assert texts(llm.send_all(chats(llm, "a"))) == ["A"]
    assert server.made == {"answered": 1, "a": 1}


def test_a_provider_that_goes_away_is_no_loss_the_next_run_picks_the_batch_up(server: BatchServer, tmp_path: Path):
    server.fail = {"GET /batches/batch": [Response("{}", 503, content_type="application/json")] * 50}
    with model(server, tmp_path / "c.sqlite", give_up_after_s=0.02, budget="0.01 USD") as llm:
        with pytest.raises(ProviderError) as error:
            llm.send_all(chats(llm, "a", "b"))
        assert error.value.hint == "The batch goes on at the provider and is on record: run again to pick it up."
    server.fail = {}
    with model(server, tmp_path / "c.sqlite", budget="0.01 USD") as llm:
        assert texts(llm.send_all(chats(llm, "b", "c", "a"))) == ["B", "C", "A"]
        assert llm.paid.usd == pytest.approx(3 * CALL_USD)
    assert server.made == {"a": 1, "b": 1, "c": 1}


def gone(status: int = 404) -> Response:
    return Response('{"error": {"message": "No such thing."}}', status, content_type="application/json")


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("path", ["GET /batches/batch", "GET /files/file/content"])
def test_a_batch_that_is_gone_is_booked_at_its_most_and_sent_anew_by_the_next_run(
    server: BatchServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str, status: int
):
    for _ in range(2):
        server.fail = {path: [gone(status)]}
        with model(server, tmp_path / "c.sqlite", budget="4 calls") as llm:
            if len(server.batches) == 0:
                with pytest.raises(ProviderError) as error:
                    llm.send_all(chats(llm, "a", "b"))
                assert error.value.hint == (
                    "The batch goes on at the provider and is on record: run again to pick it up."
                )
                assert (len(server.batches), llm.paid.calls, caplog.messages) == (1, 0, [])
            else:
                assert texts(llm.send_all(chats(llm, "b", "a"))) == ["B", "A"]
                assert (llm.paid.calls, llm.paid.tokens_out) == (4, 2 * 20 + 2 * 10)
    assert sum(server.files[batch["input_file_id"]].count("\n") for batch in server.batches.values()) == 4
    assert caplog.messages == [
        f"a batch of an earlier run is gone (batch: HTTP {status} from {server.url}: No such thing): its 2 calls are "
        "booked at the most that may be billed, and sent again where still asked for"
    ]


def test_a_batch_that_is_gone_and_asked_for_no_more_is_booked_and_forgotten(server: BatchServer, tmp_path: Path):
    for prompts in ("a", "b", "c"):
        server.fail = {"GET /batches/batch": [gone()] if prompts != "c" else []}
        with model(server, tmp_path / "c.sqlite") as llm:
            if prompts == "a":
                with pytest.raises(ProviderError):
                    llm.send_all(chats(llm, prompts))
            else:
                assert texts(llm.send_all(chats(llm, prompts))) == [prompts.upper()]
    with model(server, tmp_path / "c.sqlite") as llm:
        assert (llm.paid.calls, llm.paid.tokens_out) == (3, 20 + 2 * 10)
    assert len(server.batches) == 3


def test_a_batch_at_another_address_is_not_given_up(server: BatchServer, tmp_path: Path):
    names = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}
    here, host = server.url, next(name for name in names if name in server.url)
    server.fail = {"GET /batches/batch": [gone(), gone()]}
    with model(server, tmp_path / "c.sqlite") as llm, pytest.raises(ProviderError):
        llm.send_all(chats(llm, "a"))
    server.url = here.replace(host, names[host])
    with model(server, tmp_path / "c.sqlite") as llm:
        assert texts(llm.send_all(chats(llm, "b"))) == ["B"]
    server.url = here
    with model(server, tmp_path / "c.sqlite") as llm:
        assert texts(llm.send_all(chats(llm, "a"))) == ["A"]
        assert llm.paid.calls == 2
    assert server.made == {"a": 1, "b": 1}


def test_what_batches_of_earlier_runs_may_cost_is_set_aside(server: BatchServer, tmp_path: Path):
    server.looks = 10**9
    with model(server, tmp_path / "c.sqlite") as llm:
        loop_error = _interrupted(llm, chats(llm, *"abcd"))
        assert loop_error == "stop"
        assert llm.paid.calls == 0
    server.looks = 5
    with model(server, tmp_path / "c.sqlite", budget="5 calls") as llm:
        with pytest.raises(BudgetError, match="the budget of 5 calls is reached"):
            llm.send_all(chats(llm, *"xyz"))
        assert llm.paid.calls == 5
        assert texts(llm.send_all(chats(llm, *"abcd"))) == list("ABCD")
    assert {name: server.made[name] for name in "abcd"} == dict.fromkeys("abcd", 1)
    assert sum(server.made.values()) == 5


def _interrupted(llm: LLM, requests: list[Request]) -> str:
    """Give up on a batch once it is on record, as Ctrl-C does."""
    import threading
    import time

    import augtune.llm.loop as loop

    def abandon() -> None:
        while not llm._running().store.execute("SELECT 1 FROM jobs WHERE id IS NOT NULL"):
            time.sleep(0.01)
        loop.call_soon(_cancel_all)

    def _cancel_all() -> None:
        import asyncio

        for task in asyncio.all_tasks():
            if "_work" in repr(task) and "Dispatch" in repr(task):
                task.cancel()

    thread = threading.Thread(target=abandon)
    thread.start()
    try:
        llm.send_all(requests)
    except KeyError:
        return "stop"
    finally:
        thread.join()
    return "done"


def test_a_batch_of_a_run_killed_before_it_was_sent_is_sent_anew(server: BatchServer, tmp_path: Path):
    from augtune.llm.jobs import Jobs
    from augtune.llm.store import Store

    path = tmp_path / "c.sqlite"
    with model(server, tmp_path / "other.sqlite") as llm:
        asked = chats(llm, "a", "b")
    store = Store(path)
    jobs = Jobs(store, path)
    jobs.add(asked)
    jobs.close()
    store.close()
    with model(server, path, budget="2 calls") as llm:
        assert texts(llm.send_all(chats(llm, "b", "a"))) == ["B", "A"]
    assert server.made == {"a": 1, "b": 1}


def test_replies_kept_by_a_run_killed_before_it_booked_them_are_booked(server: BatchServer, tmp_path: Path):
    from augtune.llm.jobs import Jobs
    from augtune.llm.store import Store

    path = tmp_path / "c.sqlite"
    with model(server, tmp_path / "other.sqlite") as llm:
        asked = chats(llm, "a", "b")
    store = Store(path)
    jobs = Jobs(store, path)
    job = jobs.started(jobs.add(asked), "batch-9")
    jobs.keep(job, [(request.key, Reply("x", tokens_in=100, tokens_out=10)) for request in asked[:1]])
    jobs.close()
    store.close()
    for _ in range(2):
        with model(server, path) as llm:
            assert texts(llm.send_all(asked[:1])) == ["x"]
            assert llm.paid.usd == pytest.approx(CALL_USD)
    assert not server.batches


def test_one_process_at_a_time_has_the_batches_of_a_cache(server: BatchServer, tmp_path: Path):
    path = tmp_path / "c.sqlite"
    with model(server, path) as first:
        first.send_all(chats(first, "a"))
        with pytest.raises(StorageError) as error:
            model(server, path).send_all(chats(first, "b"))
    assert error.value.message == f"{path}: another process has batches under way with this cache."


def test_batches_need_a_file_to_be_kept_in_and_a_provider_that_has_them(server: BatchServer):
    with pytest.raises(SettingsError) as error:
        LLM("openai/m", base_url=server.url, batch=True)
    assert str(error.value) == "llm.cache: missing; batch needs a file to keep in which batches are under way"
    with pytest.raises(SettingsError) as error:
        LLM("scripted/x.jsonl", batch=True)
    assert str(error.value) == "llm.batch: scripted/x.jsonl takes no batches; leave it out"
    with pytest.raises(SettingsError) as error:
        LLM("openai/m", base_url=server.url, batch={"pol_s": 1})
    assert str(error.value) == "llm.batch.pol_s: unknown key; did you mean 'poll_s'?"
    assert LLM("openai/m", base_url=server.url, batch=False).is_batch is False


def test_the_batch_price_is_a_share_of_the_price_and_takes_nothing_off_twice():
    price = Price(input=2.0, cached=0.5, output=8.0, batch=0.5).in_batch()
    assert (price.input, price.output, price.cached) == (1.0, 4.0, None)
    assert Price(input=2.0, output=8.0).in_batch() == Price(input=2.0, output=8.0)
    listed = list_price("openai", "gpt-4.1-mini")
    assert listed is not None
    assert listed.in_batch().output == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"code": 429, "message": "Slow down."}, "openai/m: HTTP 429 in the batch: Slow down."),
        ("Oops.", "openai/m: HTTP 500 in the batch: Oops."),
    ],
)
def test_an_error_in_a_line_of_status_200_is_told_and_not_paid_for(told: object, said: str):
    request = LLM("openai/m").request(messages=[Message("user", "a")], max_tokens=20)
    entry = {"custom_id": request.key, "response": {"status_code": 200, "body": {"error": told}}}
    found = read_lines(json.dumps(entry), {request.key: request})[request.key]
    assert isinstance(found, ProviderError)
    assert (found.message, found.retryable, may_be_billed(found)) == (said, True, False)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("within", ["\u2028", "\u2029", "\u0085", "\x7f"])
def test_a_reply_with_an_end_of_line_of_its_own_is_read_whole(within: str, end: str):
    llm = LLM("openai/m")
    asked = {request.key: request for request in chats(llm, "a", "b")}
    body = {"choices": [{"message": {"content": f"one{within}two"}}]}
    lines = [{"custom_id": key, "response": {"status_code": 200, "body": body}} for key in asked]
    text = "".join(json.dumps(line, ensure_ascii=False) + end for line in lines)
    assert read_lines(text, asked) == dict.fromkeys(asked, Reply(f"one{within}two"))
