"""What stands in for a training at little cost: regression on the frozen encoder's vectors.

It is a softmax regression; where rows may have several labels, a logistic regression of each label.

A way of using rows becomes weights of rows, an offset of classes, coefficients to stay near to. One fit takes some
hundredths of a second, so every way is measured on every fold of every repeat.

Shapes: ``N`` rows of a fold, human ones first, ``H`` features, ``K`` classes.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from augtune.choosing.folds import Fold
from augtune.core.dataset import Dataset, HumanDataset
from augtune.embedding.probe import Asked, Probe, fit_probe

__all__ = ["Frozen", "Vectors"]

# Weaker than a checker's: a fine-tuned encoder is less held back by it.
RIDGE = 3e-4


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """All rows as a probe sees them, made once.

    Args:
        human: ``(n, H)`` of the human rows.
        synthetic: ``(m, H)`` of the synthetic rows.
        human_targets: ``(n, K)``.
        synthetic_targets: ``(m, K)``.
        many: Whether rows may have several labels.
    """

    human: np.ndarray
    synthetic: np.ndarray
    human_targets: np.ndarray
    synthetic_targets: np.ndarray
    many: bool = False

    @classmethod
    def of(cls, vectors: np.ndarray, human: HumanDataset, synthetic: Dataset | None) -> Vectors:
        """Return them for vectors of the human rows followed by those of the synthetic ones."""
        count = len(human)
        targets = np.zeros((0, len(human.labels))) if synthetic is None else synthetic.targets()
        return cls(vectors[:count], vectors[count:], human.targets(), targets, human.labels.has_many)

    def fold(self, fold: Fold) -> Frozen:
        """Return the rows that a fold trains on."""
        return Frozen(
            np.concatenate([self.human[fold.train], self.synthetic[fold.synthetic]]),
            np.concatenate([self.human_targets[fold.train], self.synthetic_targets[fold.synthetic]]),
            len(fold.train),
            self.many,
        )

    def whole(self) -> Frozen:
        """Return all rows."""
        return Frozen(
            np.concatenate([self.human, self.synthetic]),
            np.concatenate([self.human_targets, self.synthetic_targets]),
            len(self.human),
            self.many,
        )


@dataclass(frozen=True, eq=False)
class Frozen:
    """Rows to train a stand-in on.

    Args:
        vectors: ``(N, H)``.
        targets: ``(N, K)``.
        count: How many of them are human; they come first.
        many: Whether rows may have several labels.
    """

    vectors: np.ndarray
    targets: np.ndarray
    count: int
    many: bool = False

    def fit(
        self,
        synthetic: float | np.ndarray = 0.0,
        *,
        human: float = 1.0,
        balanced: bool = False,
        asked: Asked | None = None,
    ) -> Probe:
        """Return the regression under the given weights.

        Args:
            synthetic: What each synthetic row counts, or one number for all.
            human: What each human row counts.
            balanced: Count every class the same in total.
            asked: Offsets of classes, coefficients to stay near to.
        """
        weights = np.full(len(self.vectors), human)
        weights[self.count :] = synthetic
        return self.weighed(weights, balanced=balanced, asked=asked)

    def weighed(self, weights: np.ndarray, *, balanced: bool = False, asked: Asked | None = None) -> Probe:
        """Return the regression under the given weights of all rows, ``(N,)``."""
        wanted = asked or Asked()
        used = np.flatnonzero(weights > 0)
        start = None if wanted.towards is not None else self.__dict__.get("human_only")
        return fit_probe(
            self.vectors[used], self.targets[used], balanced=balanced, ridge=RIDGE,
            asked=Asked(weights[used], wanted.offsets, wanted.towards, start, is_rough=True),
            many=self.many,
        )  # fmt: skip

    @functools.cached_property
    def human_only(self) -> Probe:
        """The regression on the human rows alone."""
        return self.fit()

    @functools.cached_property
    def synthetic_only(self) -> Probe:
        """The regression on the synthetic rows alone."""
        return self.fit(1.0, human=0.0)

    @functools.cached_property
    def quality(self) -> np.ndarray:
        """How likely a checker trained on the human rows finds each synthetic row's label, ``(N - count,)``."""
        checker = self.fit(balanced=True)
        return self._said(checker)

    @functools.cached_property
    def diversity(self) -> np.ndarray:
        """How likely a checker trained on the synthetic rows finds their labels, ``(N - count,)``."""
        return self._said(self.fit(1.0, human=0.0, balanced=True))

    def own(self, probe: Probe) -> np.ndarray:
        """Return how likely a regression finds each synthetic row's label, ``(N - count,)``."""
        return self._said(probe)

    def _said(self, probe: Probe) -> np.ndarray:
        chances = np.exp(probe.log_probabilities(self.vectors[self.count :]))
        return np.asarray((chances * self.targets[self.count :]).sum(axis=1))
