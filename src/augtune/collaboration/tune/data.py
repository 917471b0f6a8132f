"""Training data for a language model: the very turns it will be asked with, and the label as the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augtune.collaboration.evidence import Evidence
from augtune.collaboration.forms import Form
from augtune.collaboration.questions import Questions
from augtune.core.dataset import HumanDataset
from augtune.core.errors import AugtuneError, DataError, InputError
from augtune.core.files import read_jsonl
from augtune.core.fingerprint import fingerprint
from augtune.core.seeds import generator
from augtune.core.tables import Predictions

__all__ = ["OutOfFold", "Record", "check_free", "out_of_fold", "records"]

Record = dict[str, list[dict[str, str]]]
"""One line of the training file: ``{"messages": [{"role", "content"}, ...]}``, the label last."""


@dataclass(frozen=True, eq=False)
class OutOfFold(Predictions):
    """Predictions of training rows, each by a classifier that was not trained on it.

    A classifier is right on most rows it was trained on. A language model tuned on such predictions learns to trust it
    more than it deserves.

    Args:
        ids: Row ids.
        probabilities: ``(N, K)``.
        labels: The classes.
        made_by: Name of the classifiers.
        model: Fingerprint of all of them together.
        folds: How many there were.
    """

    folds: int = 0


def out_of_fold(
    train: HumanDataset, *, settings: Any = None, folds: int = 5, seed: int = 0, **overrides: Any
) -> OutOfFold:
    """Return a prediction for every training row by a classifier trained on the other folds.

    Args:
        train: The rows.
        settings: ``TrainSettings``, as for the classifier that will give evidence later; the defaults if None.
        folds: How many classifiers are trained.
        seed: Of the folds and the trainings.
        overrides: Single settings, e.g. ``encoder=``.

    Raises:
        DataError: If there are too few rows.
    """
    from augtune.training.checkers import spread
    from augtune.training.train import train as fit

    if folds < 2 or len(train) < folds:
        raise DataError(
            f"{train.name}: expected 2 folds or more and a row for each, got {folds} and {len(train)} rows."
        )
    fold_of = spread(train.label_indices, folds, generator(seed, "out of fold"))
    table = np.empty((len(train), len(train.labels)))
    marks, name = [], ""
    for fold in range(folds):
        inside, outside = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        fitted = fit(train.take(inside), settings=settings, seed=seed, **overrides)
        table[outside] = fitted.predict(train.take(outside)).probabilities
        marks.append(fitted.fingerprint)
        name = fitted.name
    return OutOfFold(train.ids, table, train.labels, f"{name}, out of {folds} folds", fingerprint(marks), folds=folds)


def records(rows: HumanDataset, form: Form, evidence: Evidence, *, text_type: str = "text") -> list[Record]:
    """Return one record per row: the turns that ask about it and its label as the answer.

    Args:
        rows: Labelled rows.
        form: The prompt form.
        evidence: What each prompt tells.
        text_type: What the prompt calls a text.

    Raises:
        InputError: If the form needs evidence there is none of.
        DataError: If a row has no prediction, labels differ, or no example is left to show.
    """
    exhibits = evidence.exhibits(Questions.of(rows), form)
    made = []
    for i, label in enumerate(rows.label_names):
        turns = form.messages(exhibits.shown(i), rows.labels, text_type=text_type)
        told = [{"role": turn.role, "content": turn.content} for turn in turns]
        made.append({"messages": [*told, {"role": "assistant", "content": label}]})
    return made


def check_free(place: Path, files: Mapping[str, Sequence[Record]], others: Sequence[str]) -> None:
    """Refuse a folder in which files of the same names are someone else's; ours of a call that was cut off are not.

    Args:
        place: The folder.
        files: What is to be written, by the file's name.
        others: What else a fine-tuning would write there later.
    """
    strange = [name for name, rows in files.items() if _is_other(place / name, rows)]
    strange += [name for name in others if (place / name).exists()]
    if strange:
        raise InputError(
            f"{place}: holds {' and '.join(strange)} of something else; a fine-tuning would overwrite them.",
            hint="Choose another folder.",
        )


def _is_other(path: Path, rows: Sequence[Record]) -> bool:
    if not path.exists():
        return False
    try:
        return read_jsonl(path) != list(rows)
    except AugtuneError:
        return True
