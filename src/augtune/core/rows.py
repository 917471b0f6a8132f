"""What every row of a dataset has to be, and rows made from columns of other libraries."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from augtune.core.columns import strings
from augtune.core.errors import DataError
from augtune.core.example import Example
from augtune.core.labels import Labels

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset

__all__ = ["check_human", "check_rows", "examples_of", "half_character"]

TEXTS_AT_ONCE = 8192


def check_rows(data: Dataset) -> None:
    """See that ids are unique, texts there, labels known and soft labels what the task wants.

    Raises:
        DataError: If one of them is not; the message has the row.
    """
    if pc.count_distinct(data.table.column("id"), mode="all").as_py() != len(data):
        seen: set[str] = set()
        twice = next(i for i in data.ids if i in seen or seen.add(i))  # type: ignore[func-returns-value]
        raise DataError(f"{data.name}: id {twice!r} is used twice; ids have to be unique.")
    problems = [found for found in (_empty_text(data), _wrong_label(data)) if found is not None]
    if problems:
        row, problem, hint = min(problems, key=lambda found: found[0])
        raise DataError(f"{data.name}: row {row} ({data.ids[row]}): {problem}.", hint=hint)
    column = data.table.column("probabilities")
    if column.null_count == len(data):
        return
    for i, soft in enumerate(column.to_pylist()):
        if soft is not None and (len(soft) != len(data.labels) or not data.labels.rule.is_target(soft)):
            raise DataError(
                f"{data.name}: row {i} ({data.ids[i]}): expected {len(data.labels)} probabilities "
                f"{data.labels.rule.expected}, got {soft}."
            )


def _empty_text(data: Dataset) -> tuple[int, str, str | None] | None:
    """Return the first row without a text and what to say of it; texts are looked at a part at a time."""
    column = data.table.column("text")
    for start in range(0, len(data), TEXTS_AT_ONCE):
        for i, text in enumerate(strings(column.slice(start, TEXTS_AT_ONCE)), start=start):
            if not text or not text.strip():
                return i, "the text is empty", "Remove or fill the row."
    return None


def _wrong_label(data: Dataset) -> tuple[int, str, str | None] | None:
    """Return the first row whose label is none of the labels, or is given twice, and what to say of it."""
    known = frozenset(data.labels.names)
    sets = data.label_sets
    if not data.labels.has_many and known.issuperset(set(data.label_names)):
        return None
    for i, names in enumerate(sets):
        problem = _problem(names, known, data.labels)
        if problem is not None:
            return i, problem, None
    return None


def check_human(data: Dataset) -> None:
    """See that every row was written by a human, where rows are validated or tested on.

    Raises:
        DataError: If one was not; the message has the row.
    """
    if set(data.origins) <= {"human"}:
        return
    for i, origin in enumerate(data.origins):
        if origin != "human":
            raise DataError(
                f"{data.name}: row {i} ({data.ids[i]}) is {origin}: synthetic rows can be trained on, "
                "never validated or tested on.",
                hint="Use .human() to take the human rows only.",
            )


def half_character(rows: Sequence[Example], name: str, first: int = 0) -> DataError:
    """Return the error for rows of which one holds half of a surrogate pair, which no table can hold.

    Args:
        rows: The rows.
        name: Of the dataset.
        first: Place of the first of them in it.
    """
    for i, row in enumerate(rows, start=first):
        for field in ("id", "text", "text_pair", "label", "source_text", "generator"):
            try:
                (getattr(row, field) or "").encode()
            except UnicodeEncodeError as error:
                half = f"\\u{ord(error.object[error.start]):04x}"
                return DataError(
                    f"{name}: row {i} ({row.id!r}): its {field} holds {half}, half of a surrogate pair, which is no "
                    "character.",
                    hint="A program cut a text in the middle of an emoji: take the half away, or replace it by \ufffd.",
                )
    return DataError(f"{name}: a row holds half of a surrogate pair, which is no character.")


def _problem(names: Sequence[str], known: Collection[str], labels: Labels) -> str | None:
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        return f"label {unknown!r} is not one of {', '.join(map(repr, labels))}"
    if len(set(names)) != len(names):
        return f"a label is given twice: {', '.join(names)}"
    return None


def examples_of(
    texts: Sequence[Any], values: Sequence[Any], pairs: Sequence[Any] | None, labels: Labels, name: str
) -> list[Example]:
    """Return human rows of columns, with the ids ``NAME-0000`` and so on.

    Args:
        texts: First texts.
        values: A label name of each row, or where a row may have several, a list of names.
        pairs: Second texts, or None.
        labels: The labels.
        name: Of the data.

    Raises:
        DataError: If a text is none, or labels are not of the form that the task has.
    """
    for column in (texts, pairs or ()):
        for i, text in enumerate(column):
            if not isinstance(text, str):
                raise DataError(f"{name}: row {i}: expected a text, got {text!r}.", hint="Remove or fill the row.")
    rows = []
    for i, (text, value, pair) in enumerate(zip(texts, values, pairs or [None] * len(texts), strict=True)):
        if labels.has_many and isinstance(value, str):
            raise DataError(f"{name}: row {i}: expected a list of labels (task multi_label), got {value!r}.")
        many = tuple(value) if labels.has_many else None
        rows.append(Example(f"{name}-{i:04d}", text, value if many is None else "", text_pair=pair, labels=many))
    return rows
