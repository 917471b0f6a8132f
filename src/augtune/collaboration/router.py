"""``Router``: which rows go to the language model, and what is made of its answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from augtune.collaboration.answers import Answers
from augtune.collaboration.combine import Combiner, Replace, combiner_of
from augtune.collaboration.curve import ALL, Curve, Point
from augtune.collaboration.guard import require_model
from augtune.core.errors import DataError, InputError
from augtune.core.labels import Labels
from augtune.core.outcomes import Cost
from augtune.core.tables import Predictions
from augtune.core.task import LabelValue
from augtune.evaluation.calibration import Temperature

__all__ = ["Checked", "Routed", "Router", "unanswered_in"]

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Checked:
    """What the way of choosing is worth on rows that had no part in the choice, by cross-validation.

    Args:
        value: The metric over all rows, each routed by a rule chosen without it.
        share: Share of rows sent.
        thresholds: The threshold of each fold.
    """

    value: float
    share: float
    thresholds: tuple[float, ...]

    def __repr__(self) -> str:
        low, high = min(self.thresholds), max(self.thresholds)
        return f"cross-validated {self.value:.4f}, {self.share:.1%} sent, thresholds {low:.2f} to {high:.2f}"


@dataclass(frozen=True, eq=False)
class Routed(Predictions):
    """Predictions of a classifier and a language model together.

    Args:
        ids: Row ids.
        probabilities: ``(N, K)``: the calibrated classifier's, and the combined ones of the rows sent.
        labels: The classes.
        made_by: Who made them.
        model: Fingerprint of the router.
        sent: Ids of the rows that went to the language model.
        unanswered: Those of them it did not answer; they have the classifier's prediction.
        cost: What the calls cost.
    """

    sent: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()
    cost: Cost = field(default_factory=Cost)

    @property
    def share(self) -> float:
        """Share of rows sent."""
        return len(self.sent) / len(self) if len(self) else 0.0

    def to_rows(self, truth: Mapping[str, LabelValue] | None = None) -> Iterable[dict[str, Any]]:
        """Yield one JSON object per row, with ``sent``: whether it went to the language model."""
        sent = set(self.sent)
        for row in super().to_rows(truth):
            yield {**row, "sent": row["id"] in sent}

    def __repr__(self) -> str:
        lost = f", {len(self.unanswered)} not answered" if self.unanswered else ""
        return f"{len(self)} predictions · {len(self.sent)} sent ({self.share:.1%}){lost} · {self.cost}"


@dataclass(frozen=True, eq=False)
class Router:
    """A rule: rows of which the classifier is less sure than the threshold go to the language model.

    Args:
        labels: The ``K`` classes.
        threshold: Rows whose calibrated confidence is under it are sent; 0 sends none, 2 all.
        temperature: What the classifier's logits are divided by before its confidence counts; 1 leaves them.
        combiner: What is made of the two opinions on a row that was sent.
        classifier: Fingerprint of the classifier it was chosen for, or None if unknown; others are refused.
        curve: Cost against quality on the rows it was chosen on.
        chosen: The point of the curve in use.
        checked: What the way of choosing is worth, cross-validated; None where nothing was chosen.
    """

    labels: Labels
    threshold: float
    temperature: float = 1.0
    combiner: Combiner = field(default_factory=Replace)
    classifier: str | None = None
    curve: Curve | None = None
    chosen: Point | None = None
    checked: Checked | None = None

    def calibrated(self, predictions: Predictions) -> Predictions:
        """Return the classifier's predictions at the router's temperature.

        Raises:
            DataError: If they are another classifier's, or of other labels.
        """
        if predictions.labels.names != self.labels.names:
            raise DataError(
                f"predictions of {predictions.made_by}: expected the labels {self.labels} in this order, "
                f"got {predictions.labels}."
            )
        if self.classifier is not None:
            require_model(predictions, self.classifier)
        return predictions if self.temperature == 1.0 else Temperature(self.temperature, 0.0, 0.0).apply(predictions)

    def sends(self, predictions: Predictions) -> np.ndarray:
        """Return which rows go to the language model, ``(N,)`` booleans.

        Raises:
            DataError: If the predictions are another classifier's, or of other labels.
        """
        return np.asarray(self.calibrated(predictions).confidence < self.threshold)

    def combine(self, predictions: Predictions, answers: Predictions, *, cost: Cost | None = None) -> Routed:
        """Return the predictions of both together.

        Args:
            predictions: The classifier's, of all rows.
            answers: The language model's; of rows not sent they are not looked at, and a row sent without one keeps
                the classifier's prediction and is counted.
            cost: What the answers cost.

        Raises:
            DataError: If the predictions are another classifier's, or labels differ.
        """
        own = self.calibrated(predictions)
        if answers.labels.names != self.labels.names:
            raise DataError(
                f"answers of {answers.made_by}: expected the labels {self.labels} in this order, got {answers.labels}."
            )
        sent = np.flatnonzero(own.confidence < self.threshold)
        known = set(answers.ids) - unanswered_in(answers)
        rows = [int(i) for i in sent if own.ids[i] in known]
        table = own.probabilities.copy()
        if rows:
            said = answers.aligned([own.ids[i] for i in rows]).probabilities
            table[rows] = self.combiner(own.probabilities[rows], said)
        return Routed(
            own.ids,
            table,
            self.labels,
            f"{own.made_by} + {answers.made_by}",
            sent=tuple(own.ids[i] for i in sent),
            unanswered=tuple(own.ids[i] for i in sent if own.ids[i] not in known),
            cost=cost or Cost(),
        )

    def to_json(self) -> dict[str, Any]:
        """Return all of it as a JSON object; of the curve, enough to draw it."""
        checked = None
        if self.checked is not None:
            checked = {name: getattr(self.checked, name) for name in ("value", "share")}
            checked["thresholds"] = list(self.checked.thresholds)
        return {
            "format": FORMAT,
            "labels": list(self.labels),
            "descriptions": dict(self.labels.descriptions),
            "threshold": self.threshold,
            "temperature": self.temperature,
            "combine": self.combiner.to_json(),
            "classifier": self.classifier,
            "checked": checked,
            "curve": None if self.curve is None else self.curve.to_json(chosen=self.chosen),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Router:
        """Return the router a JSON object of ``to_json`` describes; its curve is for drawing and is not kept.

        Raises:
            InputError: If it describes none.
        """
        try:
            if value["format"] != FORMAT:
                raise InputError(f"router: expected format {FORMAT}, got {value['format']!r}.")
            checked = value.get("checked")
            return cls(
                Labels(tuple(value["labels"]), value.get("descriptions") or {}),
                float(value["threshold"]),
                float(value["temperature"]),
                combiner_of(value["combine"]),
                value.get("classifier"),
                checked=checked and Checked(checked["value"], checked["share"], tuple(checked["thresholds"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"router: this is no saved router ({type(error).__name__}: {error}).") from error

    def __repr__(self) -> str:
        which = "all rows" if self.threshold >= ALL else f"rows under {self.threshold:.3f}"
        parts = [f"{self.combiner.kind} · {which}"]
        if self.chosen is not None:
            parts.append(f"{self.chosen.share:.1%} sent, {self.chosen.value:.4f} where it was chosen")
        if self.checked is not None:
            parts.append(repr(self.checked))
        return " · ".join(parts)


def unanswered_in(answers: Predictions) -> frozenset[str]:
    """Return the ids of rows that were asked and not answered, which may have a stand-in among the predictions."""
    return frozenset(answers.unanswered) if isinstance(answers, Answers) else frozenset()
