"""Evidence: what a prompt tells beside the text, namely a classifier's predictions and human-labelled examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from augtune.collaboration.forms import Form, Shown
from augtune.collaboration.guard import HasFingerprint, require_model, require_same
from augtune.collaboration.questions import Questions
from augtune.core.dataset import HumanDataset
from augtune.core.encoders import DEFAULT_ENCODER
from augtune.core.errors import DataError, InputError
from augtune.core.seeds import generator
from augtune.core.tables import Predictions
from augtune.embedding import embed
from augtune.embedding.neighbours import nearest

__all__ = ["Choose", "Evidence", "Exhibits"]

Choose = Literal["similar", "random"]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a model is told beside the text it labels.

    Args:
        predictions: A classifier's predictions of the rows asked about.
        model: The classifier that has to have made them, or its fingerprint; others are refused.
        reference: Predictions known to be that classifier's, to compare with where fingerprints are missing.
        similar: Labelled examples per prompt; with ``balanced``, per label.
        pool: Human training rows the examples come from. Those with the text of a row asked about are never shown.
        balanced: Show examples of every label, labels in order.
        choose: ``similar``: the nearest to the text, nearest first; ``random``: the same few, drawn once, for all.
        encoder: Sentence encoder that says what is near.
        leave_one_out: The rows asked about are training rows of the pool: hide from each prompt only its own text.
        seed: Of the draw.

    Raises:
        DataError: If the predictions are not the named model's.
        InputError: If examples are asked for and there is no pool of human rows.
    """

    predictions: Predictions | None = None
    model: HasFingerprint | str | None = None
    reference: Predictions | None = None
    similar: int = 0
    pool: HumanDataset | None = None
    balanced: bool = False
    choose: Choose = "similar"
    encoder: str = DEFAULT_ENCODER
    leave_one_out: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.predictions is None and (self.model is not None or self.reference is not None):
            raise InputError("evidence: a model is named, and there are no predictions of it.")
        if self.predictions is not None and self.model is not None:
            require_model(self.predictions, self.model)
        if self.predictions is not None and self.reference is not None:
            require_same(self.predictions, self.reference)
        if self.similar < 0:
            raise InputError(f"evidence.similar: expected 0 or more examples, got {self.similar}.")
        if self.similar and self.pool is None:
            raise InputError("evidence: examples are asked for (similar), and there is no pool to take them from.")
        if self.pool is not None and not isinstance(self.pool, HumanDataset):
            raise DataError(
                f"evidence.pool: expected human training rows, got a {type(self.pool).__name__} that may hold others.",
                hint="Use .human() to take the human rows only.",
            )

    @property
    def has(self) -> frozenset[str]:
        """Which evidence there is, in the words of ``Form.needs``."""
        found = {"decision", "probabilities"} if self.predictions is not None else set()
        return frozenset(found | ({"examples"} if self.similar else set()))

    @property
    def form(self) -> str:
        """The form that tells all of it."""
        if self.similar:
            return "all" if self.predictions is not None else "examples"
        return "label_probabilities" if self.predictions is not None else "classify"

    def exhibits(self, questions: Questions, form: Form) -> Exhibits:
        """Return what each row's prompt shows.

        Args:
            questions: ``N`` rows.
            form: The form, whose needs have to be met.

        Raises:
            InputError: If the form needs what there is none of.
            DataError: If a row has no prediction, labels differ, or no example is left to show.
        """
        if missing := sorted(form.needs - self.has):
            what = {"examples": "similar= and pool="}.get(missing[-1], "predictions=")
            raise InputError(f"form {form.name!r} shows the {missing[-1]}, and the evidence is given no {what}.")
        own = self._own(questions) if self.predictions is not None else None
        picked = self._examples(questions) if "examples" in form.needs else tuple(() for _ in range(len(questions)))
        return Exhibits(questions, own, picked, self.pool)

    def _own(self, questions: Questions) -> Predictions:
        given = self.predictions
        if given is None:
            raise InputError("evidence: there are no predictions.")
        if given.labels.names != questions.labels.names:
            raise DataError(
                f"predictions of {given.made_by}: expected the labels {questions.labels} in this order, "
                f"got {given.labels}."
            )
        return given.aligned(questions.ids)

    def _examples(self, questions: Questions) -> tuple[tuple[int, ...], ...]:
        pool = self.pool
        if pool is None:
            raise InputError("evidence: there is no pool.")
        if pool.labels.names != questions.labels.names:
            raise DataError(f"{pool.name}: expected the labels {questions.labels} in this order, got {pool.labels}.")
        mine = [_form(*row) for row in zip(pool.texts, pool.text_pairs, strict=True)]
        asked = [_form(*row) for row in zip(questions.texts, questions.pairs, strict=True)]
        hidden = set() if self.leave_one_out else set(asked)
        free = np.array([i for i, text in enumerate(mine) if text not in hidden], dtype=np.int64)
        if not len(free):
            raise DataError(
                f"{pool.name}: every row is one that is asked about, so none can be shown as an example.",
                hint="Take the examples from the training rows; to ask about these themselves, leave_one_out=True.",
            )
        spare = max(Counter(mine).values()) if self.leave_one_out else 0
        shown: list[list[int]] = [[] for _ in asked]
        for group in self._groups(pool, free):
            for i, ranked in enumerate(self._ranked(questions, pool, group, self.similar + spare)):
                shown[i] += [row for row in ranked if mine[row] != asked[i]][: self.similar]
        return tuple(tuple(rows) for rows in shown)

    def _groups(self, pool: HumanDataset, free: np.ndarray) -> list[np.ndarray]:
        """Return the rows examples are taken from: of each label its own, or all of them together."""
        if not self.balanced:
            return [free]
        groups = [free[pool.label_indices[free] == k] for k in range(len(pool.labels))]
        for name, group in zip(pool.labels, groups, strict=True):
            if not len(group):
                raise DataError(f"{pool.name}: has no row of label {name!r} to show as an example.")
        return groups

    def _ranked(self, questions: Questions, pool: HumanDataset, rows: np.ndarray, count: int) -> list[list[int]]:
        """Return for each question ``count`` of the pool's ``rows``, best first."""
        if self.choose == "random":
            drawn = generator(self.seed, "examples").permutation(rows)[:count]
            return [drawn.tolist()] * len(questions)
        vectors = [
            embed([_joined(text, pair) for text, pair in zip(texts, pairs, strict=True)], encoder=self.encoder)
            for texts, pairs in (
                (questions.texts, questions.pairs),
                ([pool.texts[i] for i in rows], [pool.text_pairs[i] for i in rows]),
            )
        ]
        return [[int(rows[j]) for j in row] for row in nearest(vectors[0], vectors[1], count).indices]


@dataclass(frozen=True)
class Exhibits:
    """The evidence laid out row by row.

    Args:
        questions: ``N`` rows.
        own: The classifier's predictions of them, aligned, or None.
        picked: Per row, the rows of the pool that are shown.
        pool: Where these are from.
    """

    questions: Questions
    own: Predictions | None
    picked: tuple[tuple[int, ...], ...]
    pool: HumanDataset | None

    def shown(self, row: int) -> Shown:
        """Return what the prompt of a row shows."""
        decision: str | None = None
        soft: tuple[tuple[str, float], ...] = ()
        if self.own is not None:
            decision = self.own.labels[int(self.own.indices[row])]
            soft = tuple(zip(self.own.labels, map(float, self.own.probabilities[row]), strict=True))
        examples = [self._example(i) for i in self.picked[row]]
        return Shown(self.questions.texts[row], self.questions.pairs[row], decision, soft, examples)

    def _example(self, row: int) -> Mapping[str, str | None]:
        pool = self.pool
        if pool is None:
            raise InputError("evidence: there is no pool.")
        return {"text": pool.texts[row], "text_pair": pool.text_pairs[row], "label": pool.label_names[row]}


def _form(text: str, pair: str | None) -> tuple[str, str | None]:
    """Return a row as it counts as the same one: blanks and case aside."""
    return " ".join(text.split()).casefold(), None if pair is None else " ".join(pair.split()).casefold()


def _joined(text: str, pair: str | None) -> str:
    return text if pair is None else f"{text}\n{pair}"
