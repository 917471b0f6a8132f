"""Dataset, HumanDataset, Splits: labelled texts and where they come from.

Shapes: ``N`` rows, ``K`` classes. Targets are always soft ``(N, K)``; a hard label is a one-hot row,
or where a row may have several labels (``labels.has_many``) a row of ones and zeros.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
import pyarrow as pa

from augtune.core.columns import ROWS_AT_ONCE, SCHEMA, example_of, shared_strings, strings, table_of
from augtune.core.errors import DataError
from augtune.core.example import Example, Origin
from augtune.core.fingerprint import fingerprint_lines
from augtune.core.labels import Labels
from augtune.core.rows import check_human, check_rows, examples_of, half_character
from augtune.core.task import LabelValue

if TYPE_CHECKING:
    import datasets
    import pandas

    from augtune.core.outcomes import Dropped

__all__ = ["Dataset", "Example", "HumanDataset", "Origin", "Splits"]


class Dataset:
    """Labelled texts: a pyarrow table, the labels in fixed order, a name and a fingerprint. Never changes.

    ``data + other`` joins two datasets of the same labels, ``data[2:5]`` and ``data[[0, 4]]`` select rows,
    ``data[0]`` is an ``Example``, ``data.targets()`` the ``(N, K)`` array that training sees.

    Raises:
        DataError: If a text is empty, an id is repeated, a label is unknown or a soft label is no distribution.
    """

    __slots__ = ("__dict__", "labels", "name", "table")

    def __init__(self, table: pa.Table, labels: Labels, *, name: str = "data") -> None:
        self.table = table.select(SCHEMA.names).cast(SCHEMA).combine_chunks()
        self.labels = labels
        self.name = name
        self._check()

    @classmethod
    def from_examples(cls, examples: Iterable[Example], labels: Labels, *, name: str = "data") -> Dataset:
        """Return a dataset of the given examples, in order."""
        rows = iter(examples)
        parts = [table_of([])]
        while part := list(itertools.islice(rows, ROWS_AT_ONCE)):
            try:
                parts.append(table_of(part))
            except UnicodeEncodeError as error:
                raise half_character(part, name, sum(map(len, parts))) from error
        return cls(pa.concat_tables(parts), labels, name=name)

    def _check(self) -> None:
        check_rows(self)

    # ---- columns

    @functools.cached_property
    def ids(self) -> tuple[str, ...]:
        """Row ids, ``N`` of them."""
        return strings(self.table.column("id"))

    @functools.cached_property
    def texts(self) -> tuple[str, ...]:
        """First texts, ``N`` of them."""
        return strings(self.table.column("text"))

    @functools.cached_property
    def text_pairs(self) -> tuple[str | None, ...]:
        """Second texts, None where a row has none."""
        column = self.table.column("text_pair")
        return (None,) * len(self) if column.null_count == len(self) else strings(column)

    @functools.cached_property
    def label_names(self) -> tuple[str, ...]:
        """Name of each row's label; where a row may have several, all of them in one text."""
        return shared_strings(self.table.column("label"))

    @functools.cached_property
    def label_sets(self) -> tuple[tuple[str, ...], ...]:
        """All labels of each row: one, or where a row may have several, any number.

        Raises:
            DataError: If the rows' labels are not of the kind that the task of ``labels`` has.
        """
        column = self.table.column("labels")
        missing = column.null_count
        if missing != (0 if self.labels.has_many else len(self)):
            present = [names is not None for names in column.to_pylist()]
            wrong = present.index(not self.labels.has_many)
            have = "a list of labels" if self.labels.has_many else "one label"
            raise DataError(f"{self.name}: row {wrong} ({self.ids[wrong]}): expected {have} (task {self.labels.task}).")
        if self.labels.has_many:
            return tuple(map(tuple, column.to_pylist()))
        alone = {name: (name,) for name in set(self.label_names)}
        return tuple(alone[name] for name in self.label_names)

    @functools.cached_property
    def origins(self) -> tuple[str, ...]:
        """Who wrote each row."""
        return shared_strings(self.table.column("origin"))

    @property
    def is_pair(self) -> bool:
        """True if any row has a second text."""
        return any(pair is not None for pair in self.text_pairs)

    @functools.cached_property
    def label_indices(self) -> np.ndarray:
        """Column of each row's label, ``(N,)`` integers.

        Raises:
            DataError: If rows may have several.
        """
        self.labels.one_each(f"{self.name}: this")
        column = {name: k for k, name in enumerate(self.labels)}
        return np.array([column[name] for name in self.label_names], dtype=np.int64)

    @functools.cached_property
    def marks(self) -> np.ndarray:
        """Which labels each row has, ``(N, K)`` booleans; soft labels play no part."""
        marks = np.zeros((len(self), len(self.labels)), dtype=bool)
        if self.labels.has_many:
            column = {name: k for k, name in enumerate(self.labels)}
            for i, names in enumerate(self.label_sets):
                marks[i, [column[name] for name in names]] = True
        else:
            marks[np.arange(len(self)), self.label_indices] = True
        marks.setflags(write=False)
        return marks

    @property
    def label_values(self) -> tuple[LabelValue, ...]:
        """Each row's label as JSON has it: a name, or a list of names where a row may have several."""
        if not self.labels.has_many:
            return self.label_names
        return tuple([name for name, has in zip(self.labels, row, strict=True) if has] for row in self.marks)

    def targets(self) -> np.ndarray:
        """Return what training aims at: ``(N, K)`` float64 rows that sum to 1; hard labels are one-hot.

        Where a row may have several labels, its numbers are each by itself in [0, 1].
        """
        targets = self.marks.astype(np.float64)
        soft = self.table.column("probabilities")
        if soft.null_count < len(self):
            for i, values in enumerate(soft.to_pylist()):
                if values is not None:
                    targets[i] = values
        return targets

    def counts(self) -> dict[str, int]:
        """Return how many rows have each label, labels in order, zeros included."""
        return {name: int(n) for name, n in zip(self.labels, self.marks.sum(axis=0), strict=True)}

    def by_label(self) -> dict[str, Dataset]:
        """Return one dataset per label, labels in order, empty ones included."""
        return {name: self.take(np.flatnonzero(self.label_indices == k)) for k, name in enumerate(self.labels)}

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hex digits that name the content: labels and rows in order; the dataset's own name plays no part."""
        task = [self.labels.task] if self.labels.has_many else []
        return fingerprint_lines([list(self.labels.names), *task, *(row.to_json(self.labels) for row in self)])

    # ---- rows

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __iter__(self) -> Iterator[Example]:
        for part in self.table.to_batches(max_chunksize=ROWS_AT_ONCE):
            yield from map(example_of, part.to_pylist())

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | np.ndarray) -> Dataset: ...
    def __getitem__(self, index: int | slice | Sequence[int] | np.ndarray) -> Example | Dataset:
        if isinstance(index, (int, np.integer)):
            if not -len(self) <= index < len(self):
                raise IndexError(f"{self.name}: row {index} of {len(self)}")
            return next(iter(self.take([int(index) % len(self)])))
        if isinstance(index, slice):
            return self.take(range(len(self))[index])
        return self.take(index)

    def take(self, indices: Iterable[int] | np.ndarray) -> Self:
        """Return the rows at the given positions, in that order."""
        given = indices if isinstance(indices, np.ndarray) else [int(i) for i in indices]
        places = np.asarray(given, dtype=np.int64)
        table = self.table.take(pa.array(places))
        if len(np.unique(places)) < len(places):
            return type(self)(table, self.labels, name=self.name)
        return self._known(table, self.labels, self.name)

    def renamed(self, name: str) -> Self:
        """Return the same rows under another name."""
        return self._known(self.table, self.labels, name)

    @classmethod
    def _known(cls, table: pa.Table, labels: Labels, name: str) -> Self:
        """Return rows of a dataset that was looked through: any choice of its rows, each once, is as sound as it."""
        made = cls.__new__(cls)
        made.table, made.labels, made.name = table.combine_chunks(), labels, name
        return made

    def __add__(self, other: Dataset) -> Dataset:
        if (self.labels.names, self.labels.task) != (other.labels.names, other.labels.task):
            raise DataError(
                f"cannot join '{self.name}' ({self.labels}) and '{other.name}' ({other.labels}): other labels."
            )
        kind = type(self) if isinstance(other, type(self)) else Dataset
        table = pa.concat_tables([self.table, other.table])
        return kind(table, self.labels, name=f"{self.name}+{other.name}")

    def where_origin(self, *origins: Origin) -> Dataset:
        """Return the rows written by any of the given origins."""
        return self.take([i for i, origin in enumerate(self.origins) if origin in origins])

    def human(self) -> HumanDataset:
        """Return the rows written by humans."""
        keep = [i for i, origin in enumerate(self.origins) if origin == "human"]
        return HumanDataset._known(self.table.take(pa.array(keep, type=pa.int64())), self.labels, self.name)

    def synthetic(self) -> Dataset:
        """Return the rows written by a model."""
        keep = [i for i, origin in enumerate(self.origins) if origin != "human"]
        return Dataset._known(self.table.take(pa.array(keep, type=pa.int64())), self.labels, self.name)

    def with_labels(self, labels: Labels) -> Dataset:
        """Return the same rows under a label set that holds all of theirs; only for hard labels.

        Raises:
            DataError: If a row's label is not in ``labels``, or a row has a soft label.
        """
        if (labels.names, labels.task) == (self.labels.names, self.labels.task):
            return self
        if self.table.column("probabilities").null_count < len(self):
            raise DataError(f"{self.name}: rows with soft labels cannot change their label set.")
        return type(self)(self.table, labels, name=self.name)

    def __repr__(self) -> str:
        counts = "/".join(str(n) for n in self.counts().values())
        return f"{self.name} · {len(self)} example{'s' * (len(self) != 1)} · {counts} · {self.fingerprint[:8]}"

    # ---- other libraries, at the edges

    @classmethod
    def from_pandas(
        cls,
        frame: pandas.DataFrame,
        *,
        text: str = "text",
        label: str = "label",
        text_pair: str | None = None,
        labels: Labels | None = None,
        name: str = "data",
    ) -> Dataset:
        """Return the rows of a pandas frame; where ``labels.has_many``, the label column holds lists of names."""
        values = frame[label].tolist()
        if labels is None or not labels.has_many:
            values = [str(value).strip() for value in values]
        pairs = frame[text_pair].tolist() if text_pair else None
        order = labels or Labels.found_in(values)
        return cls.from_examples(examples_of(frame[text].tolist(), values, pairs, order, name), order, name=name)

    def to_pandas(self) -> pandas.DataFrame:
        """Return the rows as a pandas frame with one column per field."""
        return self._plain().to_pandas()

    def _plain(self) -> pa.Table:
        """Return the table without the column that only rows with several labels fill."""
        return self.table if self.labels.has_many else self.table.drop_columns(["labels"])

    @classmethod
    def from_hf(
        cls,
        dataset: datasets.Dataset,
        *,
        text: str = "text",
        label: str = "label",
        text_pair: str | None = None,
        labels: Labels | None = None,
        name: str = "data",
    ) -> Dataset:
        """Return the rows of a Hugging Face dataset; a ClassLabel column brings its names in its order.

        Where ``labels.has_many``, the label column holds lists, of names or of a ClassLabel's numbers.
        """
        feature = dataset.features[label]
        feature = getattr(feature, "feature", feature)
        names: list[str] | None = getattr(feature, "names", None)

        def name_of(value: Any) -> str:
            return names[int(value)] if names and not isinstance(value, str) else str(value).strip()

        many = labels is not None and labels.has_many
        values: list[Any] = [[name_of(v) for v in value] if many else name_of(value) for value in dataset[label]]
        order = labels or (Labels(tuple(names)) if names else Labels.found_in(values))
        pairs = list(dataset[text_pair]) if text_pair else None
        return cls.from_examples(examples_of(list(dataset[text]), values, pairs, order, name), order, name=name)

    def to_hf(self) -> datasets.Dataset:
        """Return the rows as a Hugging Face dataset."""
        import datasets

        return datasets.Dataset(self._plain())


class HumanDataset(Dataset):
    """A dataset all of whose rows were written and labelled by humans: what may be validated and tested on.

    Functions that validate, test or measure take this type, so that a synthetic row cannot get there.

    Raises:
        DataError: If a row's origin is not human.
    """

    __slots__ = ()

    def _check(self) -> None:
        super()._check()
        check_human(self)

    @classmethod
    def from_examples(cls, examples: Iterable[Example], labels: Labels, *, name: str = "data") -> HumanDataset:
        """Return a dataset of the given human examples, in order."""
        return cls(Dataset.from_examples(examples, labels, name=name).table, labels, name=name)


@dataclass(frozen=True, slots=True)
class Splits:
    """The human rows of a task. ``test`` and ``validation`` cannot hold synthetic rows: their type forbids it.

    Args:
        train: Rows to train on, or to sample from.
        validation: Rows to select on, or None.
        test: Rows to measure on, or None.
        others: Further files of the source by name, e.g. ``base`` or ``unlabelled``.
        dropped: Rows of the source that a view of its labels leaves out.
    """

    train: HumanDataset
    validation: HumanDataset | None = None
    test: HumanDataset | None = None
    others: Mapping[str, HumanDataset] = field(default_factory=dict)
    dropped: tuple[Dropped, ...] = ()

    @property
    def labels(self) -> Labels:
        """The labels, shared by all splits."""
        return self.train.labels

    def named(self, name: str) -> HumanDataset:
        """Return a split by its name.

        Raises:
            DataError: If there is none; the message lists those there are.
        """
        found = self.all().get(name)
        if found is None:
            raise DataError(f"there is no split {name!r}; there are: {', '.join(self.all())}.")
        return found

    def all(self) -> dict[str, HumanDataset]:
        """Return every split there is, by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test, **self.others}
        return {name: rows for name, rows in named.items() if rows is not None}

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.all().values()))
