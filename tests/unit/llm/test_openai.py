"""The provider of OpenAI-compatible addresses, against a server on this machine that misbehaves on demand."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import openai  # noqa: F401  (loaded before any time limit runs)
import pytest
from werkzeug import Request as HttpRequest
from werkzeug import Response

from augtune.core.errors import InputError, ProviderError
from augtune.llm.client import LLM
from augtune.llm.messages import Message, Reply, TokenLogprobs

from .conftest import Server, chat

KEY = "sk-secret-0123456789abcdef"
HI = [Message("system", "Be short."), Message("user", "Hi.")]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Waits between attempts as short as tests need them, and a key in the environment."""
    monkeypatch.setattr("augtune.llm.layers.retry.Retry._wait_s", lambda *_: 0.01)
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    yield
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes()


def llm_of(server: Server, **settings: Any) -> LLM:
    return LLM("openai/m", base_url=server.base_url, **{"api_key_env": "MY_KEY", "cache": "c.sqlite", **settings})


def failure(llm: LLM, **sampling: Any) -> ProviderError:
    """Return the error of a call, after looking for the key in all that is shown of it."""
    with llm, pytest.raises(ProviderError) as caught:
        llm.send(llm.request(messages=HI, **sampling))
    error = caught.value
    shown = "".join(traceback.format_exception(error, chain=True)) + repr(error) + repr(llm) + repr(llm._provider)
    assert KEY not in shown
    return error


def test_a_chat_is_answered(server: Server):
    server.answers(chat())
    with llm_of(server) as llm:
        reply = llm.send(
            llm.request(messages=HI, temperature=0.5, top_p=0.9, max_tokens=7, stop=("\n",), draw=3, seed=1)
        )
    assert reply == Reply("Hello.", "stop", tokens_in=12, tokens_out=3, tokens_cached=4, model="m-2026")
    assert server.keys == [f"Bearer {KEY}"]
    assert server.bodies == [
        {
            "model": "m",
            "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi."}],
            "temperature": 0.5,
            "top_p": 0.9,
            "max_tokens": 7,
            "stop": ["\n"],
            "seed": 1,
        }
    ]


def test_a_text_is_continued_in_the_legacy_form(server: Server):
    logprobs = {
        "tokens": [" good", "."],
        "token_logprobs": [-0.1, -0.5],
        "top_logprobs": [{" bad": -3.0, " good": -0.1}, None],
    }
    choice = {"text": " good.", "finish_reason": "length", "logprobs": logprobs}
    server.answers({"choices": [choice]}, path="/v1/completions")
    with llm_of(server) as llm:
        reply = llm.send(llm.request(prompt="It is", max_tokens=2, logprobs=2, frequency_penalty=0.02))
    good = TokenLogprobs(" good", -0.1, ((" good", -0.1), (" bad", -3.0)))
    assert reply == Reply(" good.", "length", logprobs=(good, TokenLogprobs(".", -0.5)))
    assert server.bodies == [
        {"model": "m", "prompt": "It is", "max_tokens": 2, "logprobs": 2, "frequency_penalty": 0.02}
    ]


def test_a_schema_logprobs_and_extra_fields_are_asked_for(server: Server):
    token = {
        "token": "He",
        "logprob": -0.2,
        "top_logprobs": [{"token": "He", "logprob": -0.2}, {"token": "x", "logprob": -1e9}],
    }
    body = chat()
    body["choices"][0]["logprobs"] = {"content": [token]}
    server.answers(body)
    with llm_of(server, extra={"reasoning_effort": "none"}) as llm:
        reply = llm.send(llm.request(messages=HI, schema={"type": "object"}, logprobs=2))
        with pytest.raises(InputError) as caught:
            llm.send(llm.request(prompt="Hi.", schema={"type": "object"}))
    assert reply.logprobs == (TokenLogprobs("He", -0.2, (("He", -0.2), ("x", -9999.0))),)
    sent = server.bodies[0]
    assert (sent["logprobs"], sent["top_logprobs"], sent["reasoning_effort"]) == (True, 2, "none")
    assert sent["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "reply", "schema": {"type": "object"}, "strict": True},
    }
    assert str(caught.value) == "a schema can be asked for in a chat (messages) only, not for a prompt to be continued."


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        (chat("Hel", "length"), Reply("Hel", "length")),
        (chat(None, "stop", refusal="I can't."), Reply("I can't.", "refusal")),
        (chat("", "content_filter"), Reply("", "refusal")),
        (chat(None), Reply("")),
        (chat("Hello.", None), Reply("Hello.")),
        (chat("Hello.", "tool_calls"), Reply("Hello.", "other")),
        (chat([{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo."}]), Reply("Hello.")),  # type: ignore[arg-type]
        (chat("a\ud800b"), Reply("a?b")),
        (
            {"choices": [{"message": {"content": "Hello."}, "logprobs": {"content": None}}], "usage": None},
            Reply("Hello."),
        ),
        ({"choices": [{"message": {"content": "Hello."}, "logprobs": {"content": [{"token": 1}]}}]}, Reply("Hello.")),
    ],
)
def test_every_dialect_of_a_reply_is_read(server: Server, body: Any, reply: Reply):
    server.answers(body)
    with llm_of(server) as llm:
        found = llm.send(llm.request(messages=HI, logprobs=1))
    assert (found.text, found.finish_reason, found.logprobs) == (reply.text, reply.finish_reason, None)


@pytest.mark.parametrize(
    ("usage", "tokens_in", "tokens_out"),
    [
        ({"total_tokens": 524, "completion_tokens_details": {"reasoning_tokens": 500}}, 21, 503),
        ({"total_tokens": 24}, 21, 3),
        ({"total_tokens": 7}, 21, 3),
        ({"total_tokens": -1}, 21, 3),
        ({"total_tokens": True}, 21, 3),
        ({"total_tokens": "524"}, 21, 3),
        ({"total_tokens": 524, "prompt_tokens": None}, 0, 3),
        ({"prompt_tokens": True}, 0, 3),
    ],
)
def test_thinking_that_only_the_total_counts_is_paid_for(
    server: Server, usage: dict[str, Any], tokens_in: int, tokens_out: int
):
    server.answers({**chat(), "usage": {"prompt_tokens": 21, "completion_tokens": 3, **usage}})
    with llm_of(server, cache=None, price={"input": 1.0, "output": 10.0}) as llm:
        llm.send(llm.request(messages=HI, max_tokens=600))
        assert (llm.cost.tokens_in, llm.cost.tokens_out) == (tokens_in, tokens_out)
        assert llm.cost.usd == pytest.approx((tokens_in + 10 * tokens_out) / 1e6)


def error_body(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "error", "code": code}}


@pytest.mark.parametrize(
    ("status", "body", "message", "hint", "calls"),
    [
        (
            401,
            error_body(f"Incorrect API key provided: {KEY}."),
            "Incorrect API key provided: [key].",
            "Check the key in MY_KEY.",
            1,
        ),
        (
            403,
            error_body("No access."),
            "No access.",
            "Check the account's access to this model; if the provider flags this one text, leave the row out.",
            1,
        ),
        (
            404,
            error_body("The model `m` does not exist.", "model_not_found"),
            "The model `m` does not exist.",
            "Check the model's name in llm.model and the address in llm.base_url, which ends in /v1 as a rule.",
            1,
        ),
        (
            429,
            error_body("No money.", "insufficient_quota"),
            "No money.",
            "The account has no credit left at this provider.",
            1,
        ),
        (400, error_body("Too long."), "Too long.", None, 1),
        (422, {"detail": "Bad field."}, "{'detail': 'Bad field.'}", None, 1),
        (500, error_body("Oops."), "Oops. (given up after 6 attempts).", None, 6),
        (503, "<html><body>Bad gateway</body></html>", "a web page (given up after 6 attempts).", None, 6),
    ],
)
def test_an_error_says_what_to_do(server: Server, status: int, body: Any, message: str, hint: str | None, calls: int):
    server.answers((status, body, {}))
    error = failure(llm_of(server))
    assert error.message == f"openai/m: HTTP {status} from {server.base_url}: {message}".replace(". (g", " (g")
    assert (error.hint, error.exit_code) == (hint, 4)
    assert len(server.bodies) == calls


def test_a_flagged_request_fails_alone_once_the_model_has_answered(server: Server):
    server.answers(chat(), (403, error_body("Your input was flagged."), {}), chat())
    with llm_of(server, max_in_flight=1, own_process=False) as llm:
        answers = llm.send_all([llm.request(messages=HI, draw=draw) for draw in range(4)])
    assert [isinstance(answer, Reply) for answer in answers] == [True, False, True, True]
    assert isinstance(answers[1], ProviderError)
    assert answers[1].message == f"openai/m: HTTP 403 from {server.base_url}: Your input was flagged."
    assert len(server.bodies) == 4


@pytest.mark.parametrize("after", ["0", "0.01", "soon", "date", None])
def test_a_limit_is_waited_for(server: Server, after: str | None):
    headers = (
        {} if after is None else {"retry-after": formatdate(time.time() - 5, usegmt=True) if after == "date" else after}
    )
    server.answers((429, error_body("Slow down."), headers), (500, "", {}), chat())
    with llm_of(server) as llm:
        assert llm.send(llm.request(messages=HI)).text == "Hello."
        assert llm.cost.calls == 1
    assert len(server.bodies) == 3


def test_a_stalled_server_is_a_time_out(server: Server):
    server.answers(lambda _: time.sleep(0.4) or Response("late"), chat())
    with llm_of(server, timeout_s=0.3) as llm:
        assert llm.send(llm.request(messages=HI)).text == "Hello."
        assert llm.cost.calls == 2  # the reply that was not waited for may be billed


def test_a_slow_trickle_is_a_time_out(server: Server):
    def trickle(_: HttpRequest) -> Response:
        def letters() -> Iterator[str]:
            for letter in '{"choices": [':
                time.sleep(0.04)
                yield letter

        return Response(letters(), content_type="application/json")

    server.answers(trickle, chat())
    with llm_of(server, timeout_s=0.2) as llm:
        assert llm.send(llm.request(messages=HI)).text == "Hello."


@pytest.mark.parametrize("broken", ['{"choices": [{"mess', "", '{"choices": []}', '{"object": "error"}', "[]", "null"])
def test_a_broken_reply_is_asked_for_again(server: Server, broken: str):
    server.answers((200, broken, {}), chat())
    with llm_of(server) as llm:
        assert llm.send(llm.request(messages=HI)).text == "Hello."
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("told", "said", "hint", "calls"),
    [
        ({"code": 404, "message": "No such model."}, "No such model.", "model's name in llm.model", 1),
        ({"code": "401", "message": f"Bad key {KEY}."}, "Bad key [key].", "Check the key in MY_KEY.", 1),
        ({"code": 400, "message": "Too long."}, "Too long.", None, 1),
        ({"code": "insufficient_quota", "message": "No money."}, "No money.", "no credit left", 1),
        ({"code": 429, "message": "Slow down."}, "Slow down (given up after", "requests_per_minute", None),
        ({"code": True, "message": "Oops."}, "Oops (given up after 6 attempts).", None, 6),
        ("Unexpected endpoint.", "Unexpected endpoint (given up after 6 attempts).", None, 6),
    ],
)
def test_an_error_in_place_of_a_reply_is_told_and_not_paid_for(
    server: Server, told: Any, said: str, hint: str | None, calls: int | None
):
    server.answers({"error": told, "usage": {"prompt_tokens": 12}})
    llm = llm_of(server, price={"input": 1.0, "output": 10.0}, give_up_after_s=0.05)
    error = failure(llm, max_tokens=10)
    assert error.message.startswith(f"openai/m: an error in place of a reply from {server.base_url}: {said}")
    assert (error.hint or "") == "" if hint is None else hint in (error.hint or "")
    assert calls is None or len(server.bodies) == calls
    assert llm.cost.calls == 0


@pytest.mark.parametrize("choices", [{"choices": []}, {"choices": None}, {}])
def test_a_prompt_that_is_read_and_answered_with_nothing_is_an_empty_reply(server: Server, choices: Any):
    server.answers({**choices, "usage": {"prompt_tokens": 12, "completion_tokens": 0, "total_tokens": 12}})
    with llm_of(server) as llm:
        reply = llm.send(llm.request(messages=HI))
    assert (reply, reply.problem) == (Reply("", tokens_in=12), "the reply was empty")
    assert len(server.bodies) == 1


@pytest.mark.parametrize("start", ["", ": working on it\n\n", "event: message\n"])
def test_a_server_that_only_streams_is_told_so_at_once(server: Server, start: str):
    server.answers((200, start + 'data: {"choices": [{"delta": {"content": "hi"}}]}\n\ndata: [DONE]\n\n', {}))
    error = failure(llm_of(server))
    assert str(error) == (
        f"openai/m: {server.base_url} answered with a stream of events instead of one JSON object.\n"
        "  augtune asks for whole replies: have this server not stream them, or take another one."
    )
    assert len(server.bodies) == 1


def test_a_reply_that_stays_broken_is_an_error(server: Server):
    server.answers((200, f'{{"choices": [{{"{KEY}', {}))
    error = failure(llm_of(server))
    assert error.message == (
        'openai/m: the reply is not what the API gives: \'{"choices": [{"[key]\' (given up after 6 attempts).'
    )


def test_a_web_page_instead_of_json_is_a_wrong_address(server: Server):
    server.answers((200, "<!doctype html><title>Sign in</title>", {"content-type": "text/html"}))
    error = failure(llm_of(server))
    assert str(error) == (
        f"openai/m: {server.base_url} answered with a web page instead of JSON.\n"
        "  Check llm.base_url: it is the address of an API and ends in /v1 as a rule."
    )
    assert len(server.bodies) == 1


def test_nothing_answers_at_the_address(server: Server):
    server.base_url = "http://127.0.0.1:9/v1"
    error = failure(llm_of(server))
    assert str(error) == (
        "openai/m: nothing answers at http://127.0.0.1:9/v1 (given up after 4 attempts).\n"
        "  Check llm.base_url and the network, and that the server runs."
    )


def test_an_address_without_a_key_is_sent_none(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.answers(chat(), (401, error_body("Who are you?"), {}))
    with llm_of(server, api_key_env=None) as llm:
        llm.send(llm.request(messages=HI))
    assert server.keys == ["Bearer none"]
    error = failure(llm_of(server, api_key_env=None), draw=1)
    assert error.hint == "This address wants a key: name the environment variable that holds it in llm.api_key_env."


def test_no_key_is_said_before_anything_is_sent(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MY_KEY")
    with llm_of(server) as llm, pytest.raises(InputError) as caught:
        llm.send(llm.request(messages=HI))
    assert str(caught.value) == (
        "MY_KEY is not set; it has to hold the API key.\n"
        "  export MY_KEY=... or put that line into a file .env in this folder, and .env into .gitignore."
    )
    monkeypatch.setenv("MY_KEY", "two words")
    with llm_of(server) as llm, pytest.raises(InputError) as caught:
        llm.send(llm.request(messages=HI))
    assert str(caught.value) == "MY_KEY holds no usable API key: it has spaces or characters that no key has."


def test_a_key_is_read_from_dotenv(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("MY_KEY")
    (tmp_path / ".env").write_text('# keys\nOTHER=1\nexport MY_KEY="sk-from-file"\n')
    server.answers(chat())
    with llm_of(server) as llm:
        llm.send(llm.request(messages=HI))
    assert server.keys == ["Bearer sk-from-file"]


def test_the_key_is_in_no_recording_and_no_cache(server: Server, tmp_path: Path):
    server.answers(chat())
    with llm_of(server) as llm:
        llm.send(llm.request(messages=HI))
        llm.save_replies(tmp_path / "r.jsonl")
        llm.settings.to_json()
        assert KEY not in str(llm.settings) + repr(llm.settings) + repr(vars(llm)) + repr(llm._provider)
    with LLM(replay=tmp_path / "r.jsonl") as offline:
        assert offline.send(offline.request(messages=HI)).text == "Hello."
    assert len(server.bodies) == 1


def test_openai_itself_is_told_the_limit_in_its_own_word():
    llm = LLM("openai/gpt-4.1-mini")
    assert llm._provider.max_tokens_field == "max_completion_tokens"  # type: ignore[attr-defined]
