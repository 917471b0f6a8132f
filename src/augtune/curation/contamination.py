"""Contamination: nothing the model will be measured on may be among what it learns from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import field_serializer, field_validator

from augtune.core.columns import strings
from augtune.core.dataset import Dataset, HumanDataset
from augtune.core.errors import SettingsError
from augtune.core.outcomes import Curation, Dropped
from augtune.core.task import TaskName
from augtune.curation.base import Context
from augtune.curation.forms import Passage, normalise, passage_key
from augtune.curation.similar import Likeness, best_matches, passages_of

__all__ = ["Contamination", "Overlap", "contaminated_human", "leak_told"]

SplitName = Literal["test", "validation", "both"]

K = TypeVar("K")


class Contamination(Likeness):
    """Drop synthetic rows that repeat, or nearly repeat, an evaluation row, or were made from one.

    A row was made from an evaluation row if one of its ``parents`` is one, if a human row it was made from repeats
    one, or if its ``source_text`` repeats one, or nearly does and is not the text of a row trained on.
    Human rows are never dropped; ``contaminated_human`` lists those that repeat an evaluation row.
    """

    kind: ClassVar[str] = "contamination"
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal", "multi_label")

    against: SplitName | HumanDataset | tuple[HumanDataset, ...] = "test"
    """The evaluation rows: test, validation, both (those there are of them); in Python also rows, or a list of rows."""

    @field_validator("against", mode="plain")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if isinstance(value, HumanDataset) or (isinstance(value, str) and value in get_args(SplitName)):
            return value
        if isinstance(value, (list, tuple)) and value and all(isinstance(each, HumanDataset) for each in value):
            return tuple(value)
        raise ValueError(f"expected test, validation, both or human rows, got {value!r}")

    @field_serializer("against")
    def _as_json(self, value: SplitName | HumanDataset | tuple[HumanDataset, ...]) -> str | list[str]:
        if isinstance(value, str):
            return value
        return _named(value) if isinstance(value, HumanDataset) else [_named(each) for each in value]

    def apply(self, rows: Dataset, context: Context) -> Curation:
        """Return the rows kept, in order, and those dropped, each naming the evaluation row.

        Raises:
            SettingsError: If ``against`` names a split that the context does not have.
        """
        pool = _Pool(self._evaluation_rows(context), context)
        made = _Made(rows)
        told: dict[int, tuple[str, str]] = {}
        for i in made.places:
            found = pool.exact(made.passages[i], made.parents.get(i, ()), made.sources[i])
            if found is not None:
                told[i] = found
        left = [i for i in made.places if i not in told]
        told |= self._near(made, left, pool, context)
        told |= self._near_sources(made, [i for i in left if i not in told], pool, context)
        places = sorted(told)
        dropped = tuple(Dropped(row, self.kind, *told[i]) for i, row in zip(places, rows.take(places), strict=True))
        keep = np.ones(len(rows), dtype=bool)
        keep[places] = False
        return Curation(rows.take(np.flatnonzero(keep)), dropped)

    def _evaluation_rows(self, context: Context) -> tuple[tuple[str, HumanDataset], ...]:
        """Return the evaluation rows, each lot with the name reasons give it."""
        if isinstance(self.against, HumanDataset):
            return ((self.against.name, self.against),)
        if isinstance(self.against, tuple):
            return tuple((each.name, each) for each in self.against)
        names = ("test", "validation") if self.against == "both" else (self.against,)
        found = [(name, getattr(context.splits, name, None)) for name in names]
        there = tuple((name, rows) for name, rows in found if rows is not None)
        if not there:
            missing = " or ".join(names)
            raise SettingsError(
                f"{self.kind}.against: there are no {missing} rows to compare with",
                hint="Give data that has them, name another split, or pass the rows themselves: "
                "Contamination(against=splits.test) or curate(..., splits=splits).",
            )
        return there

    def _near(self, made: _Made, left: list[int], pool: _Pool, context: Context) -> dict[int, tuple[str, str]]:
        """Return the rows whose texts nearly repeat an evaluation row's, each with why it has to go."""
        near = self.near([made.passages[i] for i in left], pool.passages, context)
        return {
            left[i]: (f"nearly repeats {pool.names[j]} ({self.described(similarity)})", "near evaluation repeat")
            for i, (j, similarity) in best_matches(near).items()
        }

    def _near_sources(self, made: _Made, left: list[int], pool: _Pool, context: Context) -> dict[int, tuple[str, str]]:
        """Return the rows whose source text nearly repeats an evaluation row's first text, each with why it has to go.

        A row trained on may well be near an evaluation row; it is no copy of it, so it may be reworded.
        """
        given = dict.fromkeys(text for i in left if (text := made.sources[i]) is not None)
        sources = [text for text in given if not pool.is_trained_on(text)]
        near = self.near([(text, None) for text in sources], [(text, None) for text, _ in pool.passages], context)
        matches = {sources[i]: match for i, match in best_matches(near).items()}
        told = {}
        for i in left:
            if (source := made.sources[i]) in matches:
                j, similarity = matches[source]
                because = f"was made from a text that nearly repeats {pool.names[j]} ({self.described(similarity)})"
                told[i] = because, "near evaluation source"
        return told


class _Made:
    """What is looked at of rows that a model wrote, column by column.

    ``places`` are the rows that no human wrote, ``parents`` those of the rows that have any.
    """

    def __init__(self, rows: Dataset) -> None:
        self.places = [i for i, origin in enumerate(rows.origins) if origin != "human"]
        self.passages = passages_of(rows)
        self.sources = strings(rows.table.column("source_text"))
        column = rows.table.column("parents")
        having = np.flatnonzero(pc.fill_null(pc.list_value_length(column), 0).to_numpy())
        lists = column.take(pa.array(having)).to_pylist()
        self.parents: dict[int, list[str]] = dict(zip(having.tolist(), lists, strict=True))


class _Pool:
    """All evaluation rows, by text and by id.

    Args:
        lots: Lots of evaluation rows with their names.
        context: Whose human rows are those a synthetic row may have been made from.
    """

    def __init__(self, lots: Iterable[tuple[str, HumanDataset]], context: Context) -> None:
        self.names: list[str] = []
        self.passages: list[Passage] = []
        by_id: dict[str, str] = {}
        for lot, rows in lots:
            self.names.extend(f"{lot} row {name!r}" for name in rows.ids)
            self.passages.extend(passages_of(rows))
            by_id.update({name: f"{lot} row {name!r}" for name in rows.ids})
        self._by_key = _first(zip(map(passage_key, self.passages), self.names, strict=True))
        self._by_text = _first(zip((normalise(text) for text, _ in self.passages), self.names, strict=True))
        known = [context.human, None if context.splits is None else context.splits.train]
        trained_on = [rows for rows in known if rows is not None]
        self._trained_on = {normalise(text) for rows in trained_on for text in rows.texts}
        self._by_parent = self._parents(by_id, trained_on)

    def _parents(self, by_id: dict[str, str], trained_on: list[HumanDataset]) -> dict[str, str]:
        """Return the ids a synthetic row must not be made from, each with what the row is."""
        parents = dict(by_id)
        for rows in trained_on:
            for name, passage in zip(rows.ids, passages_of(rows), strict=True):
                # Files loaded one by one may use the same ids: a parent is then the row trained on; its text decides.
                parents.pop(name, None)
                same = self._by_key.get(passage_key(passage))
                if same is not None:
                    parents[name] = f"human row {name!r}, which repeats {same}"
        return parents

    def is_trained_on(self, text: str) -> bool:
        """Return whether a text is that of a human row trained on."""
        return normalise(text) in self._trained_on

    def exact(self, passage: Passage, parents: Sequence[str], source: str | None) -> tuple[str, str] | None:
        """Return why a row has to go and the reason in short, or None if nothing of it is an evaluation row's."""
        same = self._by_key.get(passage_key(passage))
        if same is not None:
            return f"repeats {same}", "evaluation repeat"
        parent = next((self._by_parent[name] for name in parents if name in self._by_parent), None)
        if parent is not None:
            return f"was made from {parent}", "evaluation source"
        text_of = None if source is None else self._by_text.get(normalise(source))
        if text_of is not None:
            return f"was made from the text of {text_of}", "evaluation source"
        return None


@dataclass(frozen=True, slots=True)
class Overlap:
    """A human row trained on that repeats an evaluation row.

    Args:
        train_id: The row trained on.
        evaluation_id: The evaluation row whose texts are the same.
    """

    train_id: str
    evaluation_id: str


def contaminated_human(train: HumanDataset, evaluation: HumanDataset) -> tuple[Overlap, ...]:
    """Return the rows of ``train`` that repeat a row of ``evaluation``, in order, so that a run can warn of them.

    Rows repeat each other if they differ only in case, spaces, width or punctuation at their ends. Human rows are
    never dropped: what to do about them is the user's decision.
    """
    first = _first(zip(map(passage_key, passages_of(evaluation)), evaluation.ids, strict=True))
    keys: Sequence[Passage] = [passage_key(passage) for passage in passages_of(train)]
    return tuple(Overlap(name, first[key]) for name, key in zip(train.ids, keys, strict=True) if key in first)


def leak_told(train: HumanDataset, test: HumanDataset, *, who: str, which: str = "") -> str | None:
    """Return a sentence that warns of human training rows that repeat a test row; None if there are none.

    Args:
        train: Rows trained on.
        test: Rows measured on.
        who: Who has seen them, e.g. ``every arm has``.
        which: Which training rows these are, where there are others.
    """
    shared = contaminated_human(train, test)
    if not shared:
        return None
    return (
        f"{len(shared)} of {len(train)} human training rows{which} repeat a test row, so {who} seen it "
        f"(first: {shared[0].train_id} is {shared[0].evaluation_id}); scores are too high by what that is worth."
    )


def _first(items: Iterable[tuple[K, str]]) -> dict[K, str]:
    """Return a dict in which the first value of a key counts."""
    found: dict[K, str] = {}
    for key, value in items:
        found.setdefault(key, value)
    return found


def _named(rows: HumanDataset) -> str:
    return f"{rows.name}@{rows.fingerprint}"
