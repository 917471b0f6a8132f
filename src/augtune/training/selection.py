"""Keeping the best weights and stopping in time, by the human validation rows, every so many steps of the last stage.

Shapes: ``N`` validation rows, ``K`` classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from augtune.core.dataset import HumanDataset
from augtune.model.batching import Encoded
from augtune.model.classifier import Classifier
from augtune.training.parted import as_parts
from augtune.training.schedules import ReduceOnPlateau
from augtune.training.settings import TrainSettings

__all__ = ["Selection", "SelectionRules", "ValidationRows", "macro_f1", "measures"]


def macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return the unweighted mean over all ``K`` classes of F1, 0 for a class that is neither true nor predicted.

    Args:
        truth: ``(N, K)`` True for the labels of each row.
        predicted: ``(N, K)`` True for the labels said of each row.
    """
    both = (truth & predicted).sum(axis=0)
    either = truth.sum(axis=0) + predicted.sum(axis=0)
    return float(np.mean(2 * both / np.maximum(either, 1)))


def measures(scores: np.ndarray, rows: HumanDataset) -> dict[str, float]:
    """Return ``macro_f1``, ``accuracy`` and ``validation_loss`` of a classifier's scores.

    The loss is cross-entropy with the rows' targets, binary and averaged over the labels where rows may have several;
    right is a row whose labels are all predicted and no others.

    Args:
        scores: ``(N, K)``, before softmax or sigmoid.
        rows: ``N`` rows.
    """
    # Where a row may have several labels, a score of 0 is a probability of one half.
    predicted = rows.labels.rule.marks(scores, [0.0] * scores.shape[1])
    targets = rows.targets()
    if rows.labels.has_many:
        losses = (np.logaddexp(0, scores) - targets * scores).mean(axis=1)
    else:
        losses = np.logaddexp.reduce(scores, axis=1) - (targets * scores).sum(axis=1)
    return {
        "macro_f1": macro_f1(rows.marks, predicted),
        "accuracy": float((predicted == rows.marks).all(axis=1).mean()),
        "validation_loss": float(losses.mean()),
    }


@dataclass(frozen=True, slots=True)
class ValidationRows:
    """The rows that select.

    Args:
        rows: ``N`` rows.
        encoded: They, tokenised.
    """

    rows: HumanDataset
    encoded: Encoded


@dataclass(frozen=True, slots=True)
class SelectionRules:
    """What the evaluations decide.

    Args:
        every: Steps between evaluations.
        keep_best: Whether the best weights are kept; False keeps the last.
        by: What is measured.
        patience: Evaluations without progress after which training ends; None: never.
        tolerance: Progress has to be more than this.
        target: Value at which training ends; None: none.
        plateau: Lowers the learning rate; None: nothing does.
    """

    every: int
    keep_best: bool = True
    by: Literal["macro_f1", "accuracy", "loss"] = "macro_f1"
    patience: int | None = None
    tolerance: float = 0.0
    target: float | None = None
    plateau: ReduceOnPlateau | None = None

    @classmethod
    def of(cls, settings: TrainSettings, steps: int) -> SelectionRules:
        """Return the rules of a training.

        Args:
            settings: Of the training.
            steps: Optimizer steps over all its stages.
        """
        schedule = settings.schedule
        return cls(
            every=settings.evaluate_every or max(1, steps // 10),
            keep_best=settings.keep == "best",
            by=settings.keep_by,
            patience=settings.patience,
            tolerance=settings.tolerance,
            target=settings.target,
            plateau=schedule if isinstance(schedule, ReduceOnPlateau) else None,
        )


class _Progress:
    """Counts evaluations without progress.

    Args:
        tolerance: Progress has to be more than this.
    """

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self.score = -np.inf
        self.without = 0

    def add(self, score: float) -> int:
        """Return how many evaluations there were since the last progress, this one counted."""
        if score > self.score + self._tolerance:
            self.score, self.without = score, 0
        else:
            self.without += 1
        return self.without


class Selection:
    """Evaluates now and then, holds the best weights so far (the earlier of equals) and says when to stop.

    Args:
        classifier: What is trained.
        rows: What it is evaluated on.
        rules: What follows from an evaluation.
    """

    def __init__(self, classifier: Classifier, rows: ValidationRows, rules: SelectionRules) -> None:
        self._classifier, self._rows, self._rules = classifier, rows, rules
        self._best: dict[str, torch.Tensor] = {}
        self._progress = _Progress(rules.tolerance)
        self._plateau = _Progress(0.0 if rules.plateau is None else rules.plateau.tolerance)
        self._reductions = 0
        self.score = -np.inf
        self.step = 0
        self.stopped: str = ""

    def due(self, step: int, last: bool) -> bool:
        """Return whether to evaluate after this step; the last step always is."""
        return last or step % self._rules.every == 0

    @property
    def lr_share(self) -> float:
        """Share of the schedule's learning rate that the evaluations so far leave."""
        return 1.0 if self._rules.plateau is None else self._rules.plateau.reduced(self._reductions)

    def evaluate(self, step: int) -> dict[str, float]:
        """Return the measures after a step, and take note of them; leaves the model in evaluation mode.

        Where they are the best so far the weights are copied; where training is to end, ``stopped`` says why.
        """
        scores = self._classifier.scores(self._rows.encoded)
        found = measures(scores, self._rows.rows)
        by = self._rules.by
        # More is better: of a loss, its negative. What is no number is worse than any.
        score = -found["validation_loss"] if by == "loss" else found[by]
        score = score if np.isfinite(score) else -np.inf
        if score > self.score or self.step == 0:
            self.score, self.step = score, step
            if self._rules.keep_best:
                self._best = {name: tensor.detach().clone() for name, tensor in self._classifier.state_dict().items()}
        self._decide(score)
        return found

    def _decide(self, score: float) -> None:
        rules = self._rules
        if rules.plateau is not None and self._plateau.add(score) >= rules.plateau.patience:
            self._reductions += 1
            self._plateau.without = 0
        without = self._progress.add(score)
        if rules.target is not None and score >= (-rules.target if rules.by == "loss" else rules.target):
            self.stopped = f"{rules.by} reached {abs(score):.4f}, the target is {rules.target:g}"
        elif rules.patience is not None and without >= rules.patience:
            times = "evaluation" if without == 1 else f"{without} evaluations"
            better = "fallen" if rules.by == "loss" else "risen"
            by_more = f" by more than {rules.tolerance:g}" if rules.tolerance else ""
            self.stopped = f"{rules.by} had not {better}{by_more} in the last {times}"

    def state_dict(self) -> dict[str, Any]:
        """Return all that the evaluations so far left behind, for a checkpoint; weights under ``best.``."""
        return {
            "score": float(self.score),
            "step": self.step,
            "stopped": self.stopped,
            "progress": [float(self._progress.score), self._progress.without],
            "plateau": [float(self._plateau.score), self._plateau.without, self._reductions],
            **{f"best.{name}": tensor for name, tensor in self._best.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what ``state_dict`` returned."""
        self.score, self.step, self.stopped = state["score"], state["step"], state["stopped"]
        self._progress.score, self._progress.without = state["progress"]
        self._plateau.score, self._plateau.without, self._reductions = state["plateau"]
        device = self._classifier.device
        best = {
            name.removeprefix("best."): tensor.to(device) for name, tensor in state.items() if name.startswith("best.")
        }
        self._best = as_parts(best, self._classifier.state_dict())

    def restore(self) -> str:
        """Put the best weights back, if they are kept, and return which weights there are now, in words."""
        if not self._rules.keep_best:
            return "last"
        self._classifier.load_state_dict(self._best)
        return f"best, step {self.step}"
