"""Effect sizes against scipy, statsmodels and values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint, proportion_effectsize

from augtune.evaluation.effects import PairedEffect, cliffs_delta

FOUND = PairedEffect(only_arm=543, only_baseline=351, both=4921, rows=6530)


def test_sizes_of_a_published_pair():
    assert FOUND.risk_difference == pytest.approx(192 / 6530)
    assert FOUND.odds_ratio == pytest.approx(543 / 351)
    assert FOUND.cohens_g == pytest.approx(543 / 894 - 0.5)
    assert FOUND.cohens_h == pytest.approx(proportion_effectsize(5464 / 6530, 5272 / 6530))
    low, high = proportion_confint(543, 894, method="beta")
    assert FOUND.odds_ratio_interval() == pytest.approx((low / (1 - low), high / (1 - high)))
    assert repr(FOUND) == "543 rows won, 351 lost · odds ratio 1.55 [1.35, 1.77] · Cohen's g +0.107, h +0.077"


def test_sizes_at_the_ends():
    won = PairedEffect(5, 0, 3, 10)
    assert won.odds_ratio is None
    low, high = won.odds_ratio_interval()
    assert (low, high) == (pytest.approx(0.025 ** (1 / 5) / (1 - 0.025 ** (1 / 5))), None)
    none = PairedEffect(0, 0, 10, 10)
    assert (none.cohens_g, none.cohens_h, none.odds_ratio) == (0, 0, None)
    assert none.odds_ratio_interval() == (0, None)
    assert PairedEffect(1, 0, 0, 1).cohens_h == pytest.approx(math.pi)
    assert "inf" not in str(won.to_json())


def test_cliffs_delta_counts_pairs_of_runs():
    assert cliffs_delta(np.array([3.0, 4, 5]), np.array([1.0, 2])) == 1
    assert cliffs_delta(np.array([1.0, 2]), np.array([1.0, 2])) == 0
    assert cliffs_delta(np.array([1.0, 2, 3]), np.array([2.0])) == 0
    assert cliffs_delta(np.array([2.0, 3]), np.array([1.0, 2])) == pytest.approx(3 / 4)
