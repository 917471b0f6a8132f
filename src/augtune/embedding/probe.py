"""A linear probe: softmax regression on an encoder's frozen sentence vectors, for soft targets.

Where a row may have several labels it is a logistic regression of each label by itself.

On a few hundred rows it is a better judge than an encoder fine-tuned on them, and it takes a second. With balanced
classes every class counts the same, so that a rare label is not doubted for being rare.

Shapes: ``N`` rows, ``H`` features, ``K`` classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Asked", "Probe", "fit_probe", "pair_vectors"]

# Weight of the squared coefficients against the mean loss of a row; vectors have length 1, so it is small.
RIDGE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Coefficients of a softmax regression, or of a logistic regression of each label.

    Args:
        weights: ``(H, K)``.
        bias: ``(K,)``.
        many: Whether a row may have several labels, each with a probability of its own.
    """

    weights: np.ndarray
    bias: np.ndarray
    many: bool = False

    @property
    def table(self) -> np.ndarray:
        """Both as one table, ``(H + 1, K)``, the bias last."""
        return np.concatenate([self.weights, self.bias[None]])

    def log_probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """Return ``(N, K)`` log-probabilities of ``(N, H)`` vectors."""
        scores = vectors @ self.weights + self.bias
        return _log_sigmoid(scores) if self.many else _log_softmax(scores)


def pair_vectors(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return what a probe sees of pairs of texts, ``(N, 4 H)``: both vectors, their distance by unit, their product."""
    return np.concatenate([first, second, np.abs(first - second), first * second], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What a probe is asked for beyond its rows.

    Args:
        weights: ``(N,)`` how much each row counts; None: 1 each.
        offsets: ``(K,)`` added to the scores while fitting and left out afterwards (logit adjustment); None: 0.
        towards: Coefficients from which the penalty measures; None: 0.
        start: Coefficients where the search starts; None: those it is drawn towards.
        is_rough: End the search when steps gain less than a millionth, or after 60 of them: for comparisons, where
            many fits are made and the last digits do not count.
    """

    weights: np.ndarray | None = None
    offsets: np.ndarray | None = None
    towards: Probe | None = None
    start: Probe | None = None
    is_rough: bool = False


def fit_probe(
    vectors: np.ndarray,
    targets: np.ndarray,
    *,
    balanced: bool = True,
    ridge: float = RIDGE,
    asked: Asked | None = None,
    many: bool = False,
) -> Probe:
    """Return the regression with the least mean cross-entropy plus ``ridge`` times the squared coefficients.

    Args:
        vectors: ``(N, H)``.
        targets: ``(N, K)`` rows that sum to 1; with ``many`` each number by itself in [0, 1].
        balanced: Weigh rows so that every class that has some counts the same in total; with ``many`` weigh what a
            label costs where it is present by the inverse of how often it is, as ``bce`` with class weights does.
        ridge: Strength of the penalty, above 0; the least is then one point, whatever the starting point.
        asked: Weights of rows, offsets of classes, coefficients to stay near to.
        many: Whether a row may have several labels; the cross-entropy is then the sum of those of all labels.
    """
    from scipy.optimize import minimize

    wanted = asked or Asked()
    counted = np.ones(len(vectors)) if wanted.weights is None else wanted.weights / wanted.weights.mean()
    rows, width = vectors.shape
    classes = targets.shape[1]
    totals = targets.sum(axis=0) if wanted.weights is None else counted @ targets
    by_class = np.divide(rows / max(1, (totals > 0).sum()), totals, out=np.ones(classes), where=totals > 0)
    weights = (targets * by_class).sum(axis=1) * counted if balanced and not many else counted
    weights = weights / weights.sum()
    present = _inverse(totals) if balanced and many else np.ones(classes)
    offsets = np.zeros(classes) if wanted.offsets is None else wanted.offsets
    centre = np.zeros((width + 1, classes))
    if wanted.towards is not None:
        centre = wanted.towards.table
    start = centre if wanted.start is None else wanted.start.table
    options = {"maxiter": 60, "ftol": 1e-6} if wanted.is_rough else {"maxiter": 500}

    def cost(flat: np.ndarray) -> tuple[float, np.ndarray]:
        table = flat.reshape(width + 1, classes)
        away = table[:-1] - centre[:-1]
        scores = vectors @ table[:-1] + table[-1] + offsets
        if many:
            logs = _log_sigmoid(scores)
            has, lacks = targets * present, 1 - targets
            entropy = (has * logs + lacks * (logs - scores)).sum(axis=1)
            error = ((has + lacks) * np.exp(logs) - has) * weights[:, None]
        else:
            logs = _log_softmax(scores)
            entropy = (targets * logs).sum(axis=1)
            error = (np.exp(logs) - targets) * weights[:, None]
        gradient = np.concatenate([vectors.T @ error + 2 * ridge * away, error.sum(axis=0, keepdims=True)])
        value = -(weights * entropy).sum() + ridge * (away**2).sum()
        return float(value), gradient.ravel()

    found = minimize(cost, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    table = found.x.reshape(width + 1, classes)
    return Probe(table[:-1], table[-1], many)


def _inverse(totals: np.ndarray) -> np.ndarray:
    """Return ``(K,)`` weights by the inverse of how often a label is present, 1 on average; 1 where it never is."""
    raw = np.divide(1.0, totals, out=np.zeros(len(totals)), where=totals > 0)
    return np.where(totals > 0, raw * (totals > 0).sum() / max(raw.sum(), 1e-300), 1.0)


def _log_sigmoid(scores: np.ndarray) -> np.ndarray:
    return np.asarray(-np.logaddexp(0, -scores))


def _log_softmax(scores: np.ndarray) -> np.ndarray:
    raised = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(raised - np.log(np.exp(raised).sum(axis=1, keepdims=True)))
