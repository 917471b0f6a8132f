"""Checkers: cross-fitted classifiers whose opinion of every row weighs it (Kuo et al., ICLR 2025).

The quality checker is trained on the human rows, the diversity checker on the synthetic ones. Each is ``F`` models,
every one trained without one part of the rows; a row of that part is scored by the model that did not see it, and rows
of the other origin by the mean of all.

Shapes: ``N`` rows, ``K`` classes, ``F`` folds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch

from augtune.core.dataset import Dataset
from augtune.core.errors import DataError, InputError
from augtune.core.fingerprint import text_marks
from augtune.core.folds import spread
from augtune.core.seeds import derive, generator
from augtune.core.tables import Predictions
from augtune.model.batching import encode
from augtune.model.fitted import Fitted
from augtune.model.precision import choose
from augtune.training.fitting import Job, fit
from augtune.training.probe import features, fit_probe
from augtune.training.settings import TrainSettings
from augtune.training.tables import Checkers

__all__ = ["fit_temperature", "make_checkers", "spread"]


def make_checkers(
    dataset: Dataset,
    settings: TrainSettings,
    seed: int = 0,
    *,
    needs: Collection[str] | None = None,
    vectors: np.ndarray | None = None,
) -> Checkers:
    """Return what the checkers a recipe needs say of every row.

    Arms that share rows, encoder and seed can share them: hand them to ``train(..., checkers=)``.

    Args:
        dataset: Human and synthetic rows.
        settings: Of the training they are for; ``settings.checkers`` says how they themselves are trained.
        seed: Of the training they are for.
        needs: ``quality``, ``diversity`` or both; what ``settings.recipe`` needs if not given.
        vectors: What probes see of the rows (``augtune.training.probe.features``), ``(N, H)``, if it is at hand.

    Raises:
        DataError: If there are too few rows of an origin to train a checker on some and score the others.
        InputError: If a saved checker is none, or one of other labels.
    """
    wanted = settings.recipe.needs if needs is None else needs
    saved = {"quality": settings.checkers.quality, "diversity": settings.checkers.diversity}
    return Checkers.merged(
        _trained(name, dataset, settings, seed, vectors) if path is None else _saved(name, path, dataset)
        for name, path in saved.items()
        if name in wanted
    )


def _saved(name: str, path: str, dataset: Dataset) -> Checkers:
    """Return what a saved classifier says, its labels in the order of the dataset's."""
    try:
        fitted = Fitted.load(path, labels=dataset.labels)
    except InputError as error:
        raise InputError(f"checkers.{name}: {error.message}", hint=error.hint) from error
    said = fitted.predict(dataset)
    columns = [fitted.labels.index(label) for label in dataset.labels]
    made_by = f"{name} checker (saved: {fitted.name})"
    table = Predictions(dataset.ids, said.probabilities[:, columns], dataset.labels, made_by)
    seen = frozenset(fitted.seen)
    synthetic = dataset.synthetic()
    judged = sum(mark in seen for mark in text_marks(synthetic.texts, synthetic.text_pairs))
    note = f"the {name} checker {path} judges {judged} synthetic rows that it was trained on; it is sure of those."
    if not seen:
        note = f"the {name} checker {path} does not say what it was trained on; its own rows may be among those judged."
    return Checkers(
        **{name: table},  # type: ignore[arg-type]
        temperatures={name: fitted.temperature},
        seen=seen if name == "quality" else frozenset(),
        notes=(note,) if judged or not seen else (),
    )


def _trained(
    name: str, dataset: Dataset, settings: TrainSettings, seed: int, vectors: np.ndarray | None = None
) -> Checkers:
    human = np.array([origin == "human" for origin in dataset.origins], dtype=bool)
    own = np.flatnonzero(human if name == "quality" else ~human)
    rows = dataset.take(own)
    _check(name, rows)
    chance = generator(seed, name, "folds")
    fold_of = spread(rows.label_indices, settings.checkers.folds, chance)
    parts = [own[fold_of != fold] for fold in range(fold_of.max() + 1)]
    if settings.checkers.model == "probe":
        logs = _probed(dataset, parts, settings, vectors)
    else:
        logs = _fine_tuned(name, dataset, parts, settings, seed)
    held_out = logs[fold_of, own]
    temperature = fit_temperature(held_out, rows.targets()) if settings.checkers.calibrated else 1.0
    table = _judged(logs, own, fold_of, temperature)
    accuracy = float((held_out.argmax(axis=1) == rows.label_indices).mean())
    made_by = f"{name} checker ({len(logs)} × {settings.checkers.model})"
    is_quality = name == "quality"
    return Checkers(
        **{name: Predictions(dataset.ids, table, dataset.labels, made_by)},  # type: ignore[arg-type]
        quality_accuracy=accuracy if is_quality else None,
        temperatures={name: temperature},
        seen=frozenset(text_marks(rows.texts, rows.text_pairs)) if is_quality else frozenset(),
    )


def _probed(
    dataset: Dataset, parts: Sequence[np.ndarray], settings: TrainSettings, vectors: np.ndarray | None
) -> np.ndarray:
    """Return ``(F, N, K)`` log-probabilities by a linear probe trained on each part."""
    if vectors is None:
        vectors = features(dataset, settings.checkers.encoder or settings.encoder)
    targets, balanced = dataset.targets(), settings.checkers.balanced
    probes = [fit_probe(vectors[part], targets[part], balanced=balanced) for part in parts]
    return np.stack([probe.log_probabilities(vectors) for probe in probes])


def _fine_tuned(
    name: str, dataset: Dataset, parts: Sequence[np.ndarray], settings: TrainSettings, seed: int
) -> np.ndarray:
    """Return ``(F, N, K)`` log-probabilities by an encoder fine-tuned on each part."""
    loss = {"kind": "cross_entropy", "class_weights": "inverse" if settings.checkers.balanced else "none"}
    plan = settings.unmeasured().changed(
        recipe="vanilla", loss=loss, mix=None, allow_missing=True,
        encoder=settings.checkers.encoder or settings.encoder,
        steps=settings.checkers.steps or settings.steps_for(len(dataset)), epochs=None,
    )  # fmt: skip
    fitted = (fit(Job(dataset.take(part), plan, derive(seed, name, fold))) for fold, part in enumerate(parts))
    return np.stack([_log_probabilities(one, dataset, plan) for one in fitted])


def _check(name: str, rows: Dataset) -> None:
    whose = "human" if name == "quality" else "synthetic"
    if sum(count >= 2 for count in rows.counts().values()) < 2:
        found = ", ".join(f"{label} {count}" for label, count in rows.counts().items())
        raise DataError(
            f"{rows.name}: the {name} checker needs at least 2 {whose} rows in each of at least 2 classes; got {found}."
        )


def _log_probabilities(fitted: Fitted, dataset: Dataset, settings: TrainSettings) -> np.ndarray:
    encoded = encode(fitted.tokenizer, dataset.texts, dataset.text_pairs, max_length=fitted.max_length)
    precision = choose(settings.precision, fitted.classifier.device)
    scores = torch.from_numpy(fitted.classifier.scores(encoded, precision=precision))
    logs: np.ndarray = scores.log_softmax(dim=1).numpy()
    return logs


def _judged(logs: np.ndarray, own: np.ndarray, fold_of: np.ndarray, temperature: float) -> np.ndarray:
    """Return ``(N, K)`` probabilities: a checker's own rows by the model that did not see them, others by the mean.

    One fold after the other, so that of all folds' probabilities only their sum is held.
    """
    table = np.zeros(logs.shape[1:])
    unseen = np.empty((len(own), logs.shape[2]))
    for fold, one in enumerate(logs):
        found = _normalised(one / temperature)
        table += found
        left_out = fold_of == fold
        unseen[left_out] = found[own[left_out]]
    table /= len(logs)
    table[own] = unseen
    return table


def _normalised(logs: np.ndarray) -> np.ndarray:
    raised = np.exp(logs - logs.max(axis=-1, keepdims=True))
    table: np.ndarray = raised / raised.sum(axis=-1, keepdims=True)
    return table


def fit_temperature(logs: np.ndarray, targets: np.ndarray) -> float:
    """Return what to divide scores by so that cross-entropy on held-out rows is least (Guo et al., ICML 2017).

    Args:
        logs: ``(N, K)`` log-probabilities of rows the model did not see.
        targets: ``(N, K)`` rows that sum to 1.

    Returns:
        Between 0.1 and 10.
    """
    from scipy.optimize import minimize_scalar

    def cost(log_temperature: float) -> float:
        scaled = logs / np.exp(log_temperature)
        top = scaled.max(axis=1, keepdims=True)
        totals = top[:, 0] + np.log(np.exp(scaled - top).sum(axis=1))
        return float((totals - (targets * scaled).sum(axis=1)).mean())

    found = minimize_scalar(cost, bounds=(np.log(0.1), np.log(10.0)), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))
