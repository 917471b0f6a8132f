"""``results.csv``: one row per arm, seed and metric, with all one may want to group by in columns of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from augtune.core.cells import csv_text
from augtune.core.files import atomic_write
from augtune.experiment.arms import COLUMNS
from augtune.experiment.outcomes import ArmOutcome

__all__ = ["write_csv"]


def write_csv(path: Path, results: Mapping[str, Any], outcomes: Mapping[str, ArmOutcome]) -> None:
    """Write one row per arm, seed and metric: what a spreadsheet or a data frame reads without unpacking.

    A metric of a label has the label in ``label``. Every axis of a sweep has a column, empty for an arm that is not on
    it. ``usd`` is what the arm's rows cost, all draws together; ``seconds`` is the training with that seed. Where
    settings were searched for, ``search_seconds`` is what that took, all trials together. No text is a formula to a
    spreadsheet: see ``core.cells``.

    Args:
        path: The file.
        results: The value of ``results.json``.
        outcomes: What came of each arm, by name.
    """
    axes = list(dict.fromkeys(axis for outcome in outcomes.values() for axis in outcome.plan.axes))
    is_searched = any(outcome.search is not None for outcome in outcomes.values())
    last = COLUMNS[5:] if is_searched else COLUMNS[5:-1]
    rows: list[dict[str, Any]] = []
    for arm, values in results["arms"].items():
        outcome = outcomes[arm]
        for number, scores in enumerate(values["per_seed"]):
            own = {**outcome.plan.axes, **_facts(outcome, number, values), "arm": arm, "seed": scores["seed"]}
            rows += ({**own, **row} for row in _values(values["mean"], scores))
    with atomic_write(path) as stream:
        stream.write(csv_text(rows, [*COLUMNS[:5], *axes, *last]))


def _values(metrics: Mapping[str, Any], scores: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for metric in metrics:
        yield {"metric": metric, "label": "", "value": scores[metric]}
    for label, by_class in scores["per_class"].items():
        for metric, value in by_class.items():
            yield {"metric": metric, "label": label, "value": value}


def _facts(outcome: ArmOutcome, number: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rows, cost and seconds of an arm's run."""
    by_seed = {draw.data_seed: draw for draw in outcome.draws}
    draw = None
    if by_seed:
        draw = outcome.draws[0] if outcome.groups is None else by_seed[outcome.groups[number]]
    kept = None if draw is None else draw.rows.kept
    return {
        "data_seed": "" if draw is None else draw.data_seed,
        "human_rows": outcome.human if draw is None else draw.human,
        "synthetic_rows": 0 if kept is None else len(kept),
        "usd": values["cost"]["usd"],
        "seconds": outcome.by_seed[number].seconds,
        "search_seconds": 0.0 if outcome.search is None else outcome.search.seconds,
    }
