"""``distilled``: one classifier trained on what another says of texts, for one that predicts in a fraction of the time.

The teacher's probabilities are the targets of every text, whoever wrote it, so that no synthetic row's label is
believed; where a human gave a label, that counts a part (Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural
Network, 2015, at temperature 1: the probabilities are a mean of several models, which are less sure than each).

Shapes: ``N`` rows, ``K`` labels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from augtune.core.columns import SCHEMA
from augtune.core.dataset import Dataset
from augtune.core.errors import DataError
from augtune.model.fitted import Fitted
from augtune.training.running import Running
from augtune.training.settings import TrainSettings
from augtune.training.train import train

__all__ = ["TRUTH", "distilled", "taught"]

TRUTH = 0.1
"""Part of a human row's target that is its own label; the rest is the teacher's."""


def taught(dataset: Dataset, probabilities: np.ndarray) -> Dataset:
    """Return the rows with soft labels: the teacher's, mixed with its own where a human labelled the row.

    Args:
        dataset: The rows; the labels of synthetic ones play no part.
        probabilities: ``(N, K)`` what the teacher says of them.

    Raises:
        DataError: If there is not one row of probabilities for each row.
    """
    if probabilities.shape != (len(dataset), len(dataset.labels)):
        raise DataError(
            f"{dataset.name}: expected ({len(dataset)}, {len(dataset.labels)}) probabilities of a teacher, "
            f"got {probabilities.shape}."
        )
    own = TRUTH * np.array([origin == "human" for origin in dataset.origins], dtype=np.float64)[:, None]
    targets = own * dataset.targets() + (1 - own) * probabilities
    place = SCHEMA.get_field_index("probabilities")
    column = pa.array(targets.tolist(), type=SCHEMA.field(place).type)
    return Dataset(dataset.table.set_column(place, SCHEMA.field(place), column), dataset.labels, name=dataset.name)


def distilled(
    teacher: Fitted, dataset: Dataset, settings: TrainSettings, *, seed: int = 0, running: Running | None = None
) -> Fitted:
    """Return one classifier trained on the teacher's probabilities of all rows, in one stage, by cross-entropy.

    Args:
        teacher: Whose probabilities are learned, e.g. an average of several models.
        dataset: Texts to learn them on, human or not.
        settings: Of the training; recipe and loss of them play no part.
        seed: Of the training.
        running: What it is run with.

    Raises:
        DataError: If teacher and rows do not fit together.
        TrainingError: If a loss is not finite.
    """
    said = teacher.predict(dataset)
    rows = taught(dataset, said.probabilities[:, [said.labels.index(name) for name in dataset.labels]])
    how = settings.changed(recipe="vanilla", loss="cross_entropy")
    fitted = train(rows, seed=seed, settings=how, running=running)
    about = {"teacher": teacher.fingerprint, "recipe": teacher.recipe, "truth": TRUTH}
    notes = tuple(dict.fromkeys((*teacher.notes, *fitted.notes)))
    return replace(
        fitted, recipe=f"distilled {teacher.recipe}", settings={**fitted.settings, "distilled": about}, notes=notes
    )
