"""Names of splits."""

import pytest

from augtune.data.split_names import canonical, is_synthetic


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Train", "train"),
        ("dev", "validation"),
        ("VALID", "validation"),
        ("test-00000-of-00001", "test"),
        ("train-00000-of-00002", "train-00000-of-00002"),
        ("Crowd_Human", "Crowd_Human"),
    ],
)
def test_a_split_has_one_name(name, split):
    assert canonical(name) == split


@pytest.mark.parametrize(("stem", "expected"), [("synthetic_gpt4", True), ("Synthetic", True), ("synthetics", False)])
def test_a_file_of_rows_a_model_wrote_is_known_by_its_name(stem, expected):
    assert is_synthetic(stem) is expected
