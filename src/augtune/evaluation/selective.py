"""Selective prediction: answer what the model is sure of, leave the rest, and what that is worth.

Shapes: ``N`` rows, ``K`` labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from augtune.core.dataset import HumanDataset
from augtune.core.errors import SettingsError
from augtune.core.tables import Predictions
from augtune.evaluation.answers import aligned

__all__ = ["COVERAGES", "AtCoverage", "Selective", "answered", "check_threshold", "selective"]

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)


@dataclass(frozen=True, slots=True)
class AtCoverage:
    """What the surest rows are worth.

    Args:
        coverage: Share of the rows that is answered, the surest ones.
        rows: How many that is.
        threshold: Confidence of the least sure of them: abstain below it to answer about as many.
        accuracy: Share of them predicted right.
    """

    coverage: float
    rows: int
    threshold: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Selective:
    """What abstaining is worth.

    Args:
        points: Accuracy at some coverages, all rows first.
        risk_area: Mean over all coverages of the share of answered rows that is wrong (Geifman and El-Yaniv, 2017);
            lower is better. It is low if the model is right, or knows where it is not.
    """

    points: tuple[AtCoverage, ...]
    risk_area: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        names = AtCoverage.__dataclass_fields__
        points = [{name: getattr(point, name) for name in names} for point in self.points]
        return {"points": points, "risk_area": self.risk_area}


def check_threshold(value: float, *, where: str) -> float:
    """Return a confidence to abstain below.

    Raises:
        SettingsError: If it is no number from 0 to 1.
    """
    if not 0 <= value <= 1:
        raise SettingsError(f"{where}: expected a confidence from 0 to 1, got {value:g}")
    return value


def answered(predictions: Predictions, threshold: float) -> np.ndarray:
    """Return ``(N,)`` True where the confidence reaches a threshold; elsewhere the model abstains.

    Args:
        predictions: Probabilities; calibrated ones make a threshold mean what it says.
        threshold: From 0 to 1.
    """
    return np.asarray(predictions.confidence >= threshold)


def selective(predictions: Predictions, truth: HumanDataset, coverages: Sequence[float] = COVERAGES) -> Selective:
    """Return the accuracy of the surest rows, for several shares of them.

    Rows of one confidence are answered or left together: at each coverage at least the share asked for is answered,
    and the share that is stands in the result.

    Args:
        predictions: For every row.
        truth: The test rows.
        coverages: Shares above 0, up to 1.

    Raises:
        DataError: If there are no rows, a row has no prediction, labels differ or a row may have several.
    """
    truth.labels.one_each("selective: accuracy at coverage")
    table = aligned([predictions], truth)[0]
    confidence = table.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    sure, right = confidence[order], (table.argmax(axis=1) == truth.label_indices)[order]
    # of each row, how many rows are at least as sure
    reach = np.searchsorted(-sure, -sure, side="right")
    accuracy = np.cumsum(right)[reach - 1] / reach
    points = []
    for share in sorted(set(coverages), reverse=True):
        place = max(1, int(np.ceil(share * len(truth) - 1e-9))) - 1
        rows = int(reach[place])
        points.append(AtCoverage(rows / len(truth), rows, float(sure[place]), float(accuracy[place])))
    return Selective(tuple(points), float((1 - accuracy).mean()))
