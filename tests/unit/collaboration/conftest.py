"""A small task, a classifier's predictions of it, and a model whose replies a test writes down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from augtune.core.dataset import Example, HumanDataset
from augtune.core.labels import Labels
from augtune.core.tables import Predictions
from augtune.llm.client import LLM
from augtune.llm.messages import Request
from augtune.llm.providers.scripted import Scripted

TRAIN = [
    ("a boring film", "negative"),
    ("awful acting", "negative"),
    ("never a good story", "negative"),
    ("a fun movie", "positive"),
    ("great acting", "positive"),
    ("love this story", "positive"),
]
TEST = [("a really boring story", "negative"), ("great fun", "positive"), ("an awful film", "negative")]


def human(rows: Sequence[tuple[str, str]], name: str, labels: Labels | None = None) -> HumanDataset:
    order = labels or Labels.found_in([label for _, label in rows])
    examples = [Example(f"{name}-{i}", text, label) for i, (text, label) in enumerate(rows)]
    return HumanDataset.from_examples(examples, order, name=name)


@pytest.fixture
def make_human() -> Callable[..., HumanDataset]:
    return human


@pytest.fixture
def train() -> HumanDataset:
    return human(TRAIN, "train")


@pytest.fixture
def test() -> HumanDataset:
    return human(TEST, "test")


@pytest.fixture
def guesses(test: HumanDataset) -> Predictions:
    """A classifier's predictions of the test rows; the last is wrong and unsure."""
    return Predictions(test.ids, np.array([[0.9, 0.1], [0.2, 0.8], [0.45, 0.55]]), test.labels, "small", "abc123")


@pytest.fixture
def answering() -> Callable[..., Any]:
    """``answering(reply)``: a model that answers by a function of the request; ``.seen`` has what it was asked."""

    def make(reply: Callable[[Request], Any]) -> Any:
        seen: list[Request] = []

        def record(request: Request) -> Any:
            seen.append(request)
            return reply(request)

        return SimpleNamespace(llm=LLM(Scripted(record), max_in_flight=1), seen=seen)

    return make
