"""What stands against a training, found before anything is trained or paid for. Loads without torch."""

from __future__ import annotations

from augtune.core.dataset import Dataset
from augtune.core.errors import DataError, SettingsError
from augtune.core.labels import Labels
from augtune.training.settings import TrainSettings

__all__ = ["check_rows", "check_settings"]


def check_settings(settings: TrainSettings, labels: Labels, *, has_validation: bool) -> None:
    """Refuse settings that rows of these labels cannot be trained with.

    Raises:
        SettingsError: If one of them needs validation rows and there are none, or is not made for the labels.
    """
    if settings.measured() and not has_validation:
        raise SettingsError(f"{settings.measured()} needs validation rows; none were given")
    misfits = settings.misfits(labels.task) or settings.unbound(labels)
    if misfits:
        raise SettingsError(misfits)


def check_rows(dataset: Dataset, settings: TrainSettings) -> None:
    """Refuse rows that cannot be trained on.

    Raises:
        DataError: If there are none, fewer than two classes, a class without rows, or not those that the recipe needs.
    """
    if not len(dataset):
        raise DataError(f"{dataset.name}: there are no rows to train on.")
    if len(dataset.labels) < 2 and not dataset.labels.has_many:
        raise DataError(f"{dataset.name}: expected at least 2 labels to tell apart, got {dataset.labels}.")
    counts = dataset.counts()
    missing = [name for name, count in counts.items() if count == 0]
    if (dataset.marks == dataset.marks[0]).all():
        raise DataError(f"{dataset.name}: every row is {dataset.label_names[0]!r}; there is nothing to tell apart.")
    if missing and not settings.allow_missing:
        raise DataError(
            f"{dataset.name}: no row is {' or '.join(map(repr, missing))}, so it could never be predicted.",
            hint="Add rows, sample by class (10/class), or set train.allow_missing: true to train without.",
        )
    settings.recipe.require(dataset)
