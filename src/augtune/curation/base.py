"""What a curation step is, and ``curate``, which applies some in order and sees that no row gets lost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from augtune.core.dataset import Dataset, HumanDataset, Splits
from augtune.core.encoders import DEFAULT_ENCODER
from augtune.core.errors import SettingsError
from augtune.core.outcomes import Changed, Cost, Curation, Dropped
from augtune.core.settings import Settings
from augtune.core.task import TaskName, unfit
from augtune.curation import STEPS

if TYPE_CHECKING:
    from augtune.llm.client import LLM

__all__ = ["Context", "Progress", "Step", "curate", "parse_steps"]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much."""


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What a step may look at besides the rows it curates.

    Args:
        human: The human rows trained on, or None.
        splits: The task's splits, or None; ``test`` and ``validation`` are looked up here.
        encoder: Encoder that says how alike two texts are, unless a step names its own.
        on_progress: Told how encoding goes.
        llm: The language model that steps may ask, or None.
    """

    human: HumanDataset | None = None
    splits: Splits | None = None
    encoder: str = DEFAULT_ENCODER
    on_progress: Progress | None = None
    llm: LLM | None = None
    _vectors: dict[str, dict[str, np.ndarray]] = field(default_factory=dict, repr=False)

    def vectors(self, texts: Sequence[str], *, encoder: str | None = None) -> np.ndarray:
        """Return ``(N, H)`` unit rows for ``N >= 1`` texts; a text is encoded once per context."""
        from augtune.embedding.encode import embed

        name = encoder or self.encoder
        known = self._vectors.setdefault(name, {})
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            progress = self.on_progress
            report = None if progress is None else lambda done, total: progress("encoding", done, total)
            known.update(zip(missing, embed(missing, encoder=name, on_progress=report), strict=True))
        return np.stack([known[text] for text in texts])


class Step(Settings, ABC):
    """One curation step: its fields are its settings, ``apply`` is what it does.

    A step drops rows or keeps them, in order; it records every row it drops or gives another label.
    """

    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal")
    """The tasks whose rows it can curate."""

    @property
    def needs_llm(self) -> bool:
        """True if it asks a language model."""
        return False

    def files(self) -> tuple[Path, ...]:
        """Return the files and folders whose content the result depends on."""
        return ()

    @abstractmethod
    def apply(self, rows: Dataset, context: Context) -> Curation:
        """Return the rows kept, in order, and those dropped or relabelled, with why."""


def curate(
    rows: Dataset,
    steps: Sequence[Step | str | Mapping[str, Any]] | Step | str | Mapping[str, Any],
    *,
    human: HumanDataset | None = None,
    splits: Splits | None = None,
    encoder: str = DEFAULT_ENCODER,
    llm: LLM | None = None,
    on_progress: Progress | None = None,
) -> Curation:
    """Return the rows that pass every step, and on record those that do not or that were given another label.

    Args:
        rows: Synthetic rows; human rows among them are kept.
        steps: Steps in order, each an object, a name or a mapping with ``kind``.
        human: The human rows trained on; ``dedup`` drops synthetic rows that repeat them.
        splits: The task's splits, for steps that name one (``contamination: {against: test}``).
        encoder: Encoder that says how alike two texts are. A text is encoded once, however many steps ask.
        llm: The language model for steps that ask one (``agree``).
        on_progress: Called with what is being done, how much of it is done, and of how much.

    Raises:
        SettingsError: If a step's settings are wrong, or ask for a split there is not.
        InputError: If a step needs a language model and there is none.
        BudgetError: If the budget is reached; what was paid for is kept.
    """
    parsed, task = parse_steps(steps), rows.labels.task
    misfits = [unfit(step.kind, step.tasks, task) for step in parsed if task not in step.tasks]
    if misfits:
        raise SettingsError(misfits)
    context = Context(human, splits, encoder, on_progress, llm)
    dropped: list[Dropped] = []
    changed: list[Changed] = []
    cost = Cost()
    for number, step in enumerate(parsed):
        result = step.apply(rows, context)
        _check_conserved(step, rows, result)
        rows = result.dataset
        dropped.extend(result.dropped)
        changed.extend(result.changed)
        cost = cost + result.cost
        if on_progress is not None:
            on_progress("curation steps", number + 1, len(parsed))
    return Curation(rows, tuple(dropped), tuple(changed), cost)


def parse_steps(
    steps: Sequence[Step | str | Mapping[str, Any]] | Step | str | Mapping[str, Any], *, where: str = "curate"
) -> tuple[Step, ...]:
    """Return the steps that objects, names or mappings (as read from YAML) describe.

    Args:
        steps: One of them, or several in order.
        where: Dotted place in the experiment file, for messages.

    Raises:
        SettingsError: With one line per problem of all steps.
    """
    if isinstance(steps, (Step, str, Mapping)):
        steps = [steps]
    parsed, problems = STEPS.parse_each(steps, where=where)
    if problems:
        raise SettingsError(problems)
    return tuple(parsed)


def _check_conserved(step: Step, rows: Dataset, result: Curation) -> None:
    """See that every row is kept, or on record as dropped or relabelled; a step that loses one is wrong itself."""
    kept = _places(result.dataset.table.column("id"), rows)
    gone = _places(pa.array([row.example.id for row in result.dropped], pa.string()), rows)
    whole = np.array_equal(np.sort(np.concatenate([kept, gone])), np.arange(len(rows)))
    in_order = bool((kept[1:] > kept[:-1]).all())
    if not whole or not in_order or not _restored(rows.take(kept), result).table.equals(result.dataset.table):
        raise RuntimeError(
            f"curation step {step.kind or type(step).__name__!r} was given {len(rows)} rows and returned {len(kept)} "
            f"kept and {len(gone)} dropped that are not the same rows in order; this is a mistake in the step."
        )


def _places(ids: pa.Array | pa.ChunkedArray, rows: Dataset) -> np.ndarray:
    """Return where in the rows each id stands, -1 for one that is not there."""
    return np.asarray(pc.index_in(ids, value_set=rows.table.column("id")).fill_null(-1).to_numpy(), dtype=np.int64)


def _restored(before: Dataset, result: Curation) -> Dataset:
    """Return the rows kept as they were, with the changes that are on record."""
    if not result.changed:
        return before
    were = {row.id: row for row in before}
    after = {
        row.before.id: row.after
        for row in result.changed
        if were.get(row.before.id) == row.before and row.after.text == row.before.text
    }
    return Dataset.from_examples((after.get(row.id, row) for row in before), before.labels, name=before.name)
