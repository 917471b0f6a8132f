"""Effect sizes: how large a difference is, in units that do not depend on the number of rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["PairedEffect", "cliffs_delta"]


@dataclass(frozen=True, slots=True)
class PairedEffect:
    """How large a difference in accuracy of two models on the same rows is.

    Args:
        only_arm: Rows only the arm predicts right.
        only_baseline: Rows only the baseline does.
        both: Rows both predict right.
        rows: All rows, 1 or more.
    """

    only_arm: int
    only_baseline: int
    both: int
    rows: int

    @property
    def risk_difference(self) -> float:
        """Accuracy of the arm less that of the baseline, in [-1, 1]."""
        return (self.only_arm - self.only_baseline) / self.rows

    @property
    def odds_ratio(self) -> float | None:
        """Rows won over rows lost: the conditional odds ratio of McNemar's test; None if no row was lost."""
        return None if self.only_baseline == 0 else self.only_arm / self.only_baseline

    def odds_ratio_interval(self, level: float = 0.95) -> tuple[float, float | None]:
        """Return the exact interval of the odds ratio; None where it has no upper end.

        It is Clopper and Pearson's (1934) interval of the share of rows won among those won or lost, as odds.

        Args:
            level: Chance with which it holds the true one, or more.
        """
        low, high = _clopper_pearson(self.only_arm, self.only_arm + self.only_baseline, level)
        return low / (1 - low), None if high == 1 else high / (1 - high)

    @property
    def cohens_g(self) -> float:
        """Share of rows won among those won or lost, less one half: -0.5 to 0.5 (Cohen 1988: 0.05, 0.15, 0.25)."""
        differ = self.only_arm + self.only_baseline
        return self.only_arm / differ - 0.5 if differ else 0.0

    @property
    def cohens_h(self) -> float:
        """Difference of the arcsine-transformed accuracies, in [-pi, pi] (Cohen 1988: 0.2, 0.5, 0.8)."""
        arm, baseline = (self.both + self.only_arm) / self.rows, (self.both + self.only_baseline) / self.rows
        return 2 * math.asin(math.sqrt(arm)) - 2 * math.asin(math.sqrt(baseline))

    def to_json(self) -> dict[str, Any]:
        """Return counts and sizes as a JSON object."""
        return {
            "only_arm_right": self.only_arm,
            "only_baseline_right": self.only_baseline,
            "risk_difference": self.risk_difference,
            "odds_ratio": self.odds_ratio,
            "odds_ratio_interval": list(self.odds_ratio_interval()),
            "cohens_g": self.cohens_g,
            "cohens_h": self.cohens_h,
        }

    @staticmethod
    def words(sizes: Mapping[str, Any]) -> str:
        """Return what an object of ``to_json`` says, on one line."""
        ratio, (low, high) = sizes["odds_ratio"], sizes["odds_ratio_interval"]
        odds = "odds ratio inf" if ratio is None else f"odds ratio {ratio:.2f}"
        return (
            f"{sizes['only_arm_right']} rows won, {sizes['only_baseline_right']} lost · "
            f"{odds} [{low:.2f}, {math.inf if high is None else high:.2f}] · "
            f"Cohen's g {sizes['cohens_g']:+.3f}, h {sizes['cohens_h']:+.3f}"
        )

    def __repr__(self) -> str:
        return self.words(self.to_json())


def cliffs_delta(arm: np.ndarray, baseline: np.ndarray) -> float:
    """Return how much more often a run of one method scores above a run of the other than below it (Cliff 1993).

    -1 to 1; under 0.15 is small, above 0.47 large (Romano et al. 2006). It knows no order of seeds.

    Args:
        arm: ``(S,)`` scores of one method.
        baseline: Scores of the other, maybe of another number of runs.
    """
    return float(np.sign(arm[:, None] - baseline[None, :]).mean())


def _clopper_pearson(wins: int, tries: int, level: float) -> tuple[float, float]:
    from scipy.stats import beta

    outside = (1 - level) / 2
    low = 0.0 if wins == 0 else float(beta.ppf(outside, wins, tries - wins + 1))
    high = 1.0 if wins == tries else float(beta.ppf(1 - outside, wins + 1, tries - wins))
    return low, high
