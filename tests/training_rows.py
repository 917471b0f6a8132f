"""Small datasets that a tiny encoder can learn from, for the tests of model and training."""

from __future__ import annotations

from augtune.core.dataset import Dataset, Example, HumanDataset
from augtune.core.labels import Labels

LABELS = Labels(("negative", "positive"))
GOOD, BAD = ("good", "great", "love", "fun"), ("bad", "awful", "hate", "boring")
THINGS = ("film", "movie", "plot", "acting", "story", "day", "week", "people", "time", "month")


def _examples(count: int, name: str, origin: str, words: int) -> list[Example]:
    rows = []
    for i in range(count):
        mood = (BAD, GOOD)[i % 2]
        text = " ".join(
            ["the", THINGS[i % 10], "was", "very " * (i % words), mood[(i // 2) % 4], THINGS[(i // 3) % 10]]
        )
        rows.append(Example(f"{name}-{i:03d}", text, LABELS[i % 2], origin=origin))
    return rows


def human_rows(count: int = 24, name: str = "human") -> HumanDataset:
    return HumanDataset.from_examples(_examples(count, name, "human", 4), LABELS, name=name)


def synthetic_rows(count: int = 40, name: str = "made") -> Dataset:
    return Dataset.from_examples(_examples(count, name, "generated", 6), LABELS, name=name)


def pair_rows(count: int = 16) -> HumanDataset:
    rows = [
        Example(row.id, row.text, row.label, text_pair=f"{THINGS[i % 10]} today")
        for i, row in enumerate(human_rows(count))
    ]
    return HumanDataset.from_examples(rows, LABELS, name="pairs")
