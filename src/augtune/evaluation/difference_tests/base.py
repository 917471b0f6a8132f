"""What a test of a difference is, and what it looks at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from augtune.core.errors import DataError
from augtune.core.seeds import generator
from augtune.core.settings import Settings
from augtune.evaluation.answers import right
from augtune.evaluation.effects import PairedEffect
from augtune.evaluation.metrics import Metric

__all__ = ["DifferenceTest", "Pair"]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two methods' predictions of the same test rows, and what is known of their differences.

    Args:
        names: The arm's name and the baseline's.
        probabilities: ``(S, N, K)`` of the arm's ``S`` runs and of the baseline's, which may be others in number.
        truth: ``(N,)`` column of each row's label, or what ``answers`` has where rows have several.
        metrics: What is compared.
        resampled: Per metric, the difference in each resample of rows and seeds, ``(R,)``.
        seed: Of tests that draw.
        train_rows: Human rows each run was trained on, if known.
        groups: The draw of the data each run belongs to, the same for both methods; None: every run by itself.
    """

    names: tuple[str, str]
    probabilities: tuple[np.ndarray, np.ndarray]
    truth: np.ndarray
    metrics: Sequence[Metric]
    resampled: Mapping[str, np.ndarray]
    seed: int = 0
    train_rows: int | None = None
    groups: tuple[int, ...] | None = None
    _scores: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)

    @property
    def resamples(self) -> int:
        """``R``, how many resamples were asked for."""
        return len(next(iter(self.resampled.values())))

    def random(self, name: str) -> np.random.Generator:
        """Return the stream of chance called ``name``."""
        return generator(self.seed, name)

    def scores(self, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
        """Return the metric of each run of the arm, ``(S,)``, and of the baseline."""
        if metric.key not in self._scores:
            arm, baseline = (np.array([metric.value(run, self.truth) for run in runs]) for runs in self.probabilities)
            self._scores[metric.key] = arm, baseline
        return self._scores[metric.key]

    def by_seed(self, metric: Metric, test: str) -> np.ndarray:
        """Return the metric's difference with each seed, ``(S,)``; the mean of those on the same draw of the data.

        Raises:
            DataError: If there are fewer than two seeds, or not the same number of both methods.
        """
        arm, baseline = self.scores(metric)
        if len(arm) != len(baseline) or len(arm) < 2:
            raise DataError(
                f"test {test}: expected 2 seeds or more, the same for both, got {len(arm)} of {self.names[0]!r} and "
                f"{len(baseline)} of {self.names[1]!r}.",
                hint="Give more seeds, or use a test of rows such as paired_bootstrap or permutation.",
            )
        return self._by_group(arm - baseline)

    @property
    def draws(self) -> int:
        """How many differences ``by_seed`` has: one per draw of the data, or per run."""
        groups = len(set(self.groups or ()))
        return groups if groups > 1 else len(self.probabilities[0])

    def _by_group(self, differences: np.ndarray) -> np.ndarray:
        """Return the mean difference of each draw of the data, ``(S,)``; of one draw alone, each run's."""
        if self.groups is None or len(set(self.groups)) < 2:
            return np.asarray(differences)
        groups = np.array(self.groups)
        return np.array([differences[groups == one].mean() for one in dict.fromkeys(self.groups)])

    def differing(self, metric: Metric) -> int:
        """Return how many rows are not alike to a metric: in the others no exchange of the two methods changes it."""
        arm, baseline = (metric.looks_at(runs, self.truth) for runs in self.probabilities)
        if len(arm) == len(baseline):
            apart = arm != baseline
        else:
            apart = np.concatenate([arm, baseline]) != baseline[:1]
        return int(apart.any(axis=(0, *range(2, apart.ndim))).sum())

    def ensembles(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean of each method's runs, ``(N, K)``."""
        arm, baseline = (runs.mean(axis=0) for runs in self.probabilities)
        return arm, baseline

    def discordant(self) -> tuple[int, int]:
        """Return how many rows only the arm's ensemble predicts right, and only the baseline's."""
        effect = self.effect()
        return effect.only_arm, effect.only_baseline

    def effect(self) -> PairedEffect:
        """Return how large the difference in accuracy of the two ensembles is."""
        arm, baseline = (right(one, self.truth) for one in self.ensembles())
        only_arm, only_baseline = int((arm & ~baseline).sum()), int((baseline & ~arm).sum())
        return PairedEffect(only_arm, only_baseline, int((arm & baseline).sum()), len(self.truth))


class DifferenceTest(Settings, ABC):
    """Base of the tests; a subclass sets ``kind`` and ``title`` (how reports name it)."""

    title: ClassVar[str] = ""
    seeds_needed: ClassVar[int] = 1
    """Seeds without which it cannot be done."""

    @abstractmethod
    def p_values(self, pair: Pair) -> Mapping[str, float]:
        """Return the two-sided p by the key of each metric the test is about; others are left out.

        Raises:
            DataError: If there are too few seeds.
        """

    @abstractmethod
    def smallest_p(self, pair: Pair, metric: Metric) -> float:
        """Return the smallest p it could give here of a metric, whatever the difference."""
