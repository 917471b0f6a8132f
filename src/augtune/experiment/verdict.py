"""The verdict: what a run showed, in sentences that say no more than the numbers do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from augtune.evaluation.metrics import Metric

__all__ = ["verdict"]

LEVEL = 0.05


def verdict(results: Mapping[str, Any], metric: Metric, baseline: str) -> list[str]:
    """Return the verdict's sentences: what scored highest, what differs from the baseline and what does not.

    Args:
        results: The value of ``results.json``.
        metric: The metric it speaks of.
        baseline: Arm the others are compared with.
    """
    arms, seeds, kind = results["arms"], len(results["seeds"]), metric.kind
    sign = 1 if metric.higher_is_better else -1
    best = max(arms, key=lambda arm: sign * arms[arm]["mean"][kind])
    over = f"mean of {seeds} seeds" if seeds > 1 else "one seed"
    lead = "Highest" if metric.higher_is_better else "Lowest"
    sentences = [
        f"{lead} {metric.title}: {best}, {_score(arms[best], kind)} ({over}); "
        f"always answering the commonest label gives {results['references']['majority'][kind]:.3f}."
    ]
    found = (str(row["baseline"]) for row in results["comparisons"] if row["metric"] == kind)
    for one in dict.fromkeys([baseline, *found]):
        sentences += _against(results, metric, one)
    if seeds == 1:
        sentences.append("With one seed, chance in training is not measured; run at least three.")
    return sentences


def _against(results: Mapping[str, Any], metric: Metric, baseline: str) -> list[str]:
    """Return what is better, worse or neither than one baseline."""
    arms, kind, sentences = results["arms"], metric.kind, list[str]()
    sign = 1 if metric.higher_is_better else -1
    rows = _rows(results, kind, baseline, sign)
    sure = [row for row in rows if row["p_adjusted"] < LEVEL]
    better = [row for row in sure if sign * row["difference"] > 0]
    worse = [row for row in sure if sign * row["difference"] < 0]
    unsure = [row for row in rows if row not in sure]
    against = f"{baseline} ({metric.title} {arms[baseline]['mean'][kind]:.3f})"
    if better:
        sentences.append(f"Better than {against}: {_list(better, metric)}.")
    if worse:
        sentences.append(f"Worse than {against}: {_list(worse, metric)}.")
    if unsure:
        none = "Not shown to differ from" if sure else "No arm is shown to differ from"
        sentences.append(f"{none} {against} at the 5 % level: {_list(unsure, metric)}.")
    return sentences


def _rows(results: Mapping[str, Any], kind: str, baseline: str, sign: int) -> list[Mapping[str, Any]]:
    """Return one comparison with the baseline per arm, best first; the first listed where there are two tests."""
    found: dict[str, Mapping[str, Any]] = {}
    for row in results["comparisons"]:
        if row["metric"] == kind and row["baseline"] == baseline:
            found.setdefault(row["arm"], row)
    return sorted(found.values(), key=lambda row: -sign * row["difference"])


def _score(arm: Mapping[str, Any], kind: str) -> str:
    low, high = arm["interval"][kind]
    return f"{arm['mean'][kind]:.3f} [{low:.3f}, {high:.3f}]"


def _list(rows: Sequence[Mapping[str, Any]], metric: Metric) -> str:
    def apart(value: float) -> str:
        return f"{100 * value:+.1f} points" if metric.is_share else f"{value:+.3f}"

    return "; ".join(f"{row['arm']} {apart(row['difference'])}, p {_p(row['p_adjusted'])}" for row in rows)


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"
