"""Dedup: one row of each kind; exact repeats first, then near ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from augtune.core.dataset import Dataset, Example
from augtune.core.outcomes import Curation, Dropped
from augtune.core.task import TaskName
from augtune.curation.base import Context
from augtune.curation.forms import Passage, first_of_same
from augtune.curation.similar import Likeness, best_matches, passages_of

__all__ = ["Dedup"]


class Dedup(Likeness):
    """Drop synthetic rows that repeat, or nearly repeat, a human row or an earlier synthetic one.

    Rows repeat each other if they differ only in case, spaces, width or punctuation at their ends, whatever their
    labels; in pair tasks both texts count. Of a group the first stays. A near repeat names the most similar row that
    stays, so a chain of small changes never takes a row with it that is far from all that is kept.
    """

    kind: ClassVar[str] = "dedup"
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal", "multi_label")

    against_human: bool = True
    """Also drop synthetic rows that repeat a human row trained on."""

    def apply(self, rows: Dataset, context: Context) -> Curation:
        """Return the rows kept, in order, and those dropped, each naming the row it repeats."""
        human, made = _Pool(), _Pool()
        origins = rows.origins
        if self.against_human:
            if context.human is not None:
                human.add(context.human, range(len(context.human)))
            human.add(rows, (i for i, origin in enumerate(origins) if origin == "human"))
        made.add(rows, (i for i, origin in enumerate(origins) if origin != "human"))
        exact = _exact_matches(made, human)
        left = [i for i in range(len(made.rows)) if i not in exact]
        near = self._near_human(left, made, human, context)
        left = [i for i in left if i not in near]
        found = self.near_earlier([made.passages[i] for i in left], context)
        near |= {left[i]: _Match(made.other(left[j]), self.described(value)) for i, (j, value) in found.items()}
        gone = sorted(exact.keys() | near.keys())
        places = [made.rows[i] for i in gone]
        records = zip(gone, rows.take(places), strict=True)
        dropped = tuple(self._record(i, row, exact, near) for i, row in records)
        keep = np.ones(len(rows), dtype=bool)
        keep[places] = False
        return Curation(rows.take(np.flatnonzero(keep)), dropped)

    def _near_human(self, left: list[int], made: _Pool, human: _Pool, context: Context) -> dict[int, _Match]:
        """Return which of some rows nearly repeat a human row, each with the one it is nearest to."""
        pairs = self.near([made.passages[i] for i in left], human.passages, context)
        return {left[i]: _Match(human.other(j), self.described(value)) for i, (j, value) in best_matches(pairs).items()}

    def _record(self, i: int, row: Example, exact: dict[int, _Match], near: dict[int, _Match]) -> Dropped:
        """Return the record of a dropped row; if the row it repeats exactly is gone too, say why."""
        if i not in exact:
            return Dropped(row, self.kind, near[i].because(row.label), near[i].reason)
        match = exact[i]
        because = match.because(row.label)
        if match.place in near:
            because += f"; that one {near[match.place].because(match.row.label)}"
        return Dropped(row, self.kind, because, match.reason)


class _Pool:
    """Rows of one or more datasets that others may repeat, without an object for each."""

    def __init__(self) -> None:
        self.passages: list[Passage] = []
        self.rows: list[int] = []
        self._data: list[tuple[int, Dataset]] = []

    def add(self, data: Dataset, rows: Iterable[int]) -> None:
        """Take in some rows of a dataset."""
        self._data.append((len(self.rows), data))
        passages = passages_of(data)
        for row in rows:
            self.rows.append(row)
            self.passages.append(passages[row])

    def other(self, i: int) -> _Other:
        """Return what is said of row ``i`` where another repeats it."""
        data = next(data for start, data in reversed(self._data) if start <= i)
        row = self.rows[i]
        return _Other(data.ids[row], data.label_names[row], data.origins[row] == "human")


@dataclass(frozen=True, slots=True)
class _Other:
    """The row that another repeats."""

    id: str
    label: str
    is_human: bool


@dataclass(frozen=True, slots=True)
class _Match:
    """The row that another repeats, and how similar they are; without a similarity they are the same.

    ``place`` is where that row stands among the rows looked at, if it is one of them.
    """

    row: _Other
    similarity: str | None = None
    place: int | None = None

    @property
    def reason(self) -> str:
        near = "" if self.similarity is None else "near "
        return f"{near}human repeat" if self.row.is_human else f"{near}repeat"

    def because(self, label: str) -> str:
        """Return why a row of some label is dropped."""
        words = "repeats" if self.similarity is None else "nearly repeats"
        words += f" human row {self.row.id!r}" if self.row.is_human else f" row {self.row.id!r}"
        words += "" if self.similarity is None else f" ({self.similarity})"
        return words if self.row.label == label else f"{words}, which is labelled {self.row.label!r}"


def _exact_matches(made: _Pool, human: _Pool) -> dict[int, _Match]:
    """Return the first row that each row repeats exactly, human rows before all others."""
    before = len(human.passages)
    passages: Sequence[Passage] = [*human.passages, *made.passages]
    found = {}
    for i, first in first_of_same(passages).items():
        if i >= before:
            here = None if first < before else first - before
            found[i - before] = _Match(human.other(first) if here is None else made.other(here), place=here)
    return found
