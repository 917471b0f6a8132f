"""The human rows of a run: loaded, then test, validation and train drawn so that no row is in two of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from augtune.core.dataset import HumanDataset, Splits
from augtune.core.errors import DataError, InputError, SettingsError
from augtune.core.outcomes import Dropped
from augtune.data import load, sample
from augtune.data.grammar import Wanted, parse
from augtune.experiment.data_settings import DataSettings
from augtune.experiment.plan import ArmPlan, Plan

__all__ = ["HumanRows", "HumanSource", "checked_source", "drawn_before", "label_problems"]


@dataclass(frozen=True, slots=True)
class HumanRows:
    """Rows to train on, to select on (or None) and to measure on; disjoint by id.

    Args:
        train: Rows to train on.
        validation: Rows to select on, or None.
        test: Rows to measure on.
        left_out: Rows of the source that a view of its labels leaves out; the others were drawn from what is left.
        seed: Of the draw of ``train``, and of what is generated from it.
    """

    train: HumanDataset
    validation: HumanDataset | None
    test: HumanDataset
    left_out: tuple[Dropped, ...] = ()
    seed: int = 0

    @property
    def splits(self) -> Splits:
        """The same rows as splits."""
        return Splits(self.train, self.validation, self.test)


class HumanSource:
    """The source of a plan's human rows, loaded once.

    Test rows are drawn first, validation rows from what is left, training rows from what is left then, so that parts
    of one file never overlap and the test rows stay the same when the training sample or its seed changes. Rows named
    by position are those of the whole split; one that another part has is refused.

    Args:
        plan: What to load and draw.

    Raises:
        DataError: If the source, a column, a label or a split is wrong.
        SettingsError: If a sample cannot be drawn.
    """

    def __init__(self, plan: Plan) -> None:
        data = plan.experiment.data
        self._plan, self._data = plan, data
        self._all = load(
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
        self._taken: dict[str, dict[str, str]] = {}
        self._test = self._drawn("test", data.test, data.seed)
        self._validation = None
        if data.validation != "none":
            self._validation = self._drawn("validation", data.validation, data.seed)
        self._made: dict[tuple[str, int], HumanRows] = {}

    def of(self, train: str | None = None, seed: int | None = None) -> HumanRows:
        """Return the rows with a training sample; with one seed a smaller sample lies in a larger one.

        Args:
            train: The training sample, in the grammar of ``data.train``; the plan's if None.
            seed: Of its draw; that of the first trial if None.

        Raises:
            DataError: If the split is wrong or has too few rows.
            SettingsError: If the sample cannot be drawn.
        """
        wanted = self._data.train if train is None else train
        number = self._plan.experiment.all_trials[0].data_seed if seed is None else seed
        if (wanted, number) not in self._made:
            drawn = self._drawn("train", wanted, number)
            self._made[wanted, number] = HumanRows(drawn, self._validation, self._test, self._all.dropped, number)
        return self._made[wanted, number]

    def whereabouts(self, label: str, train: str | None = None) -> str:
        """Return where the rows of a label are that no training row has, and what to do about it.

        Args:
            label: The label.
            train: The training sample, in the grammar of ``data.train``; the plan's if None.
        """
        split = parse(self._data.train if train is None else train).split or "train"
        rows, used = self._all.named(split), self._taken.get(split, {})
        own = [rows.ids[i] for i in np.flatnonzero(rows.marks[:, rows.labels.names.index(label)])]
        among = set(own)
        taken = Counter(part for name, part in used.items() if name in among)
        told = f"{split!r} has {len(own) or 'no'} row{'' if len(own) == 1 else 's'} of it"
        if taken:
            told += ", of which " + " and ".join(f"data.{part} takes {n}" for part, n in taken.items())
        if taken.total() < len(own):
            return f"{told}; sample more (data.train)"
        elsewhere = f", name other rows for {' or '.join(f'data.{part}' for part in taken)}" if taken else ""
        return f"{told}; add rows of it{elsewhere}, merge it with another label or drop it (data.view)"

    def _drawn(self, part: str, text: str, seed: int) -> HumanDataset:
        wanted = parse(text)
        split = wanted.split or part
        if split not in self._all.all():
            source, splits = self._data.source, self._all.all()
            raise DataError(
                f"data.{part}: {source} has no split {split!r}; there are: {', '.join(splits)}.",
                hint=f"Name one, e.g. data.{part}='20% of {next(iter(splits))}'.",
            )
        rows = self._all.named(split)
        used = self._taken.get(split, {})
        if wanted.amount == "rows":
            drawn = sample(rows, wanted, seed=seed)
            self._check_free(part, wanted, drawn, rows)
        else:
            left = rows.take([i for i, name in enumerate(rows.ids) if name not in used]) if used else rows
            if not len(left):
                raise DataError(f"data.{part}: '{text}' finds no row left in {split!r}: other parts took them all.")
            drawn = sample(left, wanted, seed=seed)
        if part != "train":  # training rows of one arm or seed may well be those of another
            self._taken.setdefault(split, {}).update(dict.fromkeys(drawn.ids, part))
        return drawn

    def _check_free(self, part: str, wanted: Wanted, drawn: HumanDataset, rows: HumanDataset) -> None:
        """See that no row that a part names by position is another part's.

        Raises:
            DataError: With the first such position, how many there are and whose they are.
        """
        split = wanted.split or part
        used = self._taken.get(split, {})
        twice = [name for name in drawn.ids if name in used]
        if not twice:
            return
        others = " and ".join(f"data.{other}" for other in dict.fromkeys(used[name] for name in twice))
        more = f" and {len(twice) - 1} more" if len(twice) > 1 else ""
        raise DataError(
            f"data.{part}: names row {rows.ids.index(twice[0])} of {split!r}{more}, taken by {others}.",
            hint="Positions count from 0 in the whole split, and no row is in two parts. Name rows that no other part "
            f"has; to know which these are, name those of {others} by position too.",
        )


def drawn_before(data: DataSettings, part: str) -> tuple[str, ...]:
    """Return the parts that are drawn from the same split before a part, which is drawn from what they leave.

    Args:
        data: What says of every part where it is drawn from.
        part: train, validation or test.
    """
    samples = {"test": data.test, "validation": data.validation, "train": data.train}
    splits = {name: parse(text).split or name for name, text in samples.items() if text != "none"}
    before = takewhile(lambda name: name != part, splits)
    return tuple(name for name in before if splits[name] == splits.get(part))


def checked_source(plan: Plan) -> HumanSource:
    """Return the source of a plan's human rows, those of every arm and trial having been drawn and looked at.

    Raises:
        DataError: If the source, a column, a label or a split is wrong.
        SettingsError: If a sample cannot be drawn, or a generator cannot work with the rows.
    """
    source = HumanSource(plan)
    source.of()
    for arm in plan.trained:
        for trial in plan.experiment.all_trials:
            source.of(arm.human, trial.data_seed)
    _check_generators(plan, source.of().train)
    return source


def label_problems(arm: ArmPlan, source: HumanSource) -> list[str]:
    """Return a line for each label that an arm could never predict, since none of its training rows has it.

    Args:
        arm: The arm; one that generates rows may yet get some.
        source: The human rows.
    """
    if arm.generators or arm.settings.allow_missing:
        return []
    counts = source.of(arm.human).train.counts()
    return [
        f"no training row has the label {label!r}: {source.whereabouts(label, arm.human)}, or set "
        "train.allow_missing: true"
        for label, n in counts.items()
        if not n
    ]


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
