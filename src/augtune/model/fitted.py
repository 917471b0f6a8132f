"""Fitted: a trained classifier, what it was trained with, and its predictions.

Shapes: ``N`` rows, ``K`` classes.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from augtune.core.dataset import Dataset
from augtune.core.decision import Decision
from augtune.core.encoders import CARRIED
from augtune.core.errors import DataError
from augtune.core.fingerprint import fingerprint, text_marks
from augtune.core.labels import Labels
from augtune.core.tables import Predictions, Weights
from augtune.model.batching import encode
from augtune.model.classifier import Classifier

__all__ = ["STOPPED", "Fitted", "ModelPredictions"]

PREDICT_BATCH = 64
# How ``Fitted.kept`` begins where training was ended before its last step.
STOPPED = "stopped by hand"


@dataclass(frozen=True, eq=False)
class ModelPredictions(Predictions):
    """Predictions of a ``Fitted``, with the rows it could not read to the end.

    Args:
        ids: Row ids.
        probabilities: ``(N, K)`` float64.
        labels: The classes.
        made_by: Name of the model.
        model: Its fingerprint.
        truncated: Ids of the rows that were longer than the model and lost their end.
    """

    truncated: tuple[str, ...] = ()

    def __repr__(self) -> str:
        cut = len(self.truncated)
        return super().__repr__() + (f" · {cut} longer than the model and cut" if cut else "")


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained classifier.

    Args:
        classifier: Encoder and head, in evaluation mode.
        tokenizer: The encoder's.
        labels: The ``K`` classes; column ``k`` of every prediction is ``labels[k]``.
        encoder: Name the encoder was loaded by.
        recipe: Name of the recipe it was trained with.
        steps: Optimizer steps taken; fewer than asked where early stopping ended it, which ``notes`` then says.
        max_length: Tokens it reads of a text.
        is_pair: True if it was trained on pairs of texts.
        seed: The seed of its training.
        settings: All settings of its training, as plain values.
        history: One mapping per step: ``step``, ``stage``, ``loss``, ``lr``, and ``macro_f1``, ``accuracy`` and
            ``validation_loss`` where it was evaluated.
        seconds: Time its training took, without the checkers'.
        precision: What training computed in and why.
        truncated: Training rows longer than ``max_length``, which lost their end.
        kept: ``last``, or the step whose weights these are, e.g. ``best, step 240``; after Ctrl-C ``stopped by hand at
            step 120 of 300``.
        weights: What the weighted rows counted in training, None in recipes without weights.
        notes: What its user was told while it was trained, a sentence each.
        thresholds: Probability from which each label is predicted where a row may have several; None: 0.5.
        temperature: What scores are divided by before they become probabilities, so that confidence fits rows it was
            not trained on; 1 unless it was calibrated. The predicted labels do not depend on it.
        seen: Marks of the texts it was trained on (``core.fingerprint.text_marks``), so that it does not judge them
            unnoticed; empty where that is not known.
        decision: What was tried before it was trained so, and why it was; None where nothing was.
    """

    classifier: Classifier
    tokenizer: Any
    labels: Labels
    encoder: str
    recipe: str
    steps: int
    max_length: int
    is_pair: bool = False
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Mapping[str, Any], ...] = ()
    seconds: float = 0.0
    precision: str = ""
    truncated: int = 0
    kept: str = "last"
    weights: Weights | None = None
    notes: tuple[str, ...] = ()
    thresholds: tuple[float, ...] | None = None
    temperature: float = 1.0
    seen: tuple[str, ...] = ()
    decision: Decision | None = None

    @property
    def head(self) -> str:
        """The name of its head, e.g. mean."""
        return self.classifier.head

    @property
    def name(self) -> str:
        """What it is called wherever it is named, e.g. ``all-MiniLM-L6-v2 · two_stage · 300 steps``."""
        known = next((hub for hub, bundled in CARRIED.items() if bundled == self.encoder), self.encoder)
        return f"{Path(known).name} · {self.recipe} · {self.steps} steps"

    @property
    def was_stopped(self) -> bool:
        """Whether its training was ended by hand before its last step."""
        return self.kept.startswith(STOPPED)

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hex digits that name weights, labels and temperature: equal classifiers, equal fingerprint."""
        about: dict[str, Any] = {"weights": self.classifier.digest(), "labels": list(self.labels.names)}
        if self.labels.has_many:
            about |= {"task": self.labels.task, "thresholds": self.thresholds}
        if self.temperature != 1.0:
            about["temperature"] = self.temperature
        return fingerprint(about)

    def known(self, rows: Dataset) -> tuple[int, ...]:
        """Return the positions of the rows whose texts it was trained on; none where that is not known."""
        seen = frozenset(self.seen)
        marks = text_marks(rows.texts, rows.text_pairs) if seen else []
        return tuple(i for i, mark in enumerate(marks) if mark in seen)

    def predict(
        self, rows: Dataset | Sequence[str] | Sequence[tuple[str, str]], *, batch_size: int = PREDICT_BATCH
    ) -> ModelPredictions:
        """Return class probabilities, in float32 arithmetic, whatever training computed in.

        Args:
            rows: A dataset, texts, or pairs of texts; bare texts get the ids ``text-0000`` and so on.
            batch_size: Rows computed at once; it does not change the result beyond rounding.

        Returns:
            One row of probabilities per input row, in input order.

        Raises:
            DataError: If a dataset has other labels, or single texts are given to a model of pairs or the reverse.
        """
        ids, texts, pairs = self._columns(rows)
        rows_are_pairs = pairs is not None
        if texts and rows_are_pairs != self.is_pair:
            kinds = ("single texts", "pairs of texts")
            raise DataError(
                f"{self.name}: trained on {kinds[self.is_pair]}, got {kinds[rows_are_pairs]}.",
                hint="Give pairs as [(first, second), …], or rows with text_pair." if self.is_pair else None,
            )
        encoded = encode(self.tokenizer, texts, pairs, max_length=self.max_length)
        scores = self.classifier.scores(encoded, batch_size=batch_size)
        probabilities = self.labels.rule.probabilities(scores / self.temperature)
        return ModelPredictions(
            ids=ids,
            probabilities=probabilities,
            labels=self.labels,
            made_by=self.name,
            model=self.fingerprint,
            decided=None if self.thresholds is None else self.labels.rule.marks(probabilities, self.thresholds),
            truncated=tuple(name for name, cut in zip(ids, encoded.truncated, strict=True) if cut),
        )

    def _columns(
        self, rows: Dataset | Sequence[str] | Sequence[tuple[str, str]]
    ) -> tuple[tuple[str, ...], list[str], list[str | None] | None]:
        if isinstance(rows, Dataset):
            if set(rows.labels.names) != set(self.labels.names):
                raise DataError(f"{rows.name}: its labels are {rows.labels}; the model's are {self.labels}.")
            if rows.labels.has_many != self.labels.has_many:
                raise DataError(f"{rows.name}: its task is {rows.labels.task}; the model's is {self.labels.task}.")
            return rows.ids, list(rows.texts), list(rows.text_pairs) if rows.is_pair else None
        if isinstance(rows, str):
            raise DataError(f"predict: expected a list of texts, got one text; write [{rows[:20]!r}].")
        ids = tuple(f"text-{i:04d}" for i in range(len(rows)))
        if len(rows) and not isinstance(rows[0], str):
            return ids, [row[0] for row in rows], [row[1] for row in rows]
        return ids, [str(row) for row in rows], None

    def save(self, folder: str | Path) -> Path:
        """Write the classifier as a folder: safetensors, configuration, tokenizer, labels; whole or not at all.

        With head ``own``, ``transformers.pipeline("text-classification", folder)`` reads it.

        Args:
            folder: Where to; a folder that holds a saved classifier is replaced, any other that is not empty is not.

        Returns:
            The folder.

        Raises:
            StorageError: If it cannot be written or holds something else.
        """
        from augtune.model.saved import save

        return save(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path, *, labels: Labels | None = None) -> Fitted:
        """Return the classifier that ``save`` wrote; nothing in the folder is ever run or unpickled.

        Args:
            folder: The folder.
            labels: Labels it has to have, if given, in any order.

        Raises:
            InputError: If the folder holds no classifier, a damaged one, or one of other labels.
        """
        from augtune.model.saved import load

        return load(Path(folder), labels=labels)

    def __repr__(self) -> str:
        return self.name
