"""Commands that measure: evaluate, compare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from augtune.cli.inputs import Matched
    from augtune.evaluation.comparisons import Comparison
    from augtune.evaluation.scores import MeanScores, Scores

__all__ = ["COMMANDS"]

METRICS = typer.Option(
    ["macro_f1", "accuracy"], "--metric", metavar="NAME", help="A metric (augtune ls metrics); may be repeated."
)
JSON = typer.Option(None, "--json", metavar="FILE", help="Write the numbers to this file as JSON too.")
LABEL = typer.Option(None, "--label", metavar="COLUMN", help="Column of the true label; by default label or true.")
PREDICTED = typer.Option(
    None, "--predicted", metavar="COLUMN", help="Column of the predicted label; by default predicted or pred."
)


def evaluate(
    predictions: Path = typer.Argument(..., metavar="PREDICTIONS", help="A csv or jsonl file.", show_default=False),
    truth: Path = typer.Argument(
        None, metavar="[TRUTH]", help="Human labels; by default those in PREDICTIONS.", show_default=False
    ),
    metrics: list[str] = METRICS,
    label: str = LABEL,
    predicted: str = PREDICTED,
    json: Path = JSON,
) -> None:
    """Measure predictions against human labels.

    Shows each metric with its interval, and precision, recall and F1 of each label.

    Example: augtune evaluate predictions.jsonl test.csv
    """
    from augtune.cli.inputs import matched
    from augtune.core.files import write_json
    from augtune.evaluation.scores import evaluate as measure

    found = matched(truth or predictions, [(predictions.stem, predictions)], label=label, predicted=predicted)
    _check_metrics(metrics, found)
    scores = measure(found.predictions[predictions.stem][0], found.truth, metrics)
    print(f"{len(found.truth)} rows, {len(found.truth.labels)} labels · {found.by[0]}\n")
    print(_score_lines(scores))
    if json is not None:
        values = {**scores.to_json(), "interval": {kind: i.to_json() for kind, i in scores.intervals.items()}}
        write_json(json, {"schema": 1, "rows": len(found.truth), "labels": list(found.truth.labels), **values})


def compare(
    truth: Path = typer.Argument(..., metavar="TRUTH", help="A csv or jsonl file with the labels.", show_default=False),
    predictions: list[str] = typer.Argument(
        ...,
        metavar="NAME=PREDICTIONS...",
        help="The first is the baseline; a name given twice is two seeds.",
        show_default=False,
    ),
    metrics: list[str] = METRICS,
    baseline: str = typer.Option(None, "--baseline", metavar="NAME", help="Compare with this one instead."),
    correction: str = typer.Option("holm", "--correction", help="holm, benjamini_hochberg or none."),
    label: str = LABEL,
    predicted: str = PREDICTED,
    json: Path = JSON,
) -> None:
    """Say which predictions differ beyond chance.

    By a paired bootstrap of every metric and the exact McNemar test of accuracy, p corrected for the number of
    comparisons.

    Example: augtune compare test.csv old=old.jsonl new=new.jsonl --json compared.json
    """
    from augtune.cli.inputs import matched
    from augtune.core.files import write_json
    from augtune.evaluation.comparisons import Runs, compare_all
    from augtune.evaluation.scores import evaluate_runs
    from augtune.evaluation.settings import EvaluateSettings

    found = matched(truth, [_named(text) for text in predictions], label=label, predicted=predicted)
    _check_metrics(metrics, found)
    arms = [Runs(name, made) for name, made in found.predictions.items()]
    asked: dict[str, Any] = {"baseline": baseline, "correction": correction}
    settings = EvaluateSettings.parse({**asked, "metrics": metrics}, where="compare")
    scores = {arm.name: evaluate_runs(arm.predictions, found.truth, metrics) for arm in arms}
    comparisons = list(compare_all(found.truth, arms, settings))
    if "accuracy" in metrics:
        exact = EvaluateSettings.parse({**asked, "metrics": ["accuracy"], "test": "mcnemar"}, where="compare")
        comparisons += compare_all(found.truth, arms, exact)
    print("\n".join(dict.fromkeys(found.by)))
    print(f"{len(found.truth)} rows, {len(found.truth.labels)} labels: {found.truth.labels}\n")
    print(_arm_table(scores, metrics))
    print(f"\n{_comparison_table(comparisons)}" if comparisons else "")
    if json is not None:
        write_json(json, _as_json(found, scores, comparisons))


def _named(text: str) -> tuple[str, Path]:
    from augtune.core.errors import InputError

    name, equals, path = text.partition("=")
    if not equals or not name or not path:
        raise InputError(f"{text!r}: expected NAME=PREDICTIONS, e.g. new=new.jsonl.")
    return name, Path(path)


def _check_metrics(metrics: Sequence[str], found: Matched) -> None:
    """See that metrics of probabilities are asked of files that have them."""
    from augtune.core.errors import InputError
    from augtune.evaluation.metrics import CountMetric, metrics_of

    soft = [metric.kind for metric in metrics_of(metrics) if not isinstance(metric, CountMetric)]
    if soft and not found.has_probabilities:
        raise InputError(f"--metric {soft[0]}: needs a column 'probabilities' in every file of predictions.")


def _score_lines(scores: Scores) -> str:
    from augtune.cli.tree import aligned

    rows = [(scores.titles[kind], f"{value:.3f}", str(scores.intervals[kind])) for kind, value in scores.values.items()]
    head = ("label", "precision", "recall", "F1", "rows")
    classes = [
        (name, f"{c.precision:.3f}", f"{c.recall:.3f}", f"{c.f1:.3f}", str(c.support))
        for name, c in scores.per_class.items()
    ]
    return "\n".join([*aligned(rows), "", *aligned([head, *classes])])


def _arm_table(scores: dict[str, MeanScores], metrics: Sequence[str]) -> str:
    from augtune.cli.tree import aligned

    head = ("predictions", *metrics, "seeds")
    rows = [
        (name, *(f"{own.mean[m]:.3f} {own.intervals[m]}" for m in metrics), str(len(own.per_seed)))
        for name, own in scores.items()
    ]
    return "\n".join(aligned([head, *rows]))


def _comparison_table(comparisons: Sequence[Comparison]) -> str:
    from augtune.cli.tree import aligned

    head = ("compared", "metric", "difference", "95% interval", "p", "corrected", "test", "so it is")
    rows = [
        (
            f"{c.arm} - {c.baseline}",
            c.metric,
            f"{c.difference:+.4f}",
            str(c.interval),
            _p(c.p),
            _p(c.p if c.p_adjusted is None else c.p_adjusted),
            c.test,
            c.verdict(),
        )
        for c in comparisons
    ]
    return "\n".join(aligned([head, *rows]))


def _p(value: float) -> str:
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


def _as_json(found: Matched, scores: dict[str, MeanScores], comparisons: Sequence[Comparison]) -> dict[str, Any]:
    arms = {
        name: {
            "per_seed": [one.to_json() for one in own.per_seed],
            "mean": dict(own.mean),
            "std": dict(own.std),
            "interval": {metric: interval.to_json() for metric, interval in own.intervals.items()},
        }
        for name, own in scores.items()
    }
    return {
        "schema": 1,
        "rows": len(found.truth),
        "labels": list(found.truth.labels),
        "arms": arms,
        "comparisons": [comparison.to_json() for comparison in comparisons],
    }


COMMANDS = (evaluate, compare)
