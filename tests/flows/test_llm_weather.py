"""Bad weather on the way from a server to a row: what is no data is dropped with its reason, what is data comes whole."""

from __future__ import annotations

import itertools
import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request as HttpRequest
from werkzeug import Response

from augtune.core.dataset import Example, HumanDataset
from augtune.core.labels import Labels
from augtune.generation.base import generate
from augtune.generation.gpt3mix import Gpt3Mix
from augtune.generation.notebook import Notebook
from augtune.llm.client import LLM
from augtune.llm.messages import Message, Reply

TEXTS = [
    ("a joyless retread", "negative"),
    ("warm --- and funny (Label: Negative)", "positive"),
    ('Text: it drags "on"', "negative"),
    ("a real treat\nText: nothing (Label: Positive)", "positive"),
]


class Weather:
    """A server that gives prepared replies once each, whoever asks, and then new rows for ever."""

    def __init__(self, http: HTTPServer) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.url = http.url_for("/v1")
        self.lock = threading.Lock()
        self.left: list[Any] = []
        self.numbers = itertools.count()
        self.bodies: list[dict[str, Any]] = []
        self.refused = 0
        self.act: Callable[[], Any] = self.next
        http.expect_request("/v1/chat/completions").respond_with_handler(self.handle)
        http.expect_request("/v1/completions").respond_with_handler(self.handle)

    def next(self) -> Any:
        return self.left.pop() if self.left else f"row {next(self.numbers)} (Label: Positive)"

    def handle(self, request: HttpRequest) -> Response:
        with self.lock:
            self.bodies.append(request.get_json())
            found = self.act()
        if isinstance(found, Response):
            return found
        text, finish = found if isinstance(found, tuple) else (found, "stop")
        choice = {"message": {"content": text}, "text": text, "finish_reason": finish}
        body = {"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}
        return Response(json.dumps(body), content_type="application/json")


@pytest.fixture
def server() -> Iterator[Weather]:
    with HTTPServer(threaded=True) as http:
        yield Weather(http)


@pytest.fixture
def train() -> HumanDataset:
    rows = [Example(f"train-{i}", text, label) for i, (text, label) in enumerate(TEXTS)]
    return HumanDataset.from_examples(rows, Labels(("negative", "positive")), name="train")


def model(server: Weather, cache: Path, **settings: Any) -> LLM:
    return LLM("openai/m", base_url=server.url, cache=cache / "c.sqlite", budget="1000 calls", **settings)


def test_what_is_no_data_is_dropped_with_its_reason(server: Weather, train: HumanDataset, tmp_path: Path):
    server.left = [
        "",
        None,
        "a film (Label: Mixed)",
        "a film (Label: Pos",
        ("a film (Label: Positive)", "content_filter"),
        ("a film that goes on and", "length"),
        "a joyless retread (Label: Negative)",
        Response('{"error": {"message": "Not this one."}}', 400, content_type="application/json"),
    ]
    with model(server, tmp_path) as llm:
        made = generate(train, Gpt3Mix(count=5, attempts=5), llm=llm, seed=0)
    assert sorted(row.text for row in made.dataset) == [f"row {i}" for i in range(5)]
    assert Counter(row.reason for row in made.dropped) == {
        "empty": 2, "unknown label": 1, "unreadable": 1, "refused": 1, "cut off": 1, "copy": 1, "failed": 1
    }  # fmt: skip
    assert len(server.bodies) == len(made.dataset) + len(made.dropped)


def test_replies_that_are_odd_but_whole_are_rows(server: Weather, train: HumanDataset, tmp_path: Path):
    server.left = [
        "« ça traîne » (Label: Negative)",
        "„zäh wie Leder“ (Label: Negative)",
        "「退屈」 (Label: Negative)",
        "「退屈」 (Label: 「Negative」)",  # a label has to be the word itself
        "Text: a --- b (Label: Positive) c (Label: Negative)",
    ]
    with model(server, tmp_path) as llm:
        made = generate(train, Gpt3Mix(count=5, attempts=1), llm=llm, seed=0)
    assert {row.text: row.label for row in made.dataset} == {
        "« ça traîne »": "negative",
        "„zäh wie Leder“": "negative",
        "「退屈」": "negative",
        "a --- b (Label: Positive) c": "negative",
    }
    assert [(row.example.text, row.reason) for row in made.dropped] == [
        ("「退屈」 (Label: 「Negative」)", "unknown label")
    ]
    assert {row.soft_source for row in made.dataset} == {None}  # the server gave no log-probabilities


@pytest.mark.parametrize("form", ["chat", "completion"])
def test_texts_that_begin_with_t_w_or_e_come_whole(server: Weather, train: HumanDataset, tmp_path: Path, form: str):
    texts = ["this is it", "two of them", "we wept", "ever so slow", "t", "Tweet"]
    server.left = [
        f"{lead}{text} (Sentiment: positive)" for text, lead in zip(texts, itertools.cycle([" ", "Tweet: "]))
    ]
    with model(server, tmp_path) as llm:
        made = generate(train, Notebook(count=6, attempts=1, form=form), llm=llm, seed=0)
    assert sorted(row.text for row in made.dataset) == sorted(texts)


def test_several_draws_do_not_rest_on_a_server_that_knows_n_or_logprobs(
    server: Weather, train: HumanDataset, tmp_path: Path
):
    def act() -> Any:
        prompt = str(server.bodies[-1]["messages"])
        return "positive" if "Which label" in prompt else server.next()

    server.act = act
    with model(server, tmp_path) as llm:
        made = generate(train, Gpt3Mix(count=3, labels="auto", votes=3), llm=llm, seed=0)
    assert [(row.soft_source, row.probabilities) for row in made.dataset] == [("votes", (0.0, 1.0))] * 3
    assert any("logprobs" in body for body in server.bodies)
    assert not any("n" in body for body in server.bodies)
    assert len(server.bodies) == 3 + 3 * 3  # each draw is a call of its own


def test_a_storm_of_limits_is_sat_out(server: Weather, tmp_path: Path):
    calls = itertools.count()

    def storm() -> Any:
        if next(calls) % 3 < 2:  # two of three are refused
            server.refused += 1
            return Response("{}", 429, {"retry-after": "0.01"}, content_type="application/json")
        return "fine"

    server.act = storm
    with model(server, tmp_path, max_in_flight=64) as llm:
        asked = [llm.request(messages=[Message("user", f"{i}")], max_tokens=5) for i in range(60)]
        answers = llm.send_all(asked)
        assert [answer.text for answer in answers if isinstance(answer, Reply)] == ["fine"] * 60
        assert llm.cost.calls == llm.paid.calls == 60  # a refused call costs nothing
    assert len(server.bodies) == 60 + server.refused > 120
