"""Dedup: one row of each kind; exact repeats first, then near ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from augtune.core.dataset import Dataset, Example
from augtune.core.outcomes import Curation, Dropped
from augtune.core.task import TaskName
from augtune.curation.base import Context
from augtune.curation.shingles import Passage, passage_key
from augtune.curation.similar import Likeness, best_matches, passage_of

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
        examples = list(rows)
        human = _human_rows(examples, context) if self.against_human else []
        left = [row for row in examples if row.origin != "human"]
        exact = _exact_matches(left, human)
        left = [row for row in left if row.id not in exact]
        near = self._near_matches(left, human, context)
        left = [row for row in left if row.id not in near]
        near |= self._near_matches(left, left, context)
        gone = exact.keys() | near.keys()
        dropped = tuple(self._record(row, exact, near) for row in examples if row.id in gone)
        return Curation(rows.take(i for i, name in enumerate(rows.ids) if name not in gone), dropped)

    def _near_matches(self, rows: list[Example], others: list[Example], context: Context) -> dict[str, _Match]:
        """Return by id what each row is nearest to; among the rows themselves only an earlier one that stays counts."""
        pairs = self.near([passage_of(row) for row in rows], [passage_of(row) for row in others], context)
        found = best_matches(pairs, earlier_only=others is rows)
        return {rows[i].id: _Match(others[j], self.described(similarity)) for i, (j, similarity) in found.items()}

    def _record(self, row: Example, exact: dict[str, _Match], near: dict[str, _Match]) -> Dropped:
        """Return the record of a dropped row; if the row it repeats exactly is gone too, say why."""
        if row.id not in exact:
            return Dropped(row, self.kind, near[row.id].because(row), near[row.id].reason)
        match = exact[row.id]
        because = match.because(row)
        if match.row.origin != "human" and match.row.id in near:
            because += f"; that one {near[match.row.id].because(match.row)}"
        return Dropped(row, self.kind, because, match.reason)


@dataclass(frozen=True, slots=True)
class _Match:
    """The row that another repeats, and how similar they are; without a similarity they are the same."""

    row: Example
    similarity: str | None = None

    @property
    def reason(self) -> str:
        near = "" if self.similarity is None else "near "
        return f"{near}human repeat" if self.row.origin == "human" else f"{near}repeat"

    def because(self, row: Example) -> str:
        words = "repeats" if self.similarity is None else "nearly repeats"
        words += f" human row {self.row.id!r}" if self.row.origin == "human" else f" row {self.row.id!r}"
        words += "" if self.similarity is None else f" ({self.similarity})"
        return words if self.row.label == row.label else f"{words}, which is labelled {self.row.label!r}"


def _exact_matches(rows: Sequence[Example], human: Sequence[Example]) -> dict[str, _Match]:
    """Return by id the first row that each row repeats exactly, human rows before all others."""
    first: dict[Passage, Example] = {}
    for other in human:
        first.setdefault(passage_key(passage_of(other)), other)
    found = {}
    for row in rows:
        same = first.setdefault(passage_key(passage_of(row)), row)
        if same is not row:
            found[row.id] = _Match(same)
    return found


def _human_rows(examples: list[Example], context: Context) -> list[Example]:
    """Return the human rows trained on: those of the context and those among the rows themselves."""
    own = [row for row in examples if row.origin == "human"]
    return own if context.human is None else [*context.human, *own]
