from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augtune.core.errors import DataError
from augtune.model.batching import encode, length_batches, training_batches
from augtune.model.encoder import load_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tiny_encoder):
    return load_tokenizer(tiny_encoder)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 20), st.integers(1, 30), st.integers(0, 3))
def test_training_batches_are_full_and_as_many_as_asked(rows, batch_size, steps, seed):
    lengths = np.random.default_rng(seed).integers(3, 40, size=rows)
    found = list(training_batches(lengths, batch_size=batch_size, steps=steps, generator=np.random.default_rng(seed)))
    assert len(found) == steps
    assert all(len(batch) == batch_size for batch in found)


def test_training_batches_visit_every_row_once_in_an_epoch_that_fills_its_batches():
    found = training_batches(np.arange(64) % 7 + 3, batch_size=8, steps=16, generator=np.random.default_rng(0))
    rows = [batch.tolist() for batch in found]
    for epoch in (rows[:8], rows[8:]):
        assert sorted(row for batch in epoch for row in batch) == list(range(64))
    assert rows[:8] != rows[8:]


def test_training_batches_put_rows_of_like_length_together():
    lengths = np.random.default_rng(0).integers(3, 100, size=400)
    found = list(training_batches(lengths, batch_size=10, steps=40, generator=np.random.default_rng(0)))
    padded = sum(int(lengths[batch].max()) * 10 for batch in found)
    assert padded < 1.2 * lengths.sum()


def test_length_batches_hold_every_row_once_longest_first():
    lengths = np.array([3, 9, 4, 7, 9])
    found = length_batches(lengths, batch_size=2)
    assert [batch.tolist() for batch in found] == [[1, 4], [3, 2], [0]]


def test_batch_is_padded_to_its_longest_row_only(tokenizer):
    encoded = encode(tokenizer, ["good", "good film today", "a very " + "very " * 20 + "bad plot"], max_length=64)
    batch = encoded.batch(np.array([0, 1]))
    assert batch.inputs["input_ids"].shape == (2, 5)
    assert batch.inputs["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert batch.inputs["input_ids"][0, 3:].tolist() == [tokenizer.pad_token_id] * 2
    assert encoded.batch(np.array([0, 1]), multiple=8).inputs["input_ids"].shape == (2, 8)


def test_batch_holds_what_the_tokenizer_says(tokenizer):
    texts, pairs = ["good film", "bad plot today"], ["not now", "yes"]
    encoded = encode(tokenizer, texts, pairs, max_length=64)
    expected = tokenizer(texts, pairs, padding=True, return_tensors="pt")
    found = encoded.batch(np.array([0, 1])).inputs
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        name: tensor.tolist() for name, tensor in expected.items()
    }


def test_encode_cuts_the_longer_text_and_says_which_rows(tokenizer):
    encoded = encode(tokenizer, ["good", "bad " * 30], ["film", "plot"], max_length=12)
    assert encoded.truncated.tolist() == [False, True]
    assert encoded.lengths.tolist() == [5, 12]
    assert tokenizer.convert_ids_to_tokens(encoded.tokens[encoded.starts[1] :].tolist())[-3:] == [
        "[SEP]",
        "plot",
        "[SEP]",
    ]


def test_encode_refuses_rows_of_which_some_are_pairs(tokenizer):
    with pytest.raises(DataError) as caught:
        encode(tokenizer, ["good", "bad"], ["film", None], max_length=12)
    assert str(caught.value) == (
        "row 1 has no second text, others have one; a task is either on pairs or on single texts."
    )


def test_encode_takes_no_rows(tokenizer):
    assert len(encode(tokenizer, [], max_length=12)) == 0
