"""The guard: evidence has to come from the model it is said to come from.

A published study reported its headline twice with the predictions of another classifier than the one it named, and
nothing noticed. Two checks find that: by the fingerprint that predictions carry, and by comparing them, row by row,
with predictions that are known to be the model's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from augtune.core.errors import DataError
from augtune.core.tables import Predictions

__all__ = ["HasFingerprint", "Sameness", "require_model", "require_same", "same_model"]

TOLERANCE = 1e-3  # two computations of the same classifier differ by rounding, files by the digits they keep


@runtime_checkable
class HasFingerprint(Protocol):
    """A model that names itself by its content, such as ``Fitted``."""

    @property
    def fingerprint(self) -> str:
        """Hex digits; equal models, equal digits."""
        ...


@dataclass(frozen=True, slots=True)
class Sameness:
    """Whether two sets of predictions can be one model's.

    Args:
        rows: Rows that both predict.
        labels_differ: Rows whose predicted labels differ, near-ties aside.
        largest_difference: Largest difference of a probability; None where one side holds labels only.
        first: Id of the first row that differs, or None.
    """

    rows: int
    labels_differ: int
    largest_difference: float | None
    first: str | None

    @property
    def same(self) -> bool:
        """True if nothing speaks against it."""
        close = self.largest_difference is None or self.largest_difference <= TOLERANCE
        return self.rows > 0 and self.labels_differ == 0 and close

    def __bool__(self) -> bool:
        return self.same

    def __repr__(self) -> str:
        if not self.rows:
            return "no row in common"
        soft = "" if self.largest_difference is None else f", probabilities by up to {self.largest_difference:.3g}"
        verdict = "one model" if self.same else "two models"
        return f"{verdict}: {self.labels_differ} of {self.rows:,} labels differ{soft}"


def same_model(evidence: Predictions, reference: Predictions) -> Sameness:
    """Compare two sets of predictions on the rows they share.

    Args:
        evidence: What is used.
        reference: What the named model is known to predict, with or without probabilities.

    Raises:
        DataError: If their labels differ.
    """
    if evidence.labels.names != reference.labels.names:
        raise DataError(
            f"predictions of {evidence.made_by}: expected the labels {reference.labels} in this order, "
            f"got {evidence.labels}."
        )
    known = set(reference.ids)
    ids = [name for name in evidence.ids if name in known]
    if not ids:
        return Sameness(0, 0, None, None)
    one, other = evidence.aligned(ids), reference.aligned(ids)
    differs = (one.indices != other.indices) & ~(_is_tie(one, other) | _is_tie(other, one))
    largest = None
    if _is_soft(one) and _is_soft(other):
        gaps = np.abs(one.probabilities - other.probabilities).max(axis=1)
        largest = float(gaps.max())
        far = np.flatnonzero(differs | (gaps > TOLERANCE))
    else:
        far = np.flatnonzero(differs)
    return Sameness(len(ids), int(differs.sum()), largest, ids[int(far[0])] if len(far) else None)


def require_same(evidence: Predictions, reference: Predictions) -> Sameness:
    """Return the comparison, or refuse evidence that is another model's.

    Raises:
        DataError: If a row differs, or no row is shared.
    """
    found = same_model(evidence, reference)
    if not found:
        where = f"; the first is row {found.first!r}" if found.first is not None else ""
        raise DataError(
            f"evidence: the predictions of {evidence.made_by} are not those of {reference.made_by}: {found!r}{where}.",
            hint="Another classifier was wired in. Predict anew with the one that is named.",
        )
    return found


def require_model(evidence: Predictions, model: HasFingerprint | str) -> None:
    """Refuse evidence that does not carry a model's fingerprint.

    Args:
        evidence: The predictions.
        model: The model that is named, or its fingerprint.

    Raises:
        DataError: If the predictions carry another fingerprint or none.
    """
    wanted = model if isinstance(model, str) else model.fingerprint
    if evidence.model == wanted:
        return
    if evidence.model is None:
        raise DataError(
            f"evidence: the predictions of {evidence.made_by} do not say which model made them, expected {wanted}.",
            hint="Predict anew with that model, or give reference=, predictions known to be its, to compare with.",
        )
    raise DataError(
        f"evidence: the predictions were made by model {evidence.model} ({evidence.made_by}), expected {wanted}.",
        hint="Another classifier was wired in. Predict anew with the one that is named.",
    )


def _is_soft(predictions: Predictions) -> bool:
    return bool((predictions.confidence < 1.0).any())


def _is_tie(one: Predictions, other: Predictions) -> np.ndarray:
    """Tell for each row whether ``one`` finds the label of ``other`` as probable as its own, to rounding."""
    if not _is_soft(one):
        return np.zeros(len(one), dtype=bool)
    rows = np.arange(len(one))
    return np.asarray(one.confidence - one.probabilities[rows, other.indices] <= TOLERANCE)
