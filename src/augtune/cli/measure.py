"""The command that measures predictions: evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from augtune.cli.tasks import ORDER, SEPARATOR, TASK, LabelOptions

if TYPE_CHECKING:
    from augtune.cli.inputs import Matched
    from augtune.evaluation.scores import Scores

__all__ = ["COMMANDS", "JSON", "LABEL", "METRICS", "PREDICTED", "check_metrics"]

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
    task: str = TASK,
    separator: str = SEPARATOR,
    order: str = ORDER,
    json: Path = JSON,
) -> None:
    """Measure predictions against human labels.

    Shows each metric with its interval, and precision, recall and F1 of each label.

    Example: augtune evaluate predictions.jsonl test.csv
    """
    from augtune.cli.inputs import matched
    from augtune.core.files import write_json
    from augtune.evaluation.scores import evaluate as measure

    told = LabelOptions(task, separator, order)
    own = [(predictions.stem, predictions)]
    found = matched(truth or predictions, own, label=label, predicted=predicted, told=told)
    check_metrics(metrics, found)
    scores = measure(found.predictions[predictions.stem][0], found.truth, metrics)
    print(f"{len(found.truth)} rows, {len(found.truth.labels)} labels · {found.by[0]}\n")
    print(_score_lines(scores))
    if json is not None:
        values = {**scores.to_json(), "interval": {kind: i.to_json() for kind, i in scores.intervals.items()}}
        write_json(json, {"schema": 1, "rows": len(found.truth), "labels": list(found.truth.labels), **values})


def check_metrics(metrics: Sequence[str], found: Matched) -> None:
    """See that metrics of probabilities are asked of files that have them."""
    from augtune.core.errors import InputError
    from augtune.evaluation.metrics import metrics_of

    soft = [metric.kind for metric in metrics_of(metrics) if metric.needs_probabilities]
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


COMMANDS = (evaluate,)
