"""Mislabel: a share of the synthetic rows gets a wrong label on purpose, to see which methods stand it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from augtune.core.dataset import Dataset, Example
from augtune.core.errors import DataError
from augtune.core.outcomes import Changed, Curation
from augtune.core.seeds import generator
from augtune.curation.base import Context, Step

__all__ = ["Mislabel"]


class Mislabel(Step):
    """Give a share of the synthetic rows another label at random, for studies of noise.

    Every class loses the same share of its rows, and each of the other labels is as likely as any. The rows changed by
    a smaller share are among those changed by a larger one. A soft label becomes a hard one. Human rows keep theirs.
    """

    kind: ClassVar[str] = "mislabel"

    share: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Share of the rows of each class that gets a wrong label, rounded, but at least one row."""

    seed: int = 0
    """Names the draw of the rows and of their labels."""

    def apply(self, rows: Dataset, context: Context) -> Curation:
        """Return all rows, in order, with those that were given a wrong label on record.

        Raises:
            DataError: If there is one class only, so that no label is wrong.
        """
        if len(rows.labels) < 2:
            raise DataError(f"curate: mislabel needs two labels or more, and there is only {rows.labels[0]!r}.")
        wrong = self._wrong(rows)
        changed = [self._changed(row, rows.labels[wrong[i]]) for i, row in enumerate(rows) if i in wrong]
        after = {one.after.id: one.after for one in changed}
        kept = Dataset.from_examples((after.get(row.id, row) for row in rows), rows.labels, name=rows.name)
        return Curation(kept, changed=tuple(changed))

    def _wrong(self, rows: Dataset) -> dict[int, int]:
        """Return the new label of each row that gets one, by position."""
        synthetic = np.array([origin != "human" for origin in rows.origins], dtype=bool)
        found: dict[int, int] = {}
        for k, name in enumerate(rows.labels):
            own = np.flatnonzero(synthetic & (rows.label_indices == k))
            chance = generator(self.seed, self.kind, name)
            order, moves = chance.permutation(own), chance.integers(1, len(rows.labels), size=len(own))
            for i, move in zip(order[: max(1, round(self.share * len(own)))], moves, strict=False):
                found[int(i)] = (k + int(move)) % len(rows.labels)
        return found

    def _changed(self, row: Example, label: str) -> Changed:
        mark = f"{row.generator or ''} mislabelled:{row.label}>{label}".strip()
        after = replace(row, label=label, probabilities=None, soft_source=None, generator=mark)
        return Changed(row, after, self.kind, f"given a wrong label on purpose, {label!r} for {row.label!r}")
