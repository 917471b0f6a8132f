"""``route``: choose which rows are worth a call of the language model, on rows neither model was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from augtune.collaboration.combine import Combiner, Replace, fit_pool, fit_stack
from augtune.collaboration.curve import ALL, Curve, Point, curve_of, metric_of
from augtune.collaboration.router import Checked, Router, unanswered_in
from augtune.core.dataset import HumanDataset
from augtune.core.errors import DataError, SettingsError
from augtune.core.seeds import generator
from augtune.core.settings import Settings
from augtune.core.tables import Predictions
from augtune.evaluation.answers import aligned
from augtune.evaluation.calibration import Temperature, fit_temperature
from augtune.evaluation.metrics import CountMetric

__all__ = ["RouteSettings", "route"]


class RouteSettings(Settings):
    """How rows are shared out between a classifier and a language model."""

    kind: ClassVar[str] = "route"

    combine: Literal["replace", "pool", "stack"] = "replace"
    """What is made of the answer to a row that was sent: it replaces the classifier's prediction (a cascade), or the
    two are averaged (pool), or a logistic regression decides (stack)."""

    metric: str = "macro_f1"
    """The metric the threshold is chosen by: one of predicted labels."""

    threshold: float | None = Field(default=None, ge=0, le=ALL)
    """A threshold of your own, in place of a chosen one, for confidence as it is, not calibrated; 2 sends every row."""

    least: float | None = Field(default=None, gt=0, le=1)
    """Reach this value of the metric with as few calls as possible; by default the metric is made as high as can be."""

    most_share: float | None = Field(default=None, ge=0, le=1)
    """Most rows that may be sent, as a share."""

    most_usd_per_1000: float | None = Field(default=None, ge=0)
    """Most that the calls for a thousand predictions may cost, in US dollars."""

    tolerance: float = Field(default=0.0, ge=0, lt=1)
    """How much of the metric may be given up for fewer calls, e.g. 0.001."""

    calibrate: bool = True
    """Fit a temperature first, so that confidence means what it says."""

    folds: int = Field(default=5, ge=2, le=50)
    """Folds of the cross-validation that says what the choice is worth, and that fits pools and stacks."""

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> RouteSettings:
        goals = [name for name in ("least", "most_share", "most_usd_per_1000") if getattr(self, name) is not None]
        if self.threshold is not None and goals:
            raise SettingsError(f"threshold: is given, so {goals[0]} would have no effect; leave out one of them")
        return self


def route(
    classifier: Predictions,
    answers: Predictions,
    truth: HumanDataset,
    *,
    settings: RouteSettings | None = None,
    usd_per_call: float | None = None,
    seed: int = 0,
    **overrides: Any,
) -> Router:
    """Return the router that serves a goal best, with its cost-quality curve and what the choice is worth.

    Give it validation rows, never the test rows it will be measured on. Where these are all there is, look at
    ``checked``: each fold is routed by a rule chosen on the other folds.

    Args:
        classifier: The classifier's predictions of every row.
        answers: The language model's; a row without one keeps the classifier's prediction.
        truth: Human-labelled rows that neither model was trained on.
        settings: What is wanted; the defaults if None.
        usd_per_call: What one call costs; by default what the answers did, where that is known.
        seed: Of the folds.
        overrides: Single settings, e.g. ``least=0.9``.

    Raises:
        DataError: If a row has no prediction, labels differ, or no threshold reaches what is wanted.
        SettingsError: If a setting is wrong, or a goal in dollars is set and the price is unknown.
    """
    asked = settings or RouteSettings()
    if overrides:
        asked = RouteSettings.parse({**asked.model_dump(exclude_unset=True), **overrides}, where="route")
    price = _price(answers) if usd_per_call is None else usd_per_call
    if asked.most_usd_per_1000 is not None and price is None:
        raise SettingsError("route.most_usd_per_1000: what a call costs is not known; give usd_per_call")
    work = _Work.of(classifier, answers, truth, asked, price)
    found = work.fit(np.arange(len(truth)), seed)
    return Router(
        truth.labels,
        found.point.threshold,
        found.temperature,
        found.combiner,
        classifier.model,
        found.curve,
        found.point,
        None if asked.threshold is not None else work.check(seed),
    )


def _price(answers: Predictions) -> float | None:
    """Return what a row's answer cost on average, reminders included; None if some were cached."""
    cost, records = getattr(answers, "cost", None), getattr(answers, "records", ())
    if cost is None or not records or cost.usd is None or cost.calls < len(records):
        return None
    return float(cost.usd) / len(records)


@dataclass(frozen=True, slots=True)
class _Found:
    """What fitting on some rows gives."""

    temperature: float
    combiner: Combiner
    curve: Curve
    point: Point


@dataclass(frozen=True, eq=False)
class _Work:
    """The two models' opinions on rows of known labels, aligned."""

    rows: HumanDataset
    own: Predictions
    said: np.ndarray
    is_answered: np.ndarray
    metric: CountMetric
    settings: RouteSettings
    price: float | None

    @classmethod
    def of(
        cls,
        classifier: Predictions,
        answers: Predictions,
        truth: HumanDataset,
        settings: RouteSettings,
        price: float | None,
    ) -> _Work:
        table = aligned([classifier], truth)[0]
        own = Predictions(truth.ids, table, truth.labels, classifier.made_by)
        if answers.labels.names != truth.labels.names:
            raise DataError(
                f"answers of {answers.made_by}: expected the labels {truth.labels} in this order, got {answers.labels}."
            )
        without = unanswered_in(answers)
        place = {name: i for i, name in enumerate(answers.ids) if name not in without}
        where = np.array([place.get(name, -1) for name in truth.ids], dtype=np.int64)
        if (where < 0).all():
            raise DataError(f"answers of {answers.made_by}: none of the {len(truth)} rows has one.")
        said = np.where((where >= 0)[:, None], answers.probabilities[where], table)
        return cls(truth, own, said, where >= 0, metric_of(settings.metric), settings, price)

    def fit(self, rows: np.ndarray, seed: int) -> _Found:
        """Return temperature, combiner, curve and point chosen on some rows."""
        temperature = self._temperature(rows)
        table = self._table(temperature)
        combiner = self._combiner(table, rows)
        together = self._out_of_fold(table, rows, seed)
        truth = self.rows.label_indices[rows]
        curve = curve_of(
            table[rows].max(axis=1),
            (truth, table[rows].argmax(axis=1), together.argmax(axis=1)),
            classes=len(self.rows.labels),
            metric=self.metric,
            usd_per_call=self.price,
        )
        return _Found(temperature, combiner, curve, self._choose(curve))

    def check(self, seed: int) -> Checked | None:
        """Return what the choice is worth, each fold routed by a rule chosen on the others."""
        predicted = self.own.indices.copy()
        sent, thresholds = 0, []
        for inside, outside in self._folds(np.arange(len(self.rows)), seed):
            try:
                found = self.fit(inside, seed)
            except DataError:
                return None  # part of the rows does not reach what all of them do
            table = self._table(found.temperature)
            mask = outside[table[outside].max(axis=1) < found.point.threshold]
            predicted[mask] = self._apply(found.combiner, table, mask).argmax(axis=1)
            sent += len(mask)
            thresholds.append(found.point.threshold)
        value = self.metric.value(np.eye(len(self.rows.labels))[predicted], self.rows.label_indices)
        return Checked(value, sent / len(self.rows), tuple(thresholds))

    def _temperature(self, rows: np.ndarray) -> float:
        if not self.settings.calibrate or self.settings.threshold is not None:
            return 1.0
        return fit_temperature(self.own, self.rows.take(rows)).value

    def _table(self, temperature: float) -> np.ndarray:
        own: Predictions = self.own if temperature == 1.0 else Temperature(temperature, 0.0, 0.0).apply(self.own)
        table: np.ndarray = own.probabilities
        return table

    def _combiner(self, table: np.ndarray, rows: np.ndarray) -> Combiner:
        if self.settings.combine == "replace":
            return Replace()
        rows = rows[self.is_answered[rows]]
        fit = fit_pool if self.settings.combine == "pool" else fit_stack
        chosen: Combiner = fit(table[rows], self.said[rows], self.rows.label_indices[rows])
        return chosen

    def _apply(self, combiner: Combiner, table: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return ``(rows, K)`` of both together, the classifier's own where there is no answer."""
        if not len(rows):
            return np.asarray(table[rows])
        both = combiner(table[rows], self.said[rows])
        return np.asarray(np.where(self.is_answered[rows][:, None], both, table[rows]))

    def _out_of_fold(self, table: np.ndarray, rows: np.ndarray, seed: int) -> np.ndarray:
        """Return ``(rows, K)`` of both together, each row by a combiner that was fitted without it."""
        if self.settings.combine == "replace":
            return self._apply(Replace(), table, rows)
        together = np.empty((len(rows), table.shape[1]))
        place = np.arange(len(rows))
        for inside, outside in self._folds(place, seed):
            together[outside] = self._apply(self._combiner(table, rows[inside]), table, rows[outside])
        return together

    def _folds(self, rows: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        folds = min(self.settings.folds, len(rows))
        if folds < 2:
            raise DataError(f"{self.rows.name}: expected two rows or more to choose on, got {len(rows)}.")
        parts = np.array_split(generator(seed, "route").permutation(rows), folds)
        return [(np.sort(np.concatenate([*parts[:k], *parts[k + 1 :]])), np.sort(parts[k])) for k in range(folds)]

    def _choose(self, curve: Curve) -> Point:
        asked = self.settings
        if asked.threshold is not None:
            return curve.at(asked.threshold)
        most = 1.0 if asked.most_share is None else asked.most_share
        if asked.most_usd_per_1000 is not None:
            paid = curve.budget_share(asked.most_usd_per_1000)
            most = most if paid is None else min(most, paid)
        best = curve.best(most_share=most, tolerance=asked.tolerance)
        if asked.least is None:
            return best
        found = curve.cheapest(asked.least, most_share=most)
        if found is None:
            raise DataError(
                f"route.least: no threshold reaches {curve.metric} {asked.least:g} on {self.rows.name}; "
                f"the most is {best.value:.4f}, with {best.share:.1%} of the rows sent."
            )
        return found
