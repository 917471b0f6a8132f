"""How a classifier's and a language model's opinions of a row become one.

Shapes: ``N`` rows, ``K`` classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from augtune.core.errors import DataError, InputError

__all__ = ["Combiner", "Pool", "Replace", "Stack", "combiner_of", "fit_pool", "fit_stack"]

LEAST = 1e-3  # a one-hot answer counts as 99.9 % sure: its log would be infinite
WEIGHTS = np.linspace(0, 1, 21)
FEW_CLASSES = 10  # up to here a Newton step is ten times faster; its matrix grows with the fourth power of the classes


class Combiner(Protocol):
    """Two tables of probabilities to one."""

    kind: ClassVar[str]

    def __call__(self, classifier: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Return ``(N, K)`` probabilities from two such tables."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return its parameters as a JSON object with ``kind``."""
        ...


@dataclass(frozen=True, slots=True)
class Replace:
    """Take the language model's answer: a cascade."""

    kind: ClassVar[str] = "replace"

    def __call__(self, classifier: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Return the answers."""
        return answers

    def to_json(self) -> dict[str, Any]:
        """Return its kind."""
        return {"kind": self.kind}


@dataclass(frozen=True, slots=True)
class Pool:
    """Average the two: the linear opinion pool (Stone 1961).

    Args:
        weight: The classifier's share, from 0 to 1.
    """

    weight: float
    kind: ClassVar[str] = "pool"

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise InputError(f"pool.weight: expected a number from 0 to 1, got {self.weight!r}.")

    def __call__(self, classifier: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Return ``weight p + (1 - weight) q``."""
        return np.asarray(self.weight * classifier + (1 - self.weight) * answers)

    def to_json(self) -> dict[str, Any]:
        """Return its kind and weight."""
        return {"kind": self.kind, "weight": self.weight}


@dataclass(frozen=True, eq=False)
class Stack:
    """A multinomial logistic regression over both models' log-probabilities (Wolpert 1992).

    Args:
        weights: ``(2K, K)``: first the classifier's log-probabilities, then the answers'.
        bias: ``(K,)``.
    """

    weights: np.ndarray
    bias: np.ndarray
    kind: ClassVar[str] = "stack"

    def __call__(self, classifier: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Return the regression's probabilities."""
        scores = _features(classifier, answers) @ self.weights + self.bias
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def to_json(self) -> dict[str, Any]:
        """Return its kind, weights and bias."""
        return {"kind": self.kind, "weights": self.weights.tolist(), "bias": self.bias.tolist()}


def combiner_of(value: Mapping[str, Any]) -> Combiner:
    """Return the combiner a JSON object of ``to_json`` describes.

    Raises:
        InputError: If it describes none.
    """
    kind = value.get("kind")
    if kind == "replace":
        return Replace()
    if kind == "pool":
        return Pool(float(value["weight"]))
    if kind == "stack":
        return Stack(np.array(value["weights"], dtype=np.float64), np.array(value["bias"], dtype=np.float64))
    raise InputError(f"router: expected a combiner of kind replace, pool or stack, got {kind!r}.")


def fit_pool(classifier: np.ndarray, answers: np.ndarray, truth: np.ndarray) -> Pool:
    """Return the pool that predicts the most rows right; of equal weights the middle one.

    Args:
        classifier: ``(N, K)``.
        answers: ``(N, K)``.
        truth: ``(N,)`` columns of the labels.
    """
    right = np.array([(Pool(w)(classifier, answers).argmax(axis=1) == truth).sum() for w in WEIGHTS])
    best = np.flatnonzero(right == right.max())
    return Pool(float(round(WEIGHTS[best[len(best) // 2]], 2)))


def fit_stack(classifier: np.ndarray, answers: np.ndarray, truth: np.ndarray) -> Stack:
    """Return the stack fitted to rows neither model was trained on.

    Args:
        classifier: ``(N, K)``.
        answers: ``(N, K)``.
        truth: ``(N,)`` columns of the labels.

    Raises:
        DataError: If a label has no row: the stack could never predict it.
    """
    from sklearn.linear_model import LogisticRegression

    classes = classifier.shape[1]
    if missing := sorted(set(range(classes)) - set(truth.tolist())):
        raise DataError(f"stack: needs rows of every label to fit on, and {len(missing)} labels have none.")
    solver = "newton-cholesky" if classes <= FEW_CLASSES else "lbfgs"
    fitted = LogisticRegression(C=1.0, max_iter=1000, solver=solver).fit(_features(classifier, answers), truth)
    weights, bias = fitted.coef_.T, fitted.intercept_
    if classes == 2:  # one column of log-odds: half for one class, half against the other
        weights, bias = np.hstack([-weights / 2, weights / 2]), np.concatenate([-bias / 2, bias / 2])
    return Stack(np.asarray(weights, dtype=np.float64), np.asarray(bias, dtype=np.float64))


def _features(classifier: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Return ``(N, 2K)`` logs of both tables, kept over ``LEAST``."""
    return np.asarray(np.log(np.maximum(np.hstack([classifier, answers]), LEAST)))
