"""``train``: a dataset to a fitted classifier, by a recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from augtune.core.dataset import Dataset, HumanDataset
from augtune.core.errors import DataError
from augtune.core.fingerprint import text_marks
from augtune.core.rows import check_human
from augtune.model.fitted import Fitted
from augtune.training.checkers import make_checkers
from augtune.training.checks import check_rows, check_settings
from augtune.training.fitting import Job, fit
from augtune.training.running import Running
from augtune.training.settings import TrainSettings
from augtune.training.tables import Checkers

__all__ = ["train"]


def train(
    dataset: Dataset,
    *,
    validation: HumanDataset | None = None,
    seed: int = 0,
    settings: TrainSettings | None = None,
    checkers: Checkers | None = None,
    running: Running | None = None,
    on_step: Callable[[int, int, float], None] | None = None,
    **overrides: Any,
) -> Fitted:
    """Return a classifier trained on the dataset.

    Every recipe takes the same number of optimizer steps, ``settings.steps``, however many rows there are. The same
    seed gives the same weights, bit for bit, on the same processor. Python's, numpy's and torch's own random states
    are left as they were.

    Args:
        dataset: Human rows, synthetic rows or both; recipes tell them apart by their origin.
        validation: Rows to select on; needed by ``keep: best``, ``patience``, ``target`` and ``reduce_on_plateau``, and
            used by nothing else.
        seed: Any integer; 0 is a seed like any other.
        settings: How to train; the defaults if not given.
        checkers: Ready predictions for recipes that weigh rows (``make_checkers``); made here if not given.
        running: What it is run with; nothing of it changes the result.
        on_step: Called after each step with the step (from 1), the number of steps and the loss; short for
            ``running=Running(on_step=...)``.
        **overrides: Single settings, e.g. ``encoder=``, ``recipe=``, ``steps=``.

    Raises:
        SettingsError: If settings are wrong, or one of them needs validation rows and there are none.
        DataError: If the dataset cannot be trained on: fewer than two classes, a class without rows, rows that the
            recipe needs missing, validation rows that are synthetic or that the quality checker was trained on.
        TrainingError: If a loss is not finite.
    """
    chosen = (settings or TrainSettings()).changed(**overrides)
    _check(dataset, validation, chosen)
    if chosen.recipe.needs and checkers is None:
        checkers = make_checkers(dataset, chosen, seed)
    _check_selection(validation, chosen, checkers)
    around = running or Running()
    if on_step is not None:
        around = replace(around, on_step=on_step)
    if checkers is not None and around.on_checkers is not None:
        around.on_checkers(checkers)
    return fit(Job(dataset, chosen, seed, validation, checkers, around))


def _check_selection(validation: HumanDataset | None, settings: TrainSettings, checkers: Checkers | None) -> None:
    """Refuse to select on rows that the quality checker was trained on: it has weighed the training by them."""
    if validation is None or checkers is None or not (settings.recipe.needs and settings.measured()):
        return
    marks = text_marks(validation.texts, validation.text_pairs)
    known = [i for i, mark in enumerate(marks) if mark in checkers.seen]
    if known:
        first = f"{validation.ids[known[0]]} {validation.texts[known[0]][:40]!r}"
        raise DataError(
            f"{validation.name}: {settings.measured()} selects on {len(known)} rows that the quality checker was "
            f"trained on, the first is {first}; what it knows by heart selects nothing.",
            hint="Take them out of the validation rows, or out of the human rows that are trained on.",
        )


def _check(dataset: Dataset, validation: HumanDataset | None, settings: TrainSettings) -> None:
    for rows in [dataset] if validation is None else [dataset, validation]:
        if not isinstance(rows, Dataset):
            raise DataError(
                f"train: expected rows as a Dataset, got a {type(rows).__name__}.",
                hint="augtune.load reads files; Dataset.from_pandas and Dataset.from_hf take what others read.",
            )
    check_settings(settings, dataset.labels, has_validation=validation is not None)
    if validation is not None:
        _check_validation(dataset, validation)
    check_rows(dataset, settings)


def _check_validation(dataset: Dataset, validation: HumanDataset) -> None:
    check_human(validation)
    if validation.labels.names != dataset.labels.names:
        raise DataError(
            f"{validation.name}: expected the labels {dataset.labels} in this order, got {validation.labels}."
        )
    if validation.labels.task != dataset.labels.task:
        raise DataError(
            f"{validation.name}: expected rows of task {dataset.labels.task}, got {validation.labels.task}."
        )
    if validation.is_pair != dataset.is_pair:
        raise DataError(
            f"{validation.name}: pairs of texts in one of training and validation rows, single in the other."
        )
