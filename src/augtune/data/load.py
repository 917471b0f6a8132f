"""Load a source of labelled texts to Splits: a file, a folder of splits, or a dataset of the hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from augtune.core.dataset import Example, HumanDataset, Splits
from augtune.core.errors import DataError, SettingsError
from augtune.core.labels import Labels
from augtune.core.outcomes import Dropped
from augtune.core.task import TaskName, unfit
from augtune.core.view import ViewGiven, view_labels, view_rows
from augtune.data import classes, columns, label_sets, split_names
from augtune.data.classes import Classes, LabelsGiven
from augtune.data.columns import Columns
from augtune.data.sources import read_source
from augtune.data.tables import Table

__all__ = ["load"]


def load(
    source: str | Path,
    *,
    text: str | None = None,
    label: str | None = None,
    text_pair: str | None = None,
    labels: LabelsGiven | None = None,
    task: TaskName = "single_label",
    separator: str | None = None,
    view: ViewGiven | None = None,
    name: str | None = None,
) -> Splits:
    """Return the human rows of a source.

    - A file (csv, tsv, json, jsonl, parquet): all of its rows are ``train``.
    - A folder: ``train``, ``validation`` (also called ``dev``, ``valid``, ``val``, ``eval``) and ``test`` in any of
      these formats. Every other table with the same text and label columns is in ``others`` under its file's name.
      Files called ``synthetic_…`` are left out: a model wrote them. A folder may lack ``train`` if it has other
      tables to learn the classes from, or ``labels`` names them: ``train`` is then empty.
    - ``hf:owner/name[:config][@revision]``: its splits likewise. A split without a single label (the public test
      splits of GLUE) is left out.

    Text is kept as it is, to the blank. Blanks around a label are taken off. Row ids are ``train-0000`` and so on.

    Args:
        source: File, folder or hub name.
        text: Column of the text; by default found by its usual names, see ``augtune.data.columns``.
        label: Column of the label, names or whole numbers, likewise.
        text_pair: Column of the second text of a pair, likewise.
        labels: All classes in order, or a mapping from the values in the files to class names, as in
            ``{0: "negative", 1: "positive"}``. By default the classes the data declares (a hub ``ClassLabel``, a
            parquet dictionary), else those of the training rows in natural order. Only classes given or declared may
            lack training rows. Where ``task`` is ``ordinal`` they are in order.
        task: ``single_label``; ``multi_label``: a row has any number of labels, a list in the label column, or one
            text with ``separator``; ``ordinal``: one label, and the labels have an order, that of their numbers or
            that of ``labels``. Labels given as ``Labels`` bring their own, and the view they are of.
        separator: What stands between the labels of a text, e.g. ``|``, where ``task`` is ``multi_label``.
        view: Classes merged into others, in the order wanted, e.g. ``{"non-neutral": ["negative", "positive"],
            "neutral": ["neutral"]}`` or ``"one-vs-rest neutral"``; see ``augtune.core.view``. Rows it leaves out
            (``"drop": [...]``) are in ``dropped`` of the result.
        name: Name of the data in prints; by default the folder's, file's or hub dataset's.

    Raises:
        DataError: If a file is damaged, a column is missing or ambiguous, a text or label is empty, a label is none
            of the classes, or the labels are measurements; the message has file and line.
        SettingsError: If ``separator`` is given where a row has one label, or ``view`` does not fit the labels.
        InputError: If a hub dataset cannot be loaded.
    """
    task = labels.task if isinstance(labels, Labels) else task
    order = labels if isinstance(labels, Labels) and labels.was else None
    given = labels if order is None else Labels(tuple(order.was), task=task)
    if order is not None and view is not None:
        raise SettingsError(f"view: the labels given are a view already: {order}")
    if separator is not None and (task != "multi_label" or not separator.strip()):
        raise SettingsError(f"separator: {unfit(repr(separator), ('multi_label',), task)}")
    found = read_source(source)
    first = next(iter(found.tables.values()))
    wanted = columns.find(first.columns, text=text, label=label, text_pair=text_pair, where=first.source)
    kept = _with_columns(found.tables, wanted)
    if found.may_lack_labels:
        kept = {split: table for split, table in kept.items() if not classes.is_unlabelled(table, wanted.label)}
    values = {split: _label_sets(table, wanted.label, task, separator) for split, table in kept.items()}
    known = _classes(kept, values, wanted.label, _Given(given, task, str(source)))
    rows = {
        split: _dataset(table, values[split], wanted, known, split=split, name=f"{name or found.name}/{split}")
        for split, table in kept.items()
    }
    dropped: list[Dropped] = []
    if view is not None:
        order = view_labels(known.labels, view)
    if order is not None:
        for split, part in rows.items():
            rows[split], left_out = view_rows(part, order)
            dropped += left_out
    empty = HumanDataset.from_examples([], order or known.labels, name=f"{name or found.name}/train")
    main = (rows.pop("train", empty), rows.pop("validation", None), rows.pop("test", None))
    return Splits(*main, others=rows, dropped=tuple(dropped))


def _with_columns(tables: Mapping[str, Table], wanted: Columns) -> dict[str, Table]:
    """Return the tables that have the wanted columns; a main split that lacks one is an error."""
    kept = {}
    for split, table in tables.items():
        if split not in split_names.MAIN and not {wanted.text, wanted.label} <= set(table.columns):
            continue
        columns.find(
            table.columns, text=wanted.text, label=wanted.label, text_pair=wanted.text_pair, where=table.source
        )
        kept[split] = table
    return kept


class _Given(NamedTuple):
    """What the user says of the labels, and of which source."""

    labels: LabelsGiven | None
    task: TaskName
    source: str


def _label_sets(table: Table, column: str, task: TaskName, separator: str | None) -> list[list[str]]:
    """Return the labels of every row, one unless rows may have several."""
    if task == "multi_label":
        return label_sets.sets_of(table, column, separator)
    alone: dict[str, list[str]] = {}
    return [alone.setdefault(value, [value]) for value in classes.values_of(table, column, task)]


def _classes(tables: Mapping[str, Table], values: Mapping[str, list[list[str]]], column: str, given: _Given) -> Classes:
    """Return the task's classes: from train, or where there is none, from every split but test."""
    source = given.source
    teachers = ["train"] if "train" in tables else [split for split in tables if split != "test"]
    if not teachers and given.labels is None:
        raise DataError(
            f"{source}: has neither a train table nor another one to learn the classes from.",
            hint="Add train.csv (or .tsv, .json, .jsonl, .parquet), name the file itself, or give labels=[...].",
        )
    declared = next((tables[t].class_names[column] for t in tables if column in tables[t].class_names), None)
    told = " and ".join(tables[t].source for t in teachers) or source
    return classes.resolve(
        [value for teacher in teachers for row in values[teacher] for value in row],
        declared=declared,
        given=given.labels,
        source=told,
        task=given.task,
    )


def _dataset(
    table: Table, values: list[list[str]], wanted: Columns, known: Classes, *, split: str, name: str
) -> HumanDataset:
    width = max(4, len(str(len(table.rows) - 1)))
    pair_column = wanted.text_pair
    is_pair = pair_column is not None and any(row.get(pair_column) is not None for row in table.rows)

    def examples() -> Iterator[Example]:
        for i, (row, own) in enumerate(zip(table.rows, values, strict=True)):
            if row.get("origin") in ("generated", "rewritten"):
                raise DataError(
                    f"{table.place(i)}: its origin is {row['origin']!r}: a model wrote this row, and only human rows "
                    "are loaded as data.",
                    hint="To train on it use generate: {kind: imported, path: ...}.",
                )
            second = (
                _text(row.get(wanted.text_pair), table, i, wanted.text_pair) if is_pair and wanted.text_pair else None
            )
            names = dict.fromkeys(known.name_of(value, table.place(i)) for value in own)
            yield Example(
                f"{split}-{i:0{width}d}",
                _text(row.get(wanted.text), table, i, wanted.text),
                "" if known.labels.has_many else next(iter(names)),
                text_pair=second,
                labels=tuple(names) if known.labels.has_many else None,
            )

    return HumanDataset.from_examples(examples(), known.labels, name=name)


def _text(value: Any, table: Table, index: int, column: str) -> str:
    """Return a cell's text, unchanged."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise DataError(f"{table.place(index)}: the text is empty (column {column!r}).", hint="Fill or remove the row.")
    if not isinstance(value, str):
        raise DataError(f"{table.place(index)}: expected text in column {column!r}, got {value!r}.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{table.place(index)}: the text (column {column!r}) holds half of a surrogate pair at character "
            f"{error.start}, which is no character.",
            hint="The file was cut or escaped wrongly; write it again as UTF-8.",
        ) from error
    return value
