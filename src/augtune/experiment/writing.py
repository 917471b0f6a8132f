"""The synthetic rows of a choice: those given, and those that a language model writes, all at once or by need.

Where classes are unbalanced and nobody names a generator, rows are written in rounds (``choosing.boost``). What is
asked in a round depends on the human rows, the seed and the replies before, so a call that was cut off asks the same
again and is answered by the cache.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from augtune.choosing.boost import Boosting, BoostSettings, Measure, is_unbalanced
from augtune.choosing.folds import FoldSettings
from augtune.core.dataset import Dataset, Example, HumanDataset, Splits
from augtune.core.decision import Boost
from augtune.core.errors import SettingsError
from augtune.core.outcomes import Cost, Curation, Dropped, Generation
from augtune.core.seeds import derive
from augtune.experiment.asking import Asking
from augtune.experiment.tally import Tallied

if TYPE_CHECKING:
    from augtune.experiment.store import RunFolder
    from augtune.llm.client import LLM

__all__ = ["Asked", "Made", "synthetic_for"]

PER_CLASS = 50
"""Rows written of each label on average, where nobody says how many."""
GENERATOR = "gpt3mix"


@dataclass(frozen=True, slots=True)
class Made:
    """The synthetic rows of a choice.

    Args:
        rows: Those that are fit to train on; None where there are none.
        dropped: The others, each with the reason.
        cost: What they cost.
        boost: The rounds in which they were written; None where they were written at once.
        notes: What else has to be known of them.
    """

    rows: Dataset | None = None
    dropped: tuple[Dropped, ...] = ()
    cost: Cost = field(default_factory=Cost)
    boost: Boost | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """How synthetic rows come about.

    Args:
        generate: The generator: settings, a name or a mapping; None: gpt3mix, 50 rows of each label, or where classes
            are unbalanced as many in all, by need.
        curate: Steps that drop rows; None: the usual ones.
        test: Human rows that will be measured on, or None.
        boost: How rows are written by need; None: as usual, where classes are unbalanced.
        folds: How human rows are parted to measure need.
        metric: Kind of the score that tells whether a round gained anything.
    """

    generate: Any = None
    curate: Any = None
    test: HumanDataset | None = None
    boost: BoostSettings | None = None
    folds: FoldSettings = field(default_factory=FoldSettings)
    metric: str = "macro_f1"


def synthetic_for(
    train: HumanDataset,
    given: Dataset | None,
    llm: LLM | None,
    asked: Asked,
    how: tuple[str, int],
    store: RunFolder | None = None,
) -> Made:
    """Return the synthetic rows to choose with: those given and those a language model writes, without repeats.

    Args:
        train: The human rows.
        given: Rows written elsewhere.
        llm: Who writes more, or None.
        asked: How rows are written and curated.
        how: The encoder that says how alike two texts are, and the seed.
        store: Hears how far it is, or None.

    Raises:
        SettingsError: If it is said twice how many rows are written, nobody is there to write them, or a row may have
            several labels.
        BudgetError: If the budget is reached; what was paid for is kept.
    """
    writing = _Writing(train, llm, asked, how, store)
    if asked.boost is not None and asked.generate is not None:
        raise SettingsError("generate and boost both say what is written; leave one of them out")
    if llm is None and asked.boost is not None:
        raise SettingsError("boost: says how a language model writes rows, and none is named; name one with llm")
    if train.labels.has_many and asked.generate is None and llm is not None:
        raise SettingsError(
            f"{'llm' if asked.boost is None else 'boost'}: rows are written of one label each; those of {train.name} "
            "may have several (task multi_label)",
            hint="Have them written elsewhere, leave the language model out and give them as synthetic rows: "
            "--synthetic FILE, synthetic= in Python.",
        )
    if llm is None and asked.generate is None:
        return writing.cleaned(given, (), Cost())
    wanted = asked.boost
    if asked.generate is None and wanted is None and is_unbalanced(train):
        wanted = BoostSettings()
    if not isinstance(llm, Tallied):
        return writing.written(given, wanted)
    made, cost = llm.worth(lambda: writing.written(given, wanted))
    return replace(made, cost=cost)


class _Writing:
    """Has rows written and drops those that are not fit to train on."""

    def __init__(
        self, train: HumanDataset, llm: LLM | None, asked: Asked, how: tuple[str, int], store: RunFolder | None
    ) -> None:
        self.train, self.llm, self.asked, self.store = train, llm, asked, store
        self.encoder, self.seed = how
        self._steps: tuple[Any, tuple[str, ...]] | None = None

    def written(self, given: Dataset | None, boost: BoostSettings | None) -> Made:
        """Return the rows given and those that are written."""
        if boost is not None:
            return self._boosted(given, boost)
        wanted = {"kind": GENERATOR, "per_class": PER_CLASS} if self.asked.generate is None else self.asked.generate
        made = self._generated(wanted, self.seed, "")
        return self.cleaned(_joined(given, made.dataset), made.dropped, made.cost)

    def cleaned(self, rows: Dataset | None, dropped: Sequence[Dropped], cost: Cost) -> Made:
        """Return what is fit to train on of rows."""
        if rows is None or not len(rows):
            return Made(None, tuple(dropped), cost)
        clean, notes = self._curated(rows)
        kept = clean.dataset if len(clean.dataset) else None
        return Made(kept, (*dropped, *clean.dropped), cost + clean.cost, notes=notes)

    def _boosted(self, given: Dataset | None, settings: BoostSettings) -> Made:
        """Return rows that are written in rounds, each by what the ones before left to be desired."""
        from augtune.training.probe import features

        measure = Measure(self.asked.folds, self.asked.metric, settings.weight, self.seed)
        boosting = Boosting(self.train, settings, measure, PER_CLASS * len(self.train.labels))
        vectors: dict[str, np.ndarray] = {}
        human = features(self.train, self.encoder)

        def seen(rows: Dataset | None) -> np.ndarray:
            """Return the vectors of the human rows and of others; each row is encoded once."""
            if rows is None:
                return human
            fresh = rows.take([i for i, name in enumerate(rows.ids) if name not in vectors])
            if len(fresh):
                vectors.update(zip(fresh.ids, features(fresh, self.encoder), strict=True))
            return np.concatenate([human, np.stack([vectors[name] for name in rows.ids])])

        raw, made = given, self.cleaned(given, (), Cost())
        dropped: tuple[Dropped, ...] = ()
        cost, number = Cost(), 0
        boosting.stands(made.rows, seen(made.rows))
        while (quota := boosting.wanted()) is not None:
            number += 1
            found = _numbered(self._round(quota, number, boosting.planned), number)
            raw, dropped, cost = _joined(raw, found.dataset), (*dropped, *found.dropped), cost + found.cost
            made = self.cleaned(raw, dropped, cost)
            own = set(found.dataset.ids)
            kept = Counter(row.label for row in made.rows or () if row.id in own)
            boosting.stands(made.rows, seen(made.rows), {label: kept[label] for label in self.train.labels})
        return replace(made, boost=boosting.told())

    def _round(self, quota: dict[str, int], number: int, planned: int) -> Generation:
        seed = self.seed if number == 1 else derive(self.seed, "boost", number)
        return self._generated({"kind": GENERATOR, "per_class": quota}, seed, f", round {number} of {planned}")

    def _generated(self, generator: Any, seed: int, about: str) -> Generation:
        from augtune.generation import GENERATORS
        from augtune.generation.base import generate

        kind = generator if isinstance(generator, str) else None
        if not isinstance(generator, (str, list, tuple)):
            kind = GENERATORS.parse(generator, where="generate").kind
        if self.store is None:
            return generate(self.train, generator, llm=self.llm, seed=seed)
        words = f"{kind or 'rows'}{about}"
        self.store.event("stage-started", stage="generate", about=words)
        asking = Asking(self.store, self.llm, words)
        made = generate(self.train, generator, llm=self.llm, seed=seed, on_progress=asking)
        asking.end(made)
        self.store.event("stage-done", stage="generate", about=words)
        return made

    def _curated(self, rows: Dataset) -> tuple[Curation, tuple[str, ...]]:
        from augtune.curation.base import curate

        steps, notes = self._usual() if self.asked.curate is None else (self.asked.curate, ())
        splits = Splits(self.train, None, self.asked.test)
        return curate(rows, steps, human=self.train, splits=splits, encoder=self.encoder, llm=self.llm), notes

    def _usual(self) -> tuple[Any, tuple[str, ...]]:
        """Return the steps where nobody names any, and what has to be said of them."""
        from augtune.curation.similar import tells_repeats
        from augtune.embedding.encode import embed

        if self._steps is None:
            kinds = ["dedup"] if self.asked.test is None else ["dedup", "contamination"]
            classes = np.unique(self.train.marks, axis=0, return_inverse=True)[1].ravel()
            if tells_repeats(embed(self.train.texts, encoder=self.encoder), classes):
                self._steps = kinds, ()
            else:
                note = (
                    "To the encoder rows of different classes look nearly the same, so repeats were told by their "
                    "wording (jaccard)."
                )
                self._steps = [{"kind": kind, "measure": "jaccard"} for kind in kinds], (note,)
        return self._steps


def _joined(rows: Dataset | None, more: Dataset) -> Dataset:
    """Return all rows; one whose id another has already gets a mark."""
    if rows is None:
        return more
    used, known = set(rows.ids), set(more.ids)
    mark = "~"
    while any(f"{name}{mark}" in used or f"{name}{mark}" in known for name in used & known):
        mark += "~"
    marked = (replace(row, id=f"{row.id}{mark}") if row.id in used else row for row in more)
    return rows + Dataset.from_examples(marked, more.labels, name=more.name)


def _numbered(made: Generation, number: int) -> Generation:
    """Return the rows of a round with ids that no other round has."""
    if number == 1:
        return made

    def named(row: Example) -> Example:
        return replace(row, id=f"{row.id}.{number}")

    rows = Dataset.from_examples(map(named, made.dataset), made.dataset.labels, name=made.dataset.name)
    return replace(made, dataset=rows, dropped=tuple(replace(one, example=named(one.example)) for one in made.dropped))
