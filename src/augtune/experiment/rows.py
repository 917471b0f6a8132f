"""The human rows of a run: loaded, then test, validation and train drawn so that no row is in two of them."""

from __future__ import annotations

from dataclasses import dataclass

from augtune.core.dataset import HumanDataset, Splits
from augtune.core.errors import DataError, InputError, SettingsError
from augtune.core.outcomes import Dropped
from augtune.data import load, sample
from augtune.data.grammar import parse
from augtune.experiment.plan import Plan

__all__ = ["HumanRows", "human_rows"]


@dataclass(frozen=True, slots=True)
class HumanRows:
    """Rows to train on, to select on (or None) and to measure on; disjoint by id.

    Args:
        train: Rows to train on.
        validation: Rows to select on, or None.
        test: Rows to measure on.
        left_out: Rows of the source that a view of its labels leaves out; the others were drawn from what is left.
    """

    train: HumanDataset
    validation: HumanDataset | None
    test: HumanDataset
    left_out: tuple[Dropped, ...] = ()

    @property
    def splits(self) -> Splits:
        """The same rows as splits."""
        return Splits(self.train, self.validation, self.test)


def human_rows(plan: Plan) -> HumanRows:
    """Return the human rows a plan asks for.

    Test rows are drawn first, validation rows from what is left, training rows from what is left then, so that parts
    of one file never overlap and the test rows stay the same when the training sample changes.

    Raises:
        DataError: If the source, a column, a label or a split is wrong.
        SettingsError: If a sample cannot be drawn.
    """
    data = plan.experiment.data
    splits = load(
        plan.path(data.source) if not data.source.startswith("hf:") else data.source,
        text=data.columns.text,
        label=data.columns.label,
        text_pair=data.columns.text_pair,
        labels=data.labels,
        view=data.view,
        task=data.task,
        separator=data.separator,
        name=plan.experiment.name,
    )
    taken: dict[str, set[str]] = {}

    def draw(part: str, text: str) -> HumanDataset:
        split = parse(text).split or part
        if split not in splits.all():
            raise DataError(
                f"data.{part}: {data.source} has no split {split!r}; there are: {', '.join(splits.all())}.",
                hint=f"Name one, e.g. data.{part}='20% of {next(iter(splits.all()))}'.",
            )
        rows = splits.named(split)
        used = taken.setdefault(split, set())
        left = rows.take([i for i, name in enumerate(rows.ids) if name not in used]) if used else rows
        if not len(left):
            raise DataError(f"data.{part}: '{text}' finds no row left in {split!r}: other parts took them all.")
        drawn = sample(left, text, seed=data.seed)
        used.update(drawn.ids)
        return drawn

    test = draw("test", data.test)
    validation = None if data.validation == "none" else draw("validation", data.validation)
    train = draw("train", data.train)
    _check_generators(plan, train)
    return HumanRows(train, validation, test, splits.dropped)


def _check_generators(plan: Plan, train: HumanDataset) -> None:
    """See that every generator can work with the rows, and tell of all that cannot.

    Raises:
        SettingsError: With a line for each.
    """
    problems = []
    for arm in plan.arms:
        for generator in arm.generators:
            try:
                generator.require(train)
            except InputError as error:
                problems.append(f"generate: {error.message}" + (f" {error.hint}" if error.hint else ""))
    if problems:
        raise SettingsError(list(dict.fromkeys(problems)), hint="Nothing was run.")
