"""What the command line says of labels: how many a row has, what is between them, which order they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from augtune.core.labels import Labels
    from augtune.core.task import LabelValue, TaskName
    from augtune.data.tables import Table

__all__ = ["ORDER", "SEPARATOR", "TASK", "LabelOptions"]

TASK = typer.Option(None, "--task", metavar="TASK", help="single_label, multi_label (any number a row) or ordinal.")
SEPARATOR = typer.Option(
    None, "--separator", metavar="TEXT", help="What is between the labels of a row, e.g. '|'; means --task multi_label."
)
ORDER = typer.Option(
    None, "--labels", metavar="A,B,...", help="The labels in order; for --task ordinal from low to high."
)


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """The options ``--task``, ``--separator`` and ``--labels``, None where they are not given.

    Args:
        task: How many labels a row has.
        separator: What stands between them in a text.
        order: The labels, with commas between them.
    """

    task: str | None = None
    separator: str | None = None
    order: str | None = None

    @property
    def named(self) -> TaskName:
        """The task; ``single_label`` if nothing is said.

        Raises:
            InputError: If there is no such task.
        """
        from augtune.core.errors import InputError
        from augtune.core.settings import suggestion
        from augtune.core.task import TASKS

        found = self.task or ("single_label" if self.separator is None else "multi_label")
        if found not in TASKS:
            raise InputError(f"--task {found}: there is no such task{suggestion(found, TASKS)}")
        return TASKS[found].name

    def to_load(self) -> dict[str, Any]:
        """Return them as keywords of ``load``."""
        names = None if self.order is None else [name.strip() for name in self.order.split(",")]
        return {"task": self.named, "separator": self.separator, "labels": names}

    def seen(self, table: Table, column: str) -> LabelOptions:
        """Return the options with the task that a column shows: lists of labels are several."""
        from augtune.data.label_sets import listed_in

        lists = self.task is None and all(listed_in(row.get(column)) is not None for row in table.rows)
        return LabelOptions("multi_label", self.separator, self.order) if lists else self

    def values(self, table: Table, column: str) -> list[LabelValue]:
        """Return the labels of a column: a name a row, or where a row may have several, a sorted list of names.

        Raises:
            DataError: If a cell holds no label, or none of the kind.
        """
        from augtune.data import classes, label_sets

        if self.named == "multi_label":
            return [sorted(names) for names in label_sets.sets_of(table, column, self.separator)]
        return list(classes.values_of(table, column, self.named))

    def labels(self, values: Sequence[LabelValue]) -> Labels:
        """Return the labels: those given in order, else those that occur."""
        from augtune.core.labels import Labels

        given = self.to_load()["labels"]
        if given is not None:
            return Labels(tuple(given), task=self.named)
        return Labels.found_in(
            (name for value in values for name in ([value] if isinstance(value, str) else value)), self.named
        )
