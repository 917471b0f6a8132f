"""Files that the step commands read: human rows, synthetic rows, texts to predict, truths and predictions."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from augtune.cli.abstaining import answers_of, as_written
from augtune.cli.agreeing import Asked, Said, check_labels, settled
from augtune.cli.matching import OTHERWISE, TRUE_COLUMNS, ids_of, match_by
from augtune.cli.tasks import LabelOptions
from augtune.core.errors import DataError
from augtune.core.json_text import decoded

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset, HumanDataset, Splits
    from augtune.core.labels import Labels
    from augtune.core.tables import Predictions
    from augtune.core.task import LabelValue
    from augtune.data.tables import Table
    from augtune.llm.client import LLM

__all__ = ["Matched", "human_rows", "human_splits", "language_model", "matched", "synthetic_rows"]

TEXT = typer.Option(None, "--text", metavar="COLUMN", help="Column of the text; found by its usual names if not given.")
LABEL = typer.Option(None, "--label", metavar="COLUMN", help="Column of the label; found likewise.")
PAIR = typer.Option(None, "--text-pair", metavar="COLUMN", help="Column of the second text of a pair.")
VIEW = typer.Option(
    None, "--view", help="Classes merged into others: 'one-vs-rest spam', or '{bad: [spam, scam], good: [ham]}'."
)
SEED = typer.Option(0, "--seed", help="Seed of everything that is drawn.")
MATCH = typer.Option(
    None,
    "--match",
    metavar="COLUMN|order",
    help="What tells which prediction is of which row: a column that both files have, or the order of their rows; by "
    "default id or index if both have it, else the order.",
)
SET = typer.Option(None, "--set", metavar="KEY=VALUE", help="A setting, as in the experiment file; may be repeated.")

PREDICTED_COLUMNS = ("predicted", "pred", "prediction")
PROBABILITY_COLUMNS = ("probabilities", "probs")
SHOWN = 3  # of the rows that are left out


def human_splits(
    path: Path,
    *,
    text: str | None,
    label: str | None,
    text_pair: str | None = None,
    labels: Labels | None = None,
    view: str | None = None,
    told: LabelOptions | None = None,
) -> Splits:
    """Return the human rows of a file or folder; those that a view leaves out are told on stderr.

    Args:
        path: The file or folder.
        text: Column of the text, found by its usual names if None; likewise ``label`` and ``text_pair``.
        label: Column of the label.
        text_pair: Column of the second text.
        labels: The labels its rows have to use; by default those of its training rows.
        view: Classes merged into others, as on the command line.
        told: What the command line says of labels.
    """
    from augtune.data import load
    from augtune.experiment.document import value_of

    options = (told or LabelOptions()).to_load()
    if labels is not None:
        options["labels"] = labels
    seen = None if view is None else value_of(view)
    found = load(path, text=text, label=label, text_pair=text_pair, view=seen, **options)
    if found.dropped:
        sys.stderr.write(f"{path}: the view leaves out {len(found.dropped)} rows\n")
    return found


def human_rows(path: Path, split: str, *, option: str = "", **how: Any) -> HumanDataset:
    """Return the human rows of a file, or of a folder those of one split: what is held out is never its training rows.

    Args:
        path: The file or folder.
        split: The split that is meant where it is a folder: ``validation`` or ``test``.
        option: The option that named it, for messages; empty for an argument.
        how: As ``human_splits``.

    Raises:
        DataError: If the folder has no such split.
    """
    splits = human_splits(path, **how)
    if not path.expanduser().is_dir():
        return splits.train
    found = splits.all()
    if split not in found:
        there = ", ".join(repr(name) for name, rows in found.items() if len(rows))
        raise DataError(
            f"{f'{option} ' if option else ''}{path}: expected a folder with a split {split!r}; there are: {there}.",
            hint=f"Add {split}.csv (or .tsv, .json, .jsonl, .parquet), or name the file that holds the rows.",
        )
    return found[split]


def synthetic_rows(path: Path, human: HumanDataset, *, separator: str | None = None) -> Dataset:
    """Return the rows of a file that ``augtune generate`` or ``curate`` wrote, or any table of rows a model wrote.

    Rows without a text or a label are left out, which stderr says.

    Args:
        path: The file.
        human: Human rows, whose labels the rows have to use.
        separator: What is between the labels of a row, where they stand in one text.
    """
    from augtune.core.dataset import Dataset, Example
    from augtune.data import tables
    from augtune.generation.imported import Imported

    table = tables.read(path)
    if path.suffix == ".jsonl" and {"id", "text", "label", "origin"} <= set(table.columns):
        rows = []
        for i, row in enumerate(table.rows):
            try:
                rows.append(Example.from_json(row, human.labels))
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(f"{table.place(i)}: not a row that augtune wrote: {error!r}.") from error
        return Dataset.from_examples(rows, human.labels, name=path.stem)
    named = {} if separator is None else {"columns": {"separator": separator}}
    made = Imported.parse({"path": str(path), **named}, where="--synthetic").generate(human, llm=None, seed=0)
    if made.dropped:
        many = "1 row is" if len(made.dropped) == 1 else f"{len(made.dropped)} rows are"
        sys.stderr.write(f"{many} left out: {'; '.join(row.because for row in made.dropped[:SHOWN])}\n")
    return made.dataset


def cache_beside(out: Path) -> Path:
    """Return where the replies are kept that a command pays for to write a file."""
    return out.with_name(f"{out.stem}.cache.sqlite")


def language_model(
    model: str | None, *, budget: str | None, replay: Path | None, base_url: str | None, cache: Path
) -> LLM | None:
    """Return the language model the options describe, or None if they name none.

    Args:
        model: PROVIDER/MODEL.
        budget: Most it may cost.
        replay: A recording to answer from.
        base_url: Address in place of the provider's own.
        cache: Where replies are kept, so that the same command pays for nothing twice.
    """
    if model is None and replay is None:
        return None
    from augtune.experiment.tally import Tallied

    kept = None if replay is not None else cache
    extra: dict[str, Any] = {} if base_url is None else {"base_url": base_url}
    return Tallied(model, budget=budget, replay=replay, cache=kept, **extra)


# ---- truths and predictions


@dataclass(frozen=True, slots=True)
class Matched:
    """A truth and the predictions of its rows.

    Args:
        truth: The rows' labels; their texts play no part.
        predictions: Per name, one per file given for it.
        by: Per file, how its rows were matched.
        has_probabilities: Whether every file has them, and they say what its labels say.
        table: The file of the truth, as it was read.
        abstained: Per file, ids of the rows it leaves unanswered; in ``predictions`` they have their most probable
            label.
    """

    truth: HumanDataset
    predictions: Mapping[str, tuple[Predictions, ...]]
    by: tuple[str, ...]
    has_probabilities: bool
    table: Table
    abstained: tuple[frozenset[str], ...]

    def column(self, name: str, option: str) -> list[str]:
        """Return a column of the truth's file as text, one value per row; ``missing`` where a row has none.

        Args:
            name: The column.
            option: The option that named it, for messages.

        Raises:
            DataError: If there is no such column.
        """
        names = self.table.columns
        if name not in names:
            raise DataError(
                f"{self.table.source}: no column {name!r} (given as {option}); there are: {', '.join(names)}."
            )
        values = (row.get(name) for row in self.table.rows)
        return ["missing" if value is None or value == "" else str(value) for value in values]


def matched(
    truth: Path,
    files: Sequence[tuple[str, Path]],
    columns: Mapping[str, str | None],
    *,
    told: LabelOptions | None = None,
    asked: Asked | None = None,
) -> Matched:
    """Return the labels of a file and the predictions of others, row by row.

    Args:
        truth: File with the true labels.
        files: Name and file of each set of predictions; a name may stand several times, once per seed.
        columns: ``label`` and ``predicted``, columns of the true and the predicted label, found by their usual names if
            None; ``match``, the column that rows are matched by, or ``order``; None: ``id`` or ``index`` if both files
            have it, else their order.
        told: What the command line says of labels; lists of labels in the file tell by themselves.
        asked: What is asked of the predictions.

    Raises:
        DataError: If a column is missing, a row has no prediction, rows do not correspond, a file predicts no label of
            the truth, or its probabilities contradict its labels.
    """
    from augtune.core.dataset import HumanDataset
    from augtune.core.rows import examples_of
    from augtune.data import tables
    from augtune.data.columns import LABEL_NAMES

    base = tables.read(truth)
    column = _column(base, columns["label"], (*TRUE_COLUMNS, *LABEL_NAMES), "--label")
    told = (told or LabelOptions()).seen(base, column)
    true = told.values(base, column)
    read = [(name, as_written(tables.read(path))) for name, path in files]
    own = [_column(table, columns["predicted"], PREDICTED_COLUMNS, "--predicted") for _, table in read]
    given = [answers_of(table, name, _probability_column(table)) for name, (_, table) in zip(own, read, strict=True)]
    answers = [told.values(table, name) for name, (table, _) in zip(own, given, strict=True)]
    if told.order is None:
        for (table, _), values in zip(given, answers, strict=True):
            check_labels(base, true, table, values)
    labels = told.labels([*true, *(value for values in answers for value in values)])
    by = tuple(match_by(base, table, true, told, columns["match"]) for _, table in read)
    ids = {key: ids_of(base, key) for key in set(by)}
    rows = [
        replace(row, id=f"row-{i}")
        for i, row in enumerate(examples_of([f"row {i}" for i in range(len(true))], true, None, labels, truth.stem))
    ]
    place = {key: {value: f"row-{i}" for i, value in enumerate(values)} for key, values in ids.items()}
    made: dict[str, list[Predictions]] = {}
    soft = []
    for (name, table), said_in, values, (_, left), key in zip(read, own, answers, given, by, strict=True):
        found = _predictions(name, table, values, labels, (key, place[key]))
        row_of = {place[key][one]: i for i, one in enumerate(ids_of(table, key)) if one in place[key]}
        said = Said(table, said_in, _probability_column(table), values, left, row_of)
        found, has_probabilities = settled(found, said, asked or Asked())
        made.setdefault(name, []).append(found)
        soft.append(has_probabilities)
    return Matched(
        HumanDataset.from_examples(rows, labels, name=truth.stem),
        {name: tuple(found) for name, found in made.items()},
        tuple(
            f"{table.source}: rows matched by {repr(key) if key else 'their order'}"
            + ("" if key or columns["match"] else " (no id or index in both files)")
            for (_, table), key in zip(read, by, strict=True)
        ),
        all(soft),
        base,
        tuple(
            frozenset(
                place[key][one]
                for one, is_left in zip(ids_of(table, key), left, strict=True)
                if is_left and one in place[key]
            )
            for (table, left), key in zip(given, by, strict=True)
        ),
    )


def _column(table: Table, wanted: str | None, usual: Sequence[str], option: str) -> str:
    names = table.columns
    if wanted is not None and wanted not in names:
        raise DataError(f"{table.source}: no column {wanted!r}; there are: {', '.join(names)}.")
    found = wanted or next((name for name in usual if name in names), None)
    if found is None:
        raise DataError(
            f"{table.source}: no column is called {' or '.join(usual[:3])}; there are: {', '.join(names)}.",
            hint=f"Name it with {option}.",
        )
    return found


def _probability_column(table: Table) -> str | None:
    return next((name for name in PROBABILITY_COLUMNS if name in table.columns), None)


def _predictions(
    name: str, table: Table, values: Sequence[LabelValue], labels: Labels, match: tuple[str | None, Mapping[str, str]]
) -> Predictions:
    from augtune.core.tables import Predictions

    key, place = match
    column = _probability_column(table)
    rows = []
    for i, own in enumerate(ids_of(table, key)):
        if own not in place:
            continue
        soft = None if column is None else _soft(table, i, column, labels)
        rows.append({"id": place[own], "predicted": values[i], "probabilities": soft})
    found = Predictions.from_rows(rows, labels, made_by=name)
    if len(found) < len(place):
        missing = next(own for own, row in place.items() if row not in set(found.ids))
        gone = len(place) - len(found)
        raise DataError(
            f"{table.source}: has no row with {key} {missing!r}; {gone} of {len(place)} are missing.",
            hint=OTHERWISE,
        )
    return found


def _soft(table: Table, index: int, column: str, labels: Labels) -> dict[str, float]:
    value = table.rows[index].get(column)
    try:
        value = decoded(value) if isinstance(value, str) else value
        if isinstance(value, Mapping):
            given = {str(name).strip(): float(p) for name, p in value.items()}
            if not set(given) <= set(labels.names):
                raise ValueError("unknown label")
            return {label: given.get(label, 0.0) for label in labels}
        return {label: float(p) for label, p in zip(labels, list(value or ()), strict=True)}
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{table.place(index)}: expected probabilities of {labels} as an object or a list in this order, "
            f"got {value!r}."
        ) from error
