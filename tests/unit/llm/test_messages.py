from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augtune.core.errors import InputError
from augtune.llm.messages import Message, Reply, Request, TokenLogprobs

BASE = Request("openai", "https://a/v1", "m", (Message("user", "Hi."),))
OTHER: dict[str, Any] = {
    "provider": "azure",
    "base_url": "https://b/v1",
    "model": "n",
    "messages": (Message("system", "Hi."),),
    "temperature": 0.0,
    "top_p": 0.5,
    "max_tokens": 5,
    "stop": ("\n",),
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
    "logprobs": 0,
    "schema": {},
    "seed": 0,
    "draw": 1,
    "extra": {"reasoning_effort": "none"},
    "continuations": (" yes", " no"),
}


@pytest.mark.parametrize("name", [item.name for item in fields(Request)])
def test_the_key_changes_with_every_field(name: str):
    if name == "prompt":
        assert replace(BASE, messages=(), prompt="Hi.").key != BASE.key
    else:
        assert replace(BASE, **{name: OTHER[name]}).key != BASE.key


def test_keys_of_all_variants_differ():
    variants = [replace(BASE, **{name: value}) for name, value in OTHER.items()]
    assert len({request.key for request in [BASE, *variants]}) == len(OTHER) + 1


def test_the_key_stays_as_it_is_from_version_to_version():
    # Every cache and recording rests on it: a new field has to be absent from the key while it has its default.
    assert BASE.key == "7390c2650c6a61ce89f9b27a639edbae1e126b0a42b4f08610d1b07a6ae765d3"


def test_the_key_does_not_change_with_how_the_request_was_written():
    written = replace(BASE, temperature=1, stop=("a", "b"), extra={"x": 1, "y": 2})
    other = replace(BASE, temperature=1.0, stop=["a", "b"], extra={"y": 2, "x": 1})
    assert written.key == other.key
    assert written == other
    assert hash(written) == hash(other)


def test_a_request_does_not_change_with_the_schema_it_was_given():
    schema = {"type": "object"}
    request = replace(BASE, schema=schema)
    schema["type"] = "array"
    assert request.schema == {"type": "object"}


def test_a_request_needs_messages_or_a_prompt():
    message = "a request needs either messages (a chat) or a prompt (a text to continue)."
    with pytest.raises(InputError) as neither:
        Request("openai", None, "m")
    with pytest.raises(InputError) as both:
        replace(BASE, prompt="Hi.")
    assert str(neither.value) == str(both.value) == message
    assert Request("openai", None, "m", prompt="").text == ""


def test_extra_fields_cannot_undo_what_the_budget_rests_on():
    with pytest.raises(InputError) as caught:
        replace(BASE, extra={"n": 3, "max_tokens": 9, "reasoning_effort": "none"})
    assert str(caught.value) == (
        "extra may not hold max_tokens, n: give a field of that meaning to the request, one call gives one whole reply"
    )


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
requests = st.builds(
    Request,
    texts,
    st.none() | texts,
    texts,
    st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), texts), min_size=1, max_size=3),
    temperature=numbers,
    top_p=numbers,
    max_tokens=st.none() | st.integers(0, 99),
    stop=st.lists(texts, max_size=2),
    logprobs=st.none() | st.integers(0, 20),
    schema=st.none() | st.dictionaries(texts, texts, max_size=2),
    seed=st.none() | st.integers(0, 9),
    draw=st.integers(0, 9),
    extra=st.dictionaries(texts, texts, max_size=2),
)
tokens = st.builds(
    TokenLogprobs,
    texts,
    st.floats(-99, 0),
    st.lists(st.tuples(texts, st.floats(-99, 0)), max_size=3).map(tuple),
)
replies = st.builds(
    Reply,
    texts,
    st.sampled_from(["stop", "length", "refusal", "other"]),
    tokens_in=st.integers(0, 99),
    tokens_out=st.integers(0, 99),
    tokens_cached=st.integers(0, 99),
    logprobs=st.none() | st.lists(tokens, max_size=3).map(tuple),
    model=st.none() | texts.filter(bool),
)


@given(requests)
def test_a_request_is_the_same_after_json(request: Request):
    back = Request.from_json(request.to_json())
    assert back == request
    assert back.key == request.key


@given(replies)
def test_a_reply_is_the_same_after_json(reply: Reply):
    assert Reply.from_json(reply.to_json()) == reply


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply("Hello."), None),
        (Reply("Hel", "length"), "the reply was cut off at max_tokens"),
        (Reply("I can't.", "refusal"), "the model refused to answer"),
        (Reply("x", "other"), "the model stopped for an unknown reason"),
        (Reply(" \n"), "the reply was empty"),
    ],
)
def test_a_reply_says_why_it_is_no_data(reply: Reply, problem: str | None):
    assert reply.problem == problem
