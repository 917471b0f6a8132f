import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augtune.curation import alike as search
from augtune.curation import sketches
from augtune.curation.alike import earlier_alike, passages_alike
from augtune.curation.forms import normalise
from augtune.curation.similar import best_matches
from augtune.curation.sketches import Bands, Shingles, Sketches


def shingles(text):
    form = normalise(text)
    return frozenset(form[i : i + 3] for i in range(max(1, len(form) - 2)))


def jaccard(a, b):
    return len(a & b) / len(a | b)


def alike(one, other):
    if (one[1] is None) != (other[1] is None):
        return 0.0
    first = jaccard(shingles(one[0]), shingles(other[0]))
    return first if one[1] is None else min(first, jaccard(shingles(one[1]), shingles(other[1])))


def pairs_of(blocks):
    return [pair for block in blocks for pair in block]


def by_hand(left, right, threshold):
    return [
        (i, j, float(np.float32(value)))
        for i, one in enumerate(left)
        for j, other in enumerate(right)
        if (value := alike(one, other)) >= threshold
    ]


words = st.lists(
    st.sampled_from("a bad film was made here and nobody saw it 电影 很好 é".split()), min_size=1, max_size=9
)
texts = words.map(" ".join)
passages = st.lists(st.tuples(texts, st.none() | texts), max_size=8)


@given(passages, passages, st.sampled_from([0.3, 0.5, 0.9, 1.0]))
def test_pairs_found_are_all_those_alike(left, right, threshold):
    assert pairs_of(passages_alike(left, right, threshold)) == by_hand(left, right, threshold)


@pytest.mark.parametrize(("leaf", "crowd"), [(256, 256), (2, 0), (1, 1)])
@given(rows=st.lists(st.tuples(texts, st.none() | texts), max_size=20), threshold=st.sampled_from([0.4, 0.7, 0.9]))
def test_earlier_matches_are_those_of_all_pairs(leaf, crowd, rows, threshold):
    all_pairs = list(passages_alike(rows, rows, threshold))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "LEAF", leaf)
        patch.setattr(search, "CROWD", crowd)
        assert earlier_alike(rows, threshold) == best_matches(all_pairs, earlier_only=True)


@given(st.lists(texts, min_size=1, max_size=6), st.lists(texts, min_size=1, max_size=6))
def test_blocks_pieces_and_chunks_do_not_change_the_answer(left, right):
    left, right = ([(text, None) for text in side] for side in (left, right))
    whole = pairs_of(passages_alike(left, right, 0.5))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"PART_TEXTS": 2, "BLOCK_TEXTS": 3, "BLOCK_CELLS": 20, "PIECE": 4}.items():
            patch.setattr(sketches, name, value)
        for name, value in {"SLICE": 2, "CHUNK": 1, "CELLS": 16}.items():
            patch.setattr(search, name, value)
        assert pairs_of(passages_alike(left, right, 0.5)) == whole


@given(st.lists(st.text(max_size=7), min_size=1, max_size=5))
def test_shingles_are_equal_numbers_if_they_are_equal_texts(given):
    table = Shingles(given)
    for i, one in enumerate(given):
        assert len(set(table.table(np.array([i]))[0].tolist())) == len(shingles(one))
        for j, other in enumerate(given):
            both = table.table(np.array([i, j]))
            assert len(set(both[0].tolist()) & set(both[1].tolist())) == len(shingles(one) & shingles(other))


def test_texts_of_one_and_two_characters_are_their_own_shingle():
    rows = [(text, None) for text in ("a", "ab", "abc", "a\x00\x00", "a\U0010ffff\U0010ffff", "\ud800")]
    assert pairs_of(passages_alike(rows, rows, 0.1)) == [(i, i, 1.0) for i in range(6)]


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.9, 0.95])
def test_chance_to_overlook_a_pair_at_the_threshold_is_small(threshold):
    bands = Bands.of(threshold, 100_000)
    assert (1 - threshold**bands.depth) ** bands.count <= sketches.MISS
    assert bands.count * bands.depth <= sketches.MOST_HASHES


@pytest.mark.parametrize("similarity", [0.5, 0.8])
def test_texts_agree_in_as_many_hash_functions_as_they_are_similar(similarity):
    # Pairs of texts with 200 shingles together, of which a known share is common, told by one band per function.
    random = np.random.default_rng(0)
    alphabet = [chr(code) for code in range(0x4E00, 0x9000)]
    bands = Bands(100, 1)
    agree = []
    for _ in range(60):
        drawn = "".join(random.choice(alphabet, size=302, replace=False))
        common = round(200 * similarity)
        own = (200 - common) // 2
        body, one, other = drawn[: common + 2], drawn[common + 2 : common + 2 + own], drawn[-own:]
        found = Sketches([[one + body, other + body]], bands)
        union = len(shingles(one + body) | shingles(other + body))
        share = len(shingles(one + body) & shingles(other + body)) / union
        agree.append((found.keys[:, 0] == found.keys[:, 1]).mean() - share)
    assert abs(np.mean(agree)) < 4 * np.sqrt(similarity * (1 - similarity) / 6000)


def test_many_copies_of_a_text_cost_no_square(monkeypatch):
    body = "the parcel that i was told would be here on monday has not come and nobody can say where it is now"
    rows = [(f"{body} {i % 7}", None) for i in range(6000)]
    looked_at = []
    likely = search._Search._may_be
    monkeypatch.setattr(search._Search, "_may_be", lambda self, i, j: looked_at.append(len(i)) or likely(self, i, j))
    assert len(earlier_alike(rows, 0.9)) == 5999
    assert sum(looked_at) < 6000 * 6000 / 2


def test_no_passages_are_alike_where_there_are_none():
    assert earlier_alike([], 0.9) == {}
    assert list(passages_alike([], [("a", None)], 0.9)) == []
    assert list(passages_alike([("a", None)], [], 0.9)) == []
