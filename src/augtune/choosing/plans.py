"""What rows it would take to reach a score, and what they would cost: the cheapest plan, as far as a curve can say.

A score is taken to rise by the same amount with every doubling of the rows, by as much as it fell when they were
halved. That is trusted for two doublings and no further, and only where halving them cost something beyond chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from augtune.core.decision import LearningPoint, RowPlan

__all__ = ["MOST_DOUBLINGS", "row_plans"]

MOST_DOUBLINGS = 2.0


def row_plans(
    learning: Sequence[LearningPoint],
    gain: float,
    target: float,
    prices: Mapping[str, float | None],
    there: Mapping[str, int],
) -> tuple[RowPlan, ...]:
    """Return what it would take to reach a score with more rows of each sort, the cheapest that is known first.

    Args:
        learning: What probes score with half of the rows and with all of them.
        gain: What the chosen way is expected to gain over human rows alone.
        target: The score.
        prices: US dollars a row costs, by sort: ``human``, ``synthetic``; None where that is not known.
        there: Rows there are, by sort: more than the curves' probes saw, from which others were held out.
    """
    human = next((one for one in learning if one.rows == "human" and one.share == 1), None)
    if human is None:
        return ()
    missing = target - (human.score + gain)
    plans = []
    for sort in dict.fromkeys(one.rows for one in learning):
        half = next(one for one in learning if one.rows == sort and one.share == 0.5)
        whole = next(one for one in learning if one.rows == sort and one.share == 1)
        plans.append(_plan(half, (whole.count, there[sort]), missing, prices.get(sort)))
    return tuple(sorted(plans, key=lambda one: (one.usd is None, one.usd or 0.0, one.more is None)))


def _plan(half: LearningPoint, counts: tuple[int, int], missing: float, price: float | None) -> RowPlan:
    sort, slope, least = half.rows, -half.gain, -half.interval[1]
    enough = "it is expected to be reached with the rows there are"
    if missing <= 0:
        return RowPlan(sort, 0, (0, 0), 0.0, enough)
    if least <= 0 or slope <= 0:
        return RowPlan(sort, None, (0, None), None, "halving them cost nothing beyond chance, so no number can be told")
    if missing / slope > MOST_DOUBLINGS + 1e-9:
        return RowPlan(sort, None, (0, None), None, "it is further than two doublings, which the curve cannot say")
    more = _more(counts, missing / slope)
    low = _more(counts, missing / -half.interval[0])
    high = None if missing / least > MOST_DOUBLINGS + 1e-9 else _more(counts, missing / least)
    return RowPlan(
        sort, more, (low, high), None if price is None and more else more * (price or 0), "" if more else enough
    )


def _more(counts: tuple[int, int], doublings: float) -> int:
    """Return the rows that are missing beside those there are, where those a probe saw are doubled so often."""
    seen, there = counts
    return max(0, math.ceil(seen * 2**doublings - there - 1e-6))
