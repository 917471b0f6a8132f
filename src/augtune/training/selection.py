"""Keeping the best weights: macro-F1 on human validation rows, every so many steps of the last stage."""

from __future__ import annotations

import numpy as np
import torch

from augtune.core.dataset import HumanDataset
from augtune.model.batching import Encoded
from augtune.model.classifier import Classifier

__all__ = ["Selection", "macro_f1"]


def macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return the unweighted mean over all ``K`` classes of F1, 0 for a class that is neither true nor predicted.

    Args:
        truth: ``(N, K)`` True for the labels of each row.
        predicted: ``(N, K)`` True for the labels said of each row.
    """
    both = (truth & predicted).sum(axis=0)
    either = truth.sum(axis=0) + predicted.sum(axis=0)
    return float(np.mean(2 * both / np.maximum(either, 1)))


class Selection:
    """Evaluates now and then, and holds the best weights so far; the earlier of equals.

    Args:
        classifier: What is trained.
        rows: The validation rows.
        encoded: They, tokenised.
        every: Steps between evaluations.
    """

    def __init__(self, classifier: Classifier, rows: HumanDataset, encoded: Encoded, every: int) -> None:
        self._classifier, self._rows, self._encoded, self._every = classifier, rows, encoded, every
        self._best: dict[str, torch.Tensor] = {}
        self.score = -1.0
        self.step = 0

    def due(self, step: int, last: bool) -> bool:
        """Return whether to evaluate after this step; the last step always is."""
        return last or step % self._every == 0

    def evaluate(self, step: int) -> float:
        """Return macro-F1, and keep a copy of the weights if it is the best; leaves the model in evaluation mode."""
        scores = self._classifier.scores(self._encoded)
        # Where a row may have several labels, a score of 0 is a probability of one half.
        predicted = self._rows.labels.rule.marks(scores, [0.0] * scores.shape[1])
        score = macro_f1(self._rows.marks, predicted)
        if score > self.score:
            self.score, self.step = score, step
            self._best = {name: tensor.detach().clone() for name, tensor in self._classifier.state_dict().items()}
        return score

    def restore(self) -> str:
        """Put the best weights back and return which they are, in words."""
        self._classifier.load_state_dict(self._best)
        return f"best, step {self.step}"
