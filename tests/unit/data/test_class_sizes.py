"""Rows per class that a sample size asks for, against the published counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augtune.core.errors import DataError, SettingsError
from augtune.data.class_sizes import apportion, class_sizes
from augtune.data.grammar import parse

GLUE_SST2 = {"negative": 29_780, "positive": 37_569}
PACK_SST2 = {"negative": 3_309, "positive": 3_608}
EMOTIONS = {"anger": 1400, "joy": 708, "optimism": 294, "sadness": 855}


def sizes(text, counts):
    return class_sizes(parse(text), counts, where="x/train")


@pytest.mark.parametrize(
    ("ratio", "negatives", "rows"),
    [
        ("0.1", 3_756, 41_325),
        ("0.2", 7_513, 45_082),
        ("0.3", 11_270, 48_839),
        ("0.4", 15_027, 52_596),
        ("0.5", 18_784, 56_353),
        ("0.6", 22_541, 60_110),
        ("0.7", 26_298, 63_867),
    ],
)
def test_two_stage_counts_on_glue(ratio, negatives, rows):
    kept = sizes(f"all, imbalance {ratio} minority=negative", GLUE_SST2)
    assert (kept["negative"], sum(kept.values())) == (negatives, rows)


@pytest.mark.parametrize(("ratio", "each"), [("0.001", 3), ("0.003", 10), ("0.01", 35), ("0.05", 173), ("0.1", 346)])
def test_gpt3mix_fractions_on_sst2(ratio, each):
    assert sizes(f"{ratio}f", PACK_SST2) == {"negative": each, "positive": each}
    assert sizes(f"{ratio}f", {"negative": 3_310, "positive": 3_610}) == {"negative": each, "positive": each}


@pytest.mark.parametrize(
    ("text", "counts", "expected"),
    [
        ("all", EMOTIONS, [1400, 708, 294, 855]),
        ("10s", EMOTIONS, [10, 10, 10, 10]),
        ("0.00001f", EMOTIONS, [1, 1, 1, 1]),
        ("1%", EMOTIONS, [14, 7, 3, 9]),
        ("1%", {"a": 1000, "b": 3, "none": 0}, [10, 1, 0]),
        ("{sadness: 0, anger: 1, joy: 2, optimism: 3}", EMOTIONS, [1, 2, 3, 0]),
        ("all, imbalance 0.29", {"a": 100, "b": 90}, [100, 29]),
        ("all, imbalance 0.1 majority=joy", EMOTIONS, [70, 708, 70, 70]),
        ("all, imbalance 0.1 minority=joy+optimism", EMOTIONS, [1400, 140, 140, 855]),
        ("100/class, imbalance 0.2 minority=joy", EMOTIONS, [100, 20, 100, 100]),
        ("2000, imbalance 0.2 minority=negative", PACK_SST2, [333, 1667]),
        ("10%, imbalance 0.2 minority=negative", PACK_SST2, [72, 361]),
        ("100/class, longtail 100", {"a": 100, "b": 100, "c": 100}, [100, 10, 1]),
        ("all, longtail 2", {"a": 100, "b": 80}, [100, 50]),
        ("all, longtail 2", {"a": 40, "b": 100}, [40, 80]),
    ],
)
def test_sizes_of_each_form(text, counts, expected):
    assert list(sizes(text, counts).values()) == expected


@pytest.mark.parametrize("text", ["2000", "[1, 2]"])
def test_chance_alone_decides_about_a_plain_total(text):
    assert sizes(text, EMOTIONS) is None


@pytest.mark.parametrize(
    ("text", "counts", "message"),
    [
        (
            "300/class", EMOTIONS,
            "x/train: '300/class' asks for 300 rows of class 'optimism', and 'optimism' has 294.\n"
            "  Ask for fewer rows, or name each class's own: {label: rows, label: rows}.",
        ),
        (
            "all, imbalance 1.0", PACK_SST2,
            "x/train: 'all, imbalance 1.0' asks for 3608 rows of 'negative' (1 × 3608 of the majority), "
            "and there are 3309.\n  The largest imbalance possible here is 0.917.",
        ),
        (
            "55, longtail 100", {"a": 100, "b": 100, "c": 100},
            "x/train: '55, longtail 100' leaves class 'c' without a row.\n  Ask for more rows.",
        ),
        ("all, imbalance 0.01", {"a": 50, "b": 40}, "x/train: 'all, imbalance 0.01' leaves no row of 'b'."),
        (
            "5000, imbalance 0.2", PACK_SST2,
            "x/train: '5000, imbalance 0.2' asks for 5000 rows, and its classes have 4329 at most.",
        ),
        (
            "all, longtail 1000", {"a": 500, "b": 400},
            "x/train: 'all, longtail 1000' leaves no row of 'b'.\n  Ask for a shorter tail.",
        ),
        ("all, longtail 2", {"a": 5}, "x/train: 'all, longtail 2' needs two classes or more, each with rows."),
    ],
)  # fmt: skip
def test_what_the_rows_do_not_allow_is_refused(text, counts, message):
    with pytest.raises(DataError) as caught:
        sizes(text, counts)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "counts", "message"),
    [
        (
            "all, imbalance 0.2", EMOTIONS,
            "sample size 'all, imbalance 0.2': there are 4 classes, so say which is to be rare.\n"
            "  For example: imbalance 0.2 minority=anger",
        ),
        (
            "5/class, imbalance 0.2", PACK_SST2,
            "sample size '5/class, imbalance 0.2': both classes have the same size, so say which is to be rare.\n"
            "  For example: imbalance 0.2 minority=negative",
        ),
        (
            "all, imbalance 0.2 minority=negativ", PACK_SST2,
            "sample size 'all, imbalance 0.2 minority=negativ': there is no label 'negativ'; did you mean 'negative'?",
        ),
        (
            "all, imbalance 0.2 minority=negative+positive", PACK_SST2,
            "sample size 'all, imbalance 0.2 minority=negative+positive': names every class, "
            "so none is left on the other side.",
        ),
        (
            "{anger: 1}", EMOTIONS,
            "sample size '{anger: 1}': says nothing of 'joy', 'optimism', 'sadness'.\n"
            "  Name every class; 0 leaves one out.",
        ),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit_are_refused(text, counts, message):
    with pytest.raises(SettingsError) as caught:
        sizes(text, counts)
    assert str(caught.value) == message


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6).filter(any), st.data())
def test_apportioning_sums_up_fits_and_never_shrinks(parts, data):
    counts = {str(i): n for i, n in enumerate(parts)}
    total = data.draw(st.integers(0, sum(parts) - 1))
    less, more = apportion(counts, total), apportion(counts, total + 1)
    assert sum(less.values()) == total
    assert all(less[name] <= more[name] <= counts[name] for name in counts)
    assert apportion(counts, sum(parts)) == counts
