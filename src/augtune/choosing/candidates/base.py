"""What every way of training shares: when it applies, what it trains on, what stands in for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from augtune.core.settings import Settings
from augtune.core.task import TaskName

if TYPE_CHECKING:
    from augtune.choosing.frozen import Frozen
    from augtune.core.dataset import Dataset
    from augtune.embedding.probe import Probe
    from augtune.training.settings import TrainSettings

__all__ = ["Candidate", "Situation"]

# The largest class has so many times the rows of the smallest before ways against imbalance are tried.
IMBALANCED = 3.0
# What a stand-in's gain is off by: on average, and by how much it scatters. More rows help a regression on vectors that
# stay as they are more than an encoder that is trained, on tasks of the data pack by 2 to 3 points (BENCHMARKS.md).
SYNTHETIC_BIAS = 0.02
SYNTHETIC_NOISE = 0.03
HUMAN_NOISE = 0.02
# Human rows of a class, and in all, with which written rows are expected to gain a deviation, and the most expected.
FEW_ROWS = 10.0
FEW_IN_ALL = 65.0
MOST_EXPECTED = 1.25
# Human rows in all below which gains scatter more than ``decide.prior``, and how many times as much at most.
ENOUGH_ROWS = 100.0
MOST_SPREAD = 2.0


@dataclass(frozen=True, slots=True)
class Situation:
    """What a way may know of before it is tried.

    Args:
        human: Human rows of each class.
        synthetic: Synthetic rows in all.
        task: What a row's labels are.
        is_pair: Whether rows are pairs of texts.
        counts_classes: Whether every class counts the same in what decides, however rare it is.
    """

    human: tuple[int, ...]
    synthetic: int
    task: TaskName
    is_pair: bool
    counts_classes: bool = True

    @property
    def rows_per_class(self) -> float:
        """Human rows of a class, on average over those that have some."""
        some = [count for count in self.human if count]
        return sum(some) / max(1, len(some))

    @property
    def rows(self) -> int:
        """Human rows in all."""
        return sum(self.human)

    @property
    def spread(self) -> float:
        """How many times ``decide.prior`` gains scatter before anything was measured: more where human rows are few."""
        return min(MOST_SPREAD, max(1.0, ENOUGH_ROWS / max(1, self.rows)))

    @property
    def imbalance(self) -> float:
        """Rows of the largest class over those of the smallest that has some."""
        return max(self.human) / max(1, min((n for n in self.human if n), default=1))


class Candidate(Settings):
    """Base of the ways of training that are compared."""

    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal", "multi_label")
    """The tasks it is made for."""
    needs_synthetic: ClassVar[bool] = True
    """Whether it makes no sense without synthetic rows."""
    is_cheap: ClassVar[bool] = False
    """Whether the stand-in is the real thing: nothing else is trained."""
    ranked: ClassVar[bool] = True
    """Whether a stand-in says anything of it beside human rows alone, so that rung 0 can rank it."""

    @property
    def name(self) -> str:
        """What it is called wherever ways are compared."""
        return self.kind

    @property
    def about(self) -> str:
        """What it does, in words."""
        return (type(self).__doc__ or "").splitlines()[0].rstrip(".")

    def misfit(self, task: TaskName) -> str:
        """Return that it is not made for a task, or nothing."""
        return "" if task in self.tasks else f"it is made for data.task {' or '.join(self.tasks)}"

    def unfit(self, situation: Situation) -> str:
        """Return why it cannot be tried, or nothing."""
        if self.needs_synthetic and not situation.synthetic:
            return "there are no synthetic rows"
        return ""

    @property
    def uses_synthetic(self) -> bool:
        """Whether it trains on synthetic rows."""
        return self.needs_synthetic

    @property
    def stand_in_bias(self) -> float:
        """Mean of what the stand-in's gain is above that of the training it stands in for."""
        return SYNTHETIC_BIAS if self.uses_synthetic else 0.0

    @property
    def stand_in_noise(self) -> float:
        """Standard deviation of what the stand-in's gain is off by from that of the training it stands in for."""
        return SYNTHETIC_NOISE if self.uses_synthetic else HUMAN_NOISE

    def expected(self, situation: Situation) -> float:
        """Return the gain that is expected before anything is measured, in the deviations that gains then have.

        Written rows gain most where human rows are few (Wei and Zou, EMNLP-IJCNLP 2019, for EDA; Yoo et al., Findings
        of EMNLP 2021, 9 points on average for GPT3Mix at the smallest sizes): one deviation with 10 a class, the less
        the more there are; and where there are few in all, up to one and a quarter.
        """
        if not self.uses_synthetic:
            return 0.0
        in_class = min(1.0, FEW_ROWS / max(1.0, situation.rows_per_class))
        return max(in_class, min(MOST_EXPECTED, (FEW_IN_ALL / max(1, situation.rows)) ** 2))

    def settings(self, train: TrainSettings, rows: Dataset) -> TrainSettings:
        """Return how it trains.

        Args:
            train: The settings all ways share.
            rows: What it is trained on.
        """
        return train

    def rows(self, dataset: Dataset, quality: np.ndarray | None) -> Dataset:
        """Return the rows it trains on.

        Args:
            dataset: Human rows, followed by the synthetic ones there are.
            quality: How likely the quality checker finds the label of each synthetic row, where ``wants_quality``.
        """
        return dataset

    @property
    def wants_quality(self) -> bool:
        """Whether a quality checker has a say in which rows it trains on."""
        return False

    def stand_in(self, frozen: Frozen) -> Probe:
        """Return the regression on frozen vectors that stands in for its training."""
        raise NotImplementedError
