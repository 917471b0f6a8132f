import pytest
from hypothesis import given
from hypothesis import strategies as st

from augtune.data import packed
from augtune.data.packed import PackedRows

rows = st.lists(
    st.dictionaries(st.sampled_from("abcd"), st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers()))
)


@given(rows)
def test_packed_rows_are_the_rows(given):
    made = PackedRows(given)
    assert made == given
    assert [made[i] for i in range(len(made))] == given
    assert made[1:3] == given[1:3]
    assert made.columns == tuple(dict.fromkeys(name for row in given for name in row))


def test_equal_short_texts_are_one_object(monkeypatch):
    labels = ["".join(["posi", "tive"]) for _ in range(2)]
    assert labels[0] is not labels[1]
    made = PackedRows({"label": label} for label in labels)
    assert made[0]["label"] is made[1]["label"]
    monkeypatch.setattr(packed, "MOST_KNOWN", 0)
    assert PackedRows({"label": label} for label in labels) == [{"label": "positive"}] * 2


def test_rows_beyond_the_last_are_none():
    with pytest.raises(IndexError):
        PackedRows([{"a": 1}])[1]
    assert PackedRows([{"a": 1}])[-1] == {"a": 1}
