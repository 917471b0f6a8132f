"""Made-up tests and predictions of a known quality."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from augtune.core.dataset import Example, HumanDataset
from augtune.core.labels import Labels
from augtune.core.seeds import generator
from augtune.core.tables import Predictions

MakeTruth = Callable[[Sequence[int], int], HumanDataset]
MakeRuns = Callable[..., list[Predictions]]


@pytest.fixture
def make_truth() -> MakeTruth:
    """Return a function that makes a dataset of the given label columns."""

    def make(columns: Sequence[int], classes: int) -> HumanDataset:
        labels = Labels(tuple(f"c{k}" for k in range(classes)))
        return HumanDataset.from_examples(
            [Example(f"t{i}", f"text {i}", labels[int(k)]) for i, k in enumerate(columns)], labels, name="test"
        )

    return make


@pytest.fixture
def make_runs() -> MakeRuns:
    """Return a function that makes runs that are right on about the given share of rows."""

    def make(truth: HumanDataset, right_share: float, runs: int = 1, seed: int = 0) -> list[Predictions]:
        random, classes, made = generator(seed, "runs"), len(truth.labels), []
        for run in range(runs):
            other = (truth.label_indices + random.integers(1, classes, size=len(truth))) % classes
            column = np.where(random.uniform(size=len(truth)) < right_share, truth.label_indices, other)
            table = random.dirichlet(np.ones(classes), size=len(truth)) + 2 * np.eye(classes)[column]
            made.append(Predictions(truth.ids, table / 3, truth.labels, made_by=f"run {run}"))
        return made

    return make
