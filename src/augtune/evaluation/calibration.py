"""Calibration: does 90 % sure mean right nine times in ten? And how to make it so with one number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augtune.core.dataset import Dataset, HumanDataset
from augtune.core.errors import DataError
from augtune.core.tables import Predictions
from augtune.evaluation.answers import aligned
from augtune.evaluation.metrics import confidence_bins

__all__ = ["ConfidenceBin", "Temperature", "fit_temperature", "reliability"]

COLDEST, HOTTEST = 0.05, 20.0


@dataclass(frozen=True, slots=True)
class Temperature:
    """What logits are divided by so that probabilities fit the rows it was fitted on.

    Args:
        value: The temperature: above 1 makes predictions less sure, below 1 surer.
        nll_before: Mean of -log p of the fitted rows' labels, in nats, before.
        nll_after: The same, after.
    """

    value: float
    nll_before: float
    nll_after: float

    def apply(self, predictions: Predictions) -> Predictions:
        """Return the predictions at this temperature; the predicted labels stay what they were."""
        logs = _logs(predictions.probabilities)
        return Predictions(
            predictions.ids, _at(logs, self.value), predictions.labels, predictions.made_by, predictions.model
        )

    def __repr__(self) -> str:
        return f"temperature {self.value:.2f} · NLL {self.nll_before:.3f} → {self.nll_after:.3f}"


def fit_temperature(predictions: Predictions, rows: Dataset) -> Temperature:
    """Return the temperature at which the predictions fit the rows best (Guo et al., ICML 2017).

    Fit it on rows the model was not trained on: on its own training rows it looks surer than it is. The temperature
    is kept between 0.05 and 20; rows that are all predicted right would ask for ever colder ones.

    Args:
        predictions: For every row.
        rows: Labelled rows; soft labels count by their probabilities.

    Raises:
        DataError: If there are no rows, a row has no prediction, or labels differ.
    """
    from scipy.optimize import minimize_scalar

    if not len(rows):
        raise DataError(f"{rows.name}: there are no rows to fit a temperature on.")
    if predictions.labels.names != rows.labels.names:
        raise DataError(
            f"predictions of {predictions.made_by}: expected the labels {rows.labels} in this order, "
            f"got {predictions.labels}."
        )
    logs, targets = _logs(predictions.aligned(rows.ids).probabilities), rows.targets()

    def nll(log_temperature: float) -> float:
        return float(-(targets * _logs(_at(logs, float(np.exp(log_temperature))))).sum(axis=1).mean())

    best = minimize_scalar(nll, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded", options={"xatol": 1e-6})
    before, after = nll(0.0), float(best.fun)
    return Temperature(float(np.exp(best.x)), before, after) if after < before else Temperature(1.0, before, before)


@dataclass(frozen=True, slots=True)
class ConfidenceBin:
    """Rows of about the same confidence.

    Args:
        low: Lower end of the bin, not in it.
        high: Upper end of the bin, in it.
        rows: How many rows.
        confidence: Their mean confidence; 0 without rows.
        accuracy: Share of them predicted right; 0 without rows.
    """

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


def reliability(predictions: Predictions, truth: HumanDataset, bins: int = 15) -> tuple[ConfidenceBin, ...]:
    """Return confidence against accuracy in bins of equal width: what the metric ``ece`` sums up.

    Args:
        predictions: For every row.
        truth: The test rows.
        bins: How many.

    Raises:
        DataError: If there are no rows, a row has no prediction, or labels differ.
    """
    probabilities = aligned([predictions], truth)[0]
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth.label_indices
    place = confidence_bins(confidence, bins)
    rows = np.bincount(place, minlength=bins)
    mean_confidence = np.bincount(place, confidence, minlength=bins) / np.maximum(rows, 1)
    accuracy = np.bincount(place, right, minlength=bins) / np.maximum(rows, 1)
    return tuple(
        ConfidenceBin(k / bins, (k + 1) / bins, int(rows[k]), float(mean_confidence[k]), float(accuracy[k]))
        for k in range(bins)
    )


def _logs(probabilities: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(np.maximum(probabilities, np.finfo(np.float64).eps)))


def _at(logs: np.ndarray, temperature: float) -> np.ndarray:
    """Return ``softmax(logs / temperature)``, ``(N, K)``."""
    scaled = logs / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
