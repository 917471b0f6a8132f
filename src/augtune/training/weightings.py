"""Weightings: how much each row of a stage counts by what the checkers say of its label. Loads without torch.

Adding one is a class here (or in a file of its own) and a row in ``WEIGHTINGS``. Shapes: ``N`` rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from augtune.core.errors import DataError
from augtune.core.settings import Settings
from augtune.core.tables import Weights
from augtune.core.task import TaskName
from augtune.model.losses import Dimp as DimpLoss
from augtune.model.losses import Loss
from augtune.weighting.importance import importance, label_probability

if TYPE_CHECKING:
    from collections.abc import Mapping

    from augtune.core.dataset import Dataset
    from augtune.training.tables import Checkers

__all__ = ["DimpWeights", "ImpWeights", "QualityWeights", "Weighting", "parse_weighting"]


def parse_weighting(value: Any, *, where: str) -> Weighting | None:
    """Return the weighting a YAML value describes: a name or a mapping with ``kind``; ``none`` or null is None.

    Raises:
        SettingsError: One line per problem, each with its place under ``where``.
    """
    from augtune.training import WEIGHTINGS

    return None if value is None or value == "none" else WEIGHTINGS.parse(value, where=where)


class Weighting(Settings):
    """Base of the weightings: weights known before training (``weights``) or worked out in each step (``quality``)."""

    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal")
    """The tasks it can be used for."""

    human: Literal["trusted", "weighed"] = "trusted"
    """Human rows count 1, or are weighed like the others, by checkers that did not see them."""
    gamma: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Exponent of the weights; below 1 evens them out."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The checkers it needs: ``quality``, ``diversity``."""
        return ("quality",)

    @property
    def own_loss(self) -> Loss | None:
        """The loss it is made for; None: any."""
        return None

    def weights(self, rows: Dataset, checkers: Checkers | None) -> Weights | None:
        """Return how much each row counts, where that is known before training; None: the loss says so in each step.

        Raises:
            DataError: If the checkers do not say what it needs.
        """
        return None

    def quality(self, rows: Dataset, checkers: Checkers | None) -> np.ndarray | None:
        """Return the ``(N,)`` quality the loss weighs rows by in each step, NaN for rows that count 1; or None.

        Raises:
            DataError: If the checkers do not say what it needs.
        """
        return None

    def untrusted(self, rows: Dataset) -> np.ndarray:
        """Return ``(N,)`` True for the rows that are weighed."""
        return np.array([self.human == "weighed" or origin != "human" for origin in rows.origins], dtype=bool)

    def _weigh(self, rows: Dataset, checkers: Checkers | None, *, clamp: float | None, normalise: bool) -> Weights:
        if checkers is None or checkers.quality is None or ("diversity" in self.needs and checkers.diversity is None):
            raise DataError(f"weights {self.kind}: expected a {' and a '.join(self.needs)} checker's predictions.")
        weighed = self.untrusted(rows)
        values = np.ones(len(rows))
        values[weighed] = importance(
            checkers.quality, checkers.diversity if "diversity" in self.needs else None,
            rows.take(np.flatnonzero(weighed)), gamma=self.gamma, clamp=clamp, normalise=normalise,
        ).values  # fmt: skip
        return Weights(rows.ids, values)


class QualityWeights(Weighting):
    """Weigh each row by checked quality alone, once, before training: IMP without its diversity checker.

    The quality checker is trained on human rows. The weight is q^gamma, 1 at most.
    """

    kind: ClassVar[str] = "quality"

    normalise: bool = False
    """Divide the weights by their mean over the data set."""

    def weights(self, rows: Dataset, checkers: Checkers | None) -> Weights:
        """Return the weight of every row; trusted rows count 1."""
        return self._weigh(rows, checkers, clamp=None, normalise=self.normalise)


class ImpWeights(Weighting):
    """Weigh each row by checked quality over checked diversity, once, before training (Kuo et al., ICLR 2025).

    The quality checker is trained on human rows, the diversity checker on synthetic ones. The weight is (q / d)^gamma,
    taken in log space and clamped.
    """

    kind: ClassVar[str] = "imp"

    clamp: float | None = Field(default=10.0, gt=0)
    """Largest weight; None: the paper's, without bound."""
    normalise: bool = False
    """Divide the weights by their mean over the data set: self-normalised importance sampling."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Both checkers."""
        return ("quality", "diversity")

    def weights(self, rows: Dataset, checkers: Checkers | None) -> Weights:
        """Return the weight of every row; trusted rows count 1."""
        return self._weigh(rows, checkers, clamp=self.clamp, normalise=self.normalise)


class DimpWeights(Weighting):
    """Weigh each row by checked quality over the model's own confidence, anew in each step (Kuo et al., ICLR 2025).

    The quality checker is trained on human rows and scores every row once; a step then costs what one of cross-entropy
    costs. A row counts less once the model finds it easy.
    """

    kind: ClassVar[str] = "dimp"

    form: Literal["ratio", "additive"] = "ratio"
    """The weight: (q / p)^gamma, or the bounded 1 - p + q, to which gamma, floor and clamp do not apply."""
    floor: float | None = Field(default=None, gt=0, lt=1)
    """Smallest model probability divided by; None: no floor."""
    clamp: float | Literal["auto"] | None = "auto"
    """Largest weight; auto: 5 times the number of classes; None: the paper's, without bound."""
    normalise: bool = False
    """Divide by the sum of a step's weights instead of its rows: self-normalised importance sampling."""
    alpha: dict[str, float] | tuple[float, ...] | None = None
    """What a row of each class counts besides, by the label's name (one not named counts 1) or a number for each label
    in order. None: 1 for all."""

    @property
    def own_loss(self) -> Loss:
        """The DIMP loss with these settings."""
        return DimpLoss(**self._shared())

    def _shared(self) -> Mapping[str, object]:
        return {name: getattr(self, name) for name in ("form", "gamma", "floor", "clamp", "normalise", "alpha")}

    def quality(self, rows: Dataset, checkers: Checkers | None) -> np.ndarray:
        """Return the checker's probability of each row's label, NaN for trusted rows."""
        if checkers is None or checkers.quality is None:
            raise DataError("weights dimp: expected a quality checker's predictions.")
        values = np.full(len(rows), np.nan)
        weighed = np.flatnonzero(self.untrusted(rows))
        values[weighed] = label_probability(checkers.quality, rows.take(weighed))
        return values
