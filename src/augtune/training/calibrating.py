"""Calibrate a trained classifier: one temperature, kept in it, so that 70 % sure means right seven times in ten."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from augtune.core.dataset import HumanDataset
from augtune.core.errors import DataError
from augtune.core.rows import check_human
from augtune.core.tables import Predictions
from augtune.evaluation.calibration import Temperature, fit_temperature
from augtune.evaluation.metrics import Ece
from augtune.model.fitted import Fitted

__all__ = ["Calibrated", "calibrate"]

MOST_KNOWN_SHARE = 0.1
"""Share of the rows that may be rows it was trained on: short texts do occur twice."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A classifier whose confidence was fitted.

    Args:
        fitted: The classifier with its temperature; it predicts the same labels as before.
        temperature: The temperature, and what it did to the likelihood of the rows it was fitted on.
        ece_before: Expected calibration error on these rows before, 15 bins.
        ece_after: The same, after.
        known: How many of these rows have a text it was trained on.
    """

    fitted: Fitted
    temperature: Temperature
    ece_before: float
    ece_after: float
    known: int = 0

    def __repr__(self) -> str:
        return f"{self.temperature} · ECE {self.ece_before:.3f} → {self.ece_after:.3f}"


def calibrate(fitted: Fitted, rows: HumanDataset) -> Calibrated:
    """Return the classifier with the temperature at which its confidence fits rows best (Guo et al., ICML 2017).

    Args:
        fitted: The classifier; a temperature it has already is replaced.
        rows: Human rows it was not trained on: of its own training rows it is surer than it should be. A tenth of them
            may have texts that it knows.

    Raises:
        DataError: If there are no rows, one is synthetic, the classifier was trained on more of them than may be, their
            labels are not the classifier's, a row may have several labels, or single texts are given to a classifier of
            pairs or the reverse.
    """
    fitted.labels.one_each("calibrate: a temperature")
    if not len(rows):
        raise DataError(f"{rows.name}: there are no rows to calibrate on.")
    check_human(rows)
    known = _known(fitted, rows)
    plain = replace(fitted, temperature=1.0)
    before = plain.predict(rows).in_order(rows.labels)
    found = fit_temperature(before, rows)
    made = replace(fitted, temperature=found.value)
    return Calibrated(made, found, _ece(before, rows), _ece(made.predict(rows).in_order(rows.labels), rows), known)


def _known(fitted: Fitted, rows: HumanDataset) -> int:
    """Return how many of the rows it was trained on.

    Raises:
        DataError: If they are too many to fit a temperature on the others.
    """
    known = fitted.known(rows)
    if len(known) > MOST_KNOWN_SHARE * len(rows):
        first = f"{rows.ids[known[0]]} {rows.texts[known[0]][:40]!r}"
        raise DataError(
            f"{rows.name}: calibrate: {fitted.name} was trained on {len(known)} of these {len(rows)} rows, the first "
            f"is {first}; it is surer of them than of new rows, and its confidence would come out too high.",
            hint=f"Give human rows it was not trained on; up to {MOST_KNOWN_SHARE:.0%} of them may be.",
        )
    return len(known)


def _ece(predictions: Predictions, rows: HumanDataset) -> float:
    metric = Ece()
    sums = metric.row_sums(np.asarray(predictions.probabilities), rows.label_indices)
    return float(metric.of(sums.sum(axis=0)))
