"""A small labelled set and a model whose replies a test writes down."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from augtune.core.dataset import Example, HumanDataset
from augtune.core.labels import Labels
from augtune.llm.client import LLM
from augtune.llm.messages import Reply, Request
from augtune.llm.providers.scripted import Scripted

ROWS = [
    ("a joyless retread", "negative"),
    ("warm and funny", "positive"),
    ("it drags", "negative"),
    ("a real treat", "positive"),
    ("i laughed twice", "positive"),
    ("nothing new here", "negative"),
]


def human(rows, labels=None, name="train"):
    order = Labels(tuple(labels)) if labels else Labels.found_in([label for _, label in rows])
    examples = [Example(f"{name}-{i:04d}", text, label) for i, (text, label) in enumerate(rows)]
    return HumanDataset.from_examples(examples, order, name=name)


@pytest.fixture
def train() -> HumanDataset:
    """Six film reviews, three of each label."""
    return human(ROWS)


@pytest.fixture
def make_human() -> Callable[..., HumanDataset]:
    """``make_human([(text, label), ...])``."""
    return human


@pytest.fixture
def answering() -> Callable[..., LLM]:
    """``answering(lambda request: text)``; the requests it got are in ``llm.seen``."""

    def make(reply: Callable[[Request], str | Reply | Exception]) -> LLM:
        seen: list[Request] = []

        def record(request: Request) -> str | Reply | Exception:
            seen.append(request)
            return reply(request)

        llm = LLM(Scripted(record))
        llm.seen = seen  # type: ignore[attr-defined]
        return llm

    return make
