"""Rows from a file that a model wrote elsewhere."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from augtune.core import seeds
from augtune.core.dataset import Dataset, Example, HumanDataset
from augtune.core.errors import DataError
from augtune.core.json_text import decoded
from augtune.core.labels import Labels
from augtune.core.outcomes import Dropped, Generation
from augtune.core.settings import Settings, suggestion
from augtune.core.task import LabelValue, TaskName
from augtune.core.view import follow
from augtune.data import columns as finder
from augtune.data.label_sets import label_set
from augtune.data.tables import Table, read
from augtune.generation.base import Estimate, Generator, Progress
from augtune.generation.keep import ANY
from augtune.generation.quotas import PerClass, per_label

if TYPE_CHECKING:
    from augtune.llm.client import LLM

__all__ = ["Columns", "Imported"]

PREFIX = "synthetic_"
SUM_TOLERANCE = 1e-3  # of written-out probabilities, which are usually rounded to three digits or more


class Columns(Settings):
    """Which column of the file holds what; a column that is not named is found by its usual name."""

    text: str | None = None
    """The text, or the first of a pair."""

    label: str | None = None
    """The label's name."""

    text_pair: str | None = None
    """The second text of a pair."""

    source_text: str | None = None
    """The human text that the row was made from; by default 'source_text', if there is such a column."""

    separator: str | None = None
    """What stands between the labels of a row in a text column, e.g. |, where the human rows may have several."""

    probabilities: str | None = None
    """Soft labels: an object from label to probability, or a list in the order of the labels, also as JSON text; by
    default 'probabilities', if there is such a column."""


class Imported(Generator):
    """Take rows from a file that a model wrote elsewhere, in the file's order.

    Without ``count`` or ``per_class``, all of them. A row's id is the name and the row's place in the file. A row whose
    ``source_text`` is the text of a human row, blanks aside, has that row as parent; else the text itself is kept.

    Where the task's labels are a view of others, the file may use either: if all its labels are those from before the
    view, the view is applied to its rows too.
    """

    kind: ClassVar[str] = "imported"
    needs_llm: ClassVar[bool] = False
    takes_pairs: ClassVar[bool] = True
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal", "multi_label")

    path: Path
    """The file: csv, tsv, json, jsonl or parquet."""

    columns: Columns = Field(default_factory=Columns)
    """Which column holds what: text, label, text_pair, source_text, probabilities."""

    name: Annotated[str, Field(min_length=1)] | None = None
    """What the rows are called; by default the file's name without its ending and without 'synthetic_'."""

    sources: Literal["any", "train"] = "any"
    """Rows to take: any, or those whose source_text is one of the human rows trained on (train). Where these are a
    sample of the rows that were shown to the model, the others would tell more than the sample holds."""

    per_class: PerClass | None = None
    """Rows wanted of each label, a number or a number per label; a larger number keeps the rows of a smaller one."""

    count: Annotated[int, Field(ge=1)] | None = None
    """Rows wanted in all; a larger number keeps the rows of a smaller one."""

    @model_validator(mode="after")
    def _one_quota(self) -> Self:
        if self.per_class is not None and self.count is not None:
            raise ValueError("per_class and count are both given; the number of rows is set by one of them")
        return self

    def files(self) -> tuple[Path, ...]:
        """Return the file."""
        return (self.path,)

    def require(self, train: HumanDataset) -> None:
        """See that the file has the columns, and pairs where ``train`` has them.

        Raises:
            DataError: If it has not; the message names the file.
        """
        self._read(train, self.path.stem)

    def _read(self, train: HumanDataset, name: str) -> _Rows:
        rows = _Rows(read(self.path), self.columns, train, name)
        if self.sources == "train" and rows.source is None:
            raise DataError(
                f"{self.path}: sources: train asks which human row each row was made from, and no column says so.",
                hint="Name the column of the human text: columns: {source_text: COLUMN}; or leave sources out.",
            )
        return rows

    def preview(self, train: HumanDataset, *, seed: int = 0, count: int = 3) -> list[str]:
        """Return nothing: no prompt is sent."""
        return []

    def estimate(self, train: HumanDataset) -> Estimate:
        """Return nothing: no call is made."""
        return Estimate()

    def generate(
        self, train: HumanDataset, *, llm: LLM | None, seed: int, on_progress: Progress | None = None
    ) -> Generation:
        """Return the file's rows.

        Raises:
            DataError: If the file is damaged, a column is missing, or a row's label or probabilities are not those of
                ``train``; the message has file and line.
        """
        name = self.name or self.path.stem.removeprefix(PREFIX) or self.path.stem
        rows = self._read(train, name)
        found, dropped = rows.all()
        if self.sources == "train":
            because = "what it was made from is none of the human rows trained on"
            dropped += [Dropped(row, self.kind, because, "other source") for row in found if not row.parents]
            found = [row for row in found if row.parents]
        if rows.old is not None:
            found, left_out = follow(found, train.labels, old=rows.old)
            dropped.extend(left_out)
        drawn = self._drawn(found, train.labels, seed)
        kept = [row for row in found if row.id in drawn.ids]
        for row in found:
            if row.id not in drawn.ids:
                because = f"not among the {drawn.wanted(row.label)} rows drawn"
                dropped.append(Dropped(row, self.kind, because, "not drawn"))
        if on_progress is not None:
            on_progress(len(rows), len(rows), len(kept), Counter(row.reason for row in dropped))
        dataset = Dataset.from_examples(kept, train.labels, name=name)
        return Generation(dataset, tuple(dropped), shortfall=drawn.short)

    def _drawn(self, rows: Sequence[Example], labels: Labels, seed: int) -> _Drawn:
        if self.count is not None:
            groups = {ANY: (self.count, [row.id for row in rows])}
        elif self.per_class is not None:
            labels.one_each("generate.per_class (use count instead)")
            quota = per_label(self.per_class, labels, where="generate.per_class")
            groups = {label: (n, [row.id for row in rows if row.label == label]) for label, n in quota.items()}
        else:
            groups = {ANY: (len(rows), [row.id for row in rows])}
        drawn = _Drawn()
        for group, (wanted, ids) in groups.items():
            order = seeds.generator(seed, self.kind, group).permutation(len(ids))
            drawn.ids |= {ids[int(i)] for i in order[:wanted]}
            drawn.quota[group] = wanted
            if len(ids) < wanted:
                drawn.short[group] = wanted - len(ids)
        return drawn


class _Drawn:
    """Which rows were drawn, out of how many wanted, and how many lack."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.quota: dict[str, int] = {}
        self.short: dict[str, int] = {}

    def wanted(self, label: str) -> int:
        """Return how many rows of a label, or in all, were to be drawn."""
        return self.quota.get(ANY, self.quota.get(label, 0))


class _Rows:
    """A file's rows, read against the human ones."""

    def __init__(self, table: Table, columns: Columns, train: HumanDataset, name: str) -> None:
        self.table, self.train, self.name, self.separator = table, train, name, columns.separator
        self.columns = finder.find(
            table.columns, text=columns.text, label=columns.label, text_pair=columns.text_pair, where=table.source
        )
        self.source = self._optional(columns.source_text, "source_text")
        self.soft = self._optional(columns.probabilities, "probabilities")
        pair = self.columns.text_pair
        if train.is_pair != (pair is not None and any(row.get(pair) is not None for row in table.rows)):
            kinds = ("pairs", "single texts") if train.is_pair else ("single texts", "pairs")
            hint = "Name the column of the second text: columns: {text_pair: COLUMN}." if train.is_pair else None
            raise DataError(f"{table.source}: the human rows are {kinds[0]}, these are {kinds[1]}.", hint=hint)
        self.labels, self.old = self._labels()
        self.parents: dict[str, str] = {}
        for text, row_id in zip(train.texts, train.ids, strict=True):
            self.parents.setdefault(_blanks(text), row_id)

    def __len__(self) -> int:
        return len(self.table.rows)

    def _labels(self) -> tuple[Labels, Labels | None]:
        """Return the labels the file uses: the task's, or all of them those the task's are a view of (then twice)."""
        labels = self.train.labels
        used = {str(row.get(self.columns.label) or "").strip() for row in self.table.rows} - {""}
        if not labels.was or not used <= set(labels.was):
            return labels, None
        old = Labels(tuple(labels.was))
        return old, old

    def _optional(self, given: str | None, usual: str) -> str | None:
        if given is None:
            return usual if usual in self.table.columns else None
        if given not in self.table.columns:
            raise DataError(
                f"{self.table.source}: no column {given!r} (given as {usual}){suggestion(given, self.table.columns)}"
            )
        return given

    def all(self) -> tuple[list[Example], list[Dropped]]:
        """Return the rows, and those without a text or a label."""
        found: list[Example] = []
        dropped: list[Dropped] = []
        for i, row in enumerate(self.table.rows):
            value = row.get(self.columns.text)
            text, label = "" if value is None else str(value), self._label(i, row)
            missing = "text" if not text.strip() else "label" if label == "" else None
            if missing is None:
                found.append(self._example(i, row, text, label))
            else:
                empty = self._row(i, text, label, origin="generated", generator=self._mark)
                dropped.append(Dropped(empty, Imported.kind, f"{self.table.place(i)}: it has no {missing}", "empty"))
        return found, dropped

    @functools.cached_property
    def _mark(self) -> str:
        return f"{Imported.kind}:{self.name}"

    def _label(self, i: int, row: Mapping[str, Any]) -> LabelValue:
        """Return the row's label, or where rows may have several, the list of them."""
        value = row.get(self.columns.label)
        if self.train.labels.has_many:
            return label_set(value, self.table, i, self.columns.label, self.separator)
        return "" if value is None else str(value).strip()

    def _row(self, i: int, text: str, label: LabelValue, **more: Any) -> Example:
        name, many = f"{self.name}-{i:04d}", isinstance(label, list)
        return Example(name, text, "" if many else str(label), labels=tuple(label) if many else None, **more)

    def _example(self, i: int, row: Mapping[str, Any], text: str, label: LabelValue) -> Example:
        labels, place = self.labels, self.table.place(i)
        for own in label if isinstance(label, list) else [label]:
            if own not in labels:
                known = ", ".join(map(repr, labels))
                was = self.train.labels.was
                before = (
                    f", nor are all labels of the file among those before the view: {', '.join(was)}" if was else ""
                )
                raise DataError(f"{place}: label {own!r} is none of the human rows' labels: {known}{before}.")
        soft = self._probabilities(row, place)
        if soft is not None and isinstance(label, str) and soft[labels.index(label)] < max(soft):
            raise DataError(
                f"{place}: label {label!r} is not the most probable one of {dict(zip(labels, soft, strict=True))}."
            )
        source = row.get(self.source) if self.source is not None else None
        source = None if source is None or not str(source).strip() else str(source)
        parent = self.parents.get(_blanks(source)) if source is not None else None
        pair = row.get(self.columns.text_pair) if self.columns.text_pair is not None else None
        return self._row(
            i,
            text,
            label,
            text_pair=None if pair is None else str(pair),
            probabilities=soft,
            origin="generated" if source is None else "rewritten",
            parents=() if parent is None else (parent,),
            source_text=source if parent is None else None,
            soft_source=None if soft is None else "stated",
            generator=self._mark,
        )

    def _probabilities(self, row: Mapping[str, Any], place: str) -> tuple[float, ...] | None:
        value = row.get(self.soft) if self.soft is not None else None
        if value is None or value == "":
            return None
        labels = self.labels
        try:
            value = decoded(value) if isinstance(value, str) else value
            values = (
                [float(value.get(label) or 0) for label in labels]
                if isinstance(value, dict)
                else list(map(float, value))
            )
            known = not isinstance(value, dict) or all(name in labels for name in value)
        except (TypeError, ValueError, OverflowError):
            values, known = [], False
        total = sum(values)
        good = known and len(values) == len(labels) and all(0 <= p <= 1 for p in values)
        if not good or (not labels.has_many and abs(total - 1) > SUM_TOLERANCE):
            raise DataError(
                f"{place}: expected probabilities of {', '.join(map(repr, labels))} {labels.rule.expected}, "
                f"got {value!r}."
            )
        return tuple(values) if labels.has_many else tuple(p / total for p in values)


def _blanks(text: str) -> str:
    return " ".join(text.split())
