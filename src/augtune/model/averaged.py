"""Averaged: several classifiers of the same labels as one, whose probabilities are the mean of theirs.

Shapes: ``B`` rows, ``N`` rows, ``K`` classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from augtune.core.errors import DataError
from augtune.core.task import Task
from augtune.model.batching import Encoded
from augtune.model.classifier import Classifier
from augtune.model.fitted import Fitted
from augtune.model.precision import EXACT, Precision

__all__ = ["Averaged", "average"]

# Below this a probability's logarithm says nothing more.
LEAST = 1e-12


class Averaged(Classifier):
    """Classifiers whose probabilities are averaged; its scores are those that give the mean.

    Args:
        members: The classifiers, two at least, all reading the same tokens.
        task: Of their labels, which says how scores become probabilities.
    """

    def __init__(self, members: Sequence[Classifier], task: Task) -> None:
        nn.Module.__init__(self)
        self.members = nn.ModuleList(members)
        self.task = task
        self.head_settings = members[0].head_settings

    @property
    def encoder(self) -> Any:
        """The encoder of the first member."""
        return self.parts[0].encoder

    @property
    def parts(self) -> list[Classifier]:
        """The members."""
        return [member for member in self.members if isinstance(member, Classifier)]

    @property
    def classes(self) -> int:
        """How many classes it tells apart, ``K``."""
        return self.parts[0].classes

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return class scores, ``(B, K)`` float32."""
        table = np.mean([self._probabilities(one(inputs).double().cpu().numpy()) for one in self.parts], axis=0)
        return torch.from_numpy(self._scores(table)).float()

    def scores(self, encoded: Encoded, *, batch_size: int = 64, precision: Precision = EXACT) -> np.ndarray:
        """Return the scores of tokenised rows that stand for the mean of the members' probabilities, ``(N, K)``."""
        tables = [one.scores(encoded, batch_size=batch_size, precision=precision) for one in self.parts]
        return self._scores(np.mean([self._probabilities(table) for table in tables], axis=0))

    def _probabilities(self, scores: np.ndarray) -> np.ndarray:
        return self.task.probabilities(scores)

    def _scores(self, table: np.ndarray) -> np.ndarray:
        logs = np.log(np.maximum(table, LEAST))
        if self.task.name != "multi_label":
            return np.asarray(logs)
        return np.asarray(logs - np.log(np.maximum(1 - table, LEAST)))


def average(members: Sequence[Fitted], *, name: str) -> Fitted:
    """Return one classifier whose probabilities are the mean of those of several, saved as one folder.

    Args:
        members: Classifiers of the same labels, thresholds and tokens; a temperature of theirs plays no part.
        name: What takes the place of a recipe's name.

    Raises:
        DataError: If there are fewer than two, or they do not fit together.
    """
    first = members[0]
    if len(members) < 2 or any(
        (one.labels, one.is_pair, one.encoder, one.thresholds)
        != (first.labels, first.is_pair, first.encoder, first.thresholds)
        for one in members
    ):
        raise DataError(
            "average: expected two classifiers at least, of the same labels, thresholds, encoder and form of rows."
        )
    notes = tuple(dict.fromkeys(note for one in members for note in one.notes))
    return Fitted(
        classifier=Averaged([one.classifier for one in members], first.labels.rule).eval(),
        tokenizer=first.tokenizer,
        labels=first.labels,
        encoder=first.encoder,
        recipe=name,
        steps=sum(one.steps for one in members),
        max_length=max(one.max_length for one in members),
        is_pair=first.is_pair,
        seed=first.seed,
        settings={"members": [dict(one.settings) for one in members]},
        history=(),
        seconds=sum(one.seconds for one in members),
        precision=first.precision,
        truncated=max(one.truncated for one in members),
        notes=notes,
        thresholds=first.thresholds,
        seen=tuple(dict.fromkeys(mark for one in members for mark in one.seen)),
    )
