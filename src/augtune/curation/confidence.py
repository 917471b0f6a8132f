"""Confidence: a row stays if a classifier trained on other rows finds its label likely.

Shapes: ``N`` synthetic rows, ``K`` classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from augtune.core.dataset import Dataset, Example
from augtune.core.errors import DataError, SettingsError
from augtune.core.folds import spread
from augtune.core.outcomes import Curation, Dropped
from augtune.core.seeds import generator
from augtune.curation.base import Context, Step

__all__ = ["Confidence"]

KEEP = 0.8


class Confidence(Step):
    """Drop synthetic rows whose label a small classifier doubts.

    The classifier is softmax regression on sentence vectors, every class counting the same. It is trained on the human
    training rows, never on validation or test rows; or on the synthetic rows themselves in parts, each row judged by
    one that did not see it, as confident learning does (Northcutt et al., JAIR 2021). Human rows are never dropped.
    """

    kind: ClassVar[str] = "confidence"

    keep: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the rows that stays, those with the likeliest labels. By default 0.8, unless a threshold is given."""

    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    """Instead of keep: how likely its label has to be for a row to stay. With K classes, chance is 1/K."""

    per_class: bool = True
    """Keep that share of every class, so that classes stay as balanced as they were; False: of all rows together."""

    trained_on: Literal["human", "synthetic"] = "human"
    """Rows the classifier is trained on."""

    folds: Annotated[int, Field(ge=2)] = 5
    """Parts the synthetic rows are cut into if it is trained on them."""

    encoder: str | None = None
    """Encoder of the sentence vectors; None: the run's."""

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if self.keep is not None and self.threshold is not None:
            raise ValueError("give keep or threshold, not both")
        if self.threshold is not None and "per_class" in self.model_fields_set:
            raise ValueError("per_class shares out what keep keeps; with threshold leave it out")
        return self

    def apply(self, rows: Dataset, context: Context) -> Curation:
        """Return the rows kept, in order, and those dropped, each with how likely its label is.

        Raises:
            SettingsError: If it is to be trained on human rows and there are none.
            DataError: If the rows to train it on are not of at least two classes.
        """
        synthetic = rows.synthetic()
        if not len(synthetic):
            return Curation(rows)
        judge = self._human(rows, context) if self.trained_on == "human" else synthetic
        if len(set(judge.label_indices.tolist())) < 2:
            raise DataError(
                f"curate: confidence trains a classifier on the {self.trained_on} rows, which needs at least two "
                f"classes; {judge.name} has only {judge.label_names[0]!r}."
            )
        verdict = _judged(self, synthetic, judge, context)
        gone = dict(zip(synthetic.ids, self._doubtful(synthetic, verdict.share), strict=True))
        by_id = {row.id: i for i, row in enumerate(synthetic)}
        dropped = tuple(
            Dropped(row, self.kind, self._because(verdict, by_id[row.id], row), "doubtful label")
            for row in rows
            if gone.get(row.id, False)
        )
        return Curation(rows.take(i for i, name in enumerate(rows.ids) if not gone.get(name, False)), dropped)

    def _human(self, rows: Dataset, context: Context) -> Dataset:
        own = rows.take(i for i, origin in enumerate(rows.origins) if origin == "human")
        if context.human is not None:
            seen = set(context.human.ids)
            more = [i for i, name in enumerate(own.ids) if name not in seen]
            return context.human + own.take(more) if more else context.human
        if not len(own):
            raise SettingsError(
                "curate: confidence is trained on human rows, and there are none; give human=..., or "
                "trained_on: synthetic"
            )
        return own

    def _doubtful(self, rows: Dataset, shares: np.ndarray) -> np.ndarray:
        """Return ``(N,)`` True for the rows that go; of equally likely labels the later row's."""
        if self.threshold is not None:
            return np.asarray(shares < self.threshold)
        groups = rows.label_indices if self.per_class else np.zeros(len(rows), dtype=np.int64)
        gone = np.zeros(len(rows), dtype=bool)
        for group in np.unique(groups):
            inside = np.flatnonzero(groups == group)
            stay = max(1, round((KEEP if self.keep is None else self.keep) * len(inside)))
            gone[inside[np.argsort(-shares[inside], kind="stable")[stay:]]] = True
        return gone

    def _because(self, verdict: _Verdict, i: int, row: Example) -> str:
        best = int(verdict.table[i].argmax())
        said = f"label found {verdict.share[i]:.0%} likely by a classifier of the {self.trained_on} rows"
        other = verdict.names[best]
        return said if other == row.label else f"{said}, which says {other!r} ({verdict.table[i, best]:.0%})"


@dataclass(frozen=True, slots=True, eq=False)
class _Verdict:
    """What the classifier says: ``(N, K)`` probabilities, and ``(N,)`` that of each row's own, maybe soft, label."""

    names: tuple[str, ...]
    table: np.ndarray
    share: np.ndarray


def _judged(step: Confidence, rows: Dataset, judge: Dataset, context: Context) -> _Verdict:
    from augtune.embedding.probe import fit_probe

    vectors = _vectors(rows, context, step.encoder)
    if judge is not rows:
        probe = fit_probe(_vectors(judge, context, step.encoder), judge.targets())
        table = np.exp(probe.log_probabilities(vectors))
    else:
        targets, table = rows.targets(), np.zeros((len(rows), len(rows.labels)))
        fold_of = spread(rows.label_indices, step.folds, generator(0, "confidence", "folds"))
        for fold in np.unique(fold_of):
            inside = fold_of == fold
            probe = fit_probe(vectors[~inside], targets[~inside])
            table[inside] = np.exp(probe.log_probabilities(vectors[inside]))
    return _Verdict(rows.labels.names, table, (table * rows.targets()).sum(axis=1))


def _vectors(rows: Dataset, context: Context, encoder: str | None) -> np.ndarray:
    from augtune.embedding.probe import pair_vectors

    first = context.vectors(rows.texts, encoder=encoder).astype(np.float64)
    if not rows.is_pair:
        return first
    second = context.vectors([pair or "" for pair in rows.text_pairs], encoder=encoder).astype(np.float64)
    return pair_vectors(first, second)
