from __future__ import annotations

import numpy as np
import pytest

from augtune.embedding import encode
from augtune.generation.choose import Chooser
from augtune.generation.conditioned import Fewshot
from augtune.generation.gpt3mix import Gpt3Mix
from augtune.generation.keep import ANY

ROWS = [("a a a", "x"), ("a a b", "x"), ("b b a", "y"), ("b b b", "y"), ("c c c", "x")]


@pytest.fixture(autouse=True)
def by_letters(monkeypatch):
    """Texts as unit vectors of how often they have the letters a, b and c."""
    asked = []

    def embed(texts, *, encoder, **_):
        asked.append(encoder)
        counts = np.array([[text.count(letter) for letter in "abc"] for text in texts], dtype=np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)

    monkeypatch.setattr(encode, "embed", embed)
    return asked


def drawn(chooser, target=ANY, times=60):
    return [chooser.rows(target, np.random.default_rng(i)) for i in range(times)]


@pytest.mark.parametrize("choice", ["closest", "furthest"])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("target", [ANY, "y"])
def test_exactly_so_many_distinct_rows(make_human, choice, count, target):
    train = make_human(ROWS)
    for rows in drawn(Chooser(train, choice, count, encoder="e"), target):
        assert len(rows) == len(set(rows)) == count
        assert target == ANY or train.label_names[rows[-1]] == target


def test_closest_are_the_rows_most_like_a_random_one(make_human):
    pairs = {tuple(rows) for rows in drawn(Chooser(make_human(ROWS), "closest", 2, encoder="e"))}
    assert pairs == {(1, 0), (0, 1), (3, 2), (2, 3), (0, 4)}


def test_furthest_are_the_rows_least_like_it(make_human):
    pairs = {rows[-1]: rows[:-1] for rows in drawn(Chooser(make_human(ROWS), "furthest", 2, encoder="e"))}
    assert pairs == {0: [3], 1: [4], 2: [4], 3: [0], 4: [0]}


def test_the_most_alike_stands_beside_the_anchor_where_a_label_is_wanted(make_human):
    rows = {tuple(rows) for rows in drawn(Chooser(make_human(ROWS), "closest", 3, encoder="e"), "y")}
    assert rows == {(1, 3, 2), (1, 2, 3)}


def test_prompts_of_the_generators_use_it_and_embed_once(make_human, by_letters):
    train = make_human(ROWS)
    prompts = Gpt3Mix(choose="closest", form="completion", encoder="mine").preview(train, count=40)
    shown = {tuple(line.split(": ")[1].split(" (")[0] for line in prompt.splitlines()[2:-1]) for prompt in prompts}
    assert shown == {("a a b", "a a a"), ("a a a", "a a b"), ("b b b", "b b a"), ("b b a", "b b b"), ("a a a", "c c c")}
    assert by_letters == ["mine"]
    for prompt in Fewshot(choose="furthest", examples=2, per_class={"x": 20}).preview(train, count=20):
        assert "- c c c" in prompt
        assert "- a a" in prompt


def test_nothing_is_embedded_where_likeness_plays_no_part(make_human, by_letters):
    for choice in ("uniform", "balanced", "independent"):
        drawn(Chooser(make_human(ROWS), choice, 2, encoder="e"))
    drawn(Chooser(make_human(ROWS), "closest", 1, encoder="e"))
    assert by_letters == []


def test_independent_may_show_a_row_twice(make_human):
    rows = drawn(Chooser(make_human(ROWS), "independent", 2, encoder="e"), times=300)
    share = np.mean([a == b for a, b in rows])
    assert 0.1 < share < 0.3
    assert all(
        make_human(ROWS).label_names[b] == "y"
        for _, b in drawn(Chooser(make_human(ROWS), "independent", 2, encoder="e"), "y")
    )
