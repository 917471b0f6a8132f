"""What a written row has to pass before it is kept: no copy, no repeat, room in its quota. What fails is on record."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping

from augtune.core.dataset import Dataset, Example, HumanDataset
from augtune.core.outcomes import Cost, Dropped, Generation

__all__ = ["ANY", "Keeper", "Quota", "normalised"]

ANY = "(any label)"
"""Stands for the label in a quota that counts rows whatever their label."""

QUOTES = str.maketrans({quote: "'" for quote in '"`´‘’‚‛“”„‟«»‹›'})

Quota = Mapping[str, int]
"""Rows wanted per label, or ``{ANY: rows}``."""


def normalised(text: str) -> str:
    """Return a text as it is compared: case, blanks, the look of quotes and Unicode's spelling play no part."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().translate(QUOTES).split())


class Keeper:
    """Takes rows one by one, in a fixed order, and keeps those that add something.

    Args:
        by: Name of the generator, for the record of what is dropped.
        quota: Rows wanted per label, or ``{ANY: rows}``.
        train: The human rows; a row that equals one of them is a copy.
    """

    def __init__(self, by: str, quota: Quota, train: HumanDataset) -> None:
        self.by = by
        self.quota = dict(quota)
        self.labels = train.labels
        self.kept: list[Example] = []
        self.dropped: list[Dropped] = []
        self.human = {
            normalised(text): name for text, name in zip(reversed(train.texts), reversed(train.ids), strict=True)
        }
        self.written: dict[str, str] = {}
        self.counts: Counter[str] = Counter()

    @property
    def reasons(self) -> Counter[str]:
        """How many rows were dropped, by reason."""
        return Counter(row.reason for row in self.dropped)

    def missing(self, target: str) -> int:
        """Return how many rows of a label, or of ``ANY``, are still wanted."""
        have = len(self.kept) if target == ANY else self.counts[target]
        return max(self.quota.get(target, 0) - have, 0)

    def knows(self, text: str) -> bool:
        """Tell whether a human row or a row kept says the same."""
        form = normalised(text)
        return form in self.human or form in self.written

    def drop(self, example: Example, reason: str, because: str) -> None:
        """Put a row on record that is not kept."""
        self.dropped.append(Dropped(example, self.by, because, reason))

    def offer(self, example: Example) -> None:
        """Keep a row, or drop it as a copy, a repeat or over quota."""
        form = normalised(example.text)
        if form in self.human:
            self.drop(example, "copy", f"says the same as human row {self.human[form]}")
        elif form in self.written:
            self.drop(example, "repeat", f"says the same as {self.written[form]}")
        elif self.missing(ANY if ANY in self.quota else example.label) == 0:
            wanted = self.quota.get(ANY, self.quota.get(example.label, 0))
            self.drop(example, "over quota", f"{wanted} rows of {example.label!r} are wanted, and they are there")
        else:
            self.kept.append(example)
            self.counts[example.label] += 1
            self.written[form] = example.id

    def result(self, cost: Cost) -> Generation:
        """Return all of it."""
        short = {target: self.missing(target) for target in self.quota if self.missing(target)}
        dataset = Dataset.from_examples(self.kept, self.labels, name=self.by)
        return Generation(dataset, tuple(self.dropped), cost, short)
