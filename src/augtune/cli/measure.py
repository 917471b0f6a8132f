"""The command that measures predictions: evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from augtune.cli.inputs import MATCH, PAIR, TEXT, VIEW
from augtune.cli.judged import coverage_lines, judged_file, judged_model
from augtune.cli.tasks import ORDER, SEPARATOR, TASK, LabelOptions

if TYPE_CHECKING:
    from augtune.evaluation.scores import Scores

__all__ = ["COMMANDS", "JSON", "LABEL", "METRICS", "PREDICTED"]

METRICS = typer.Option(
    ["macro_f1", "accuracy"], "--metric", metavar="NAME", help="A metric (augtune ls metrics); may be repeated."
)
JSON = typer.Option(None, "--json", metavar="FILE", help="Write the numbers to this file as JSON too.")
LABEL = typer.Option(None, "--label", metavar="COLUMN", help="Column of the true label; by default label or true.")
PREDICTED = typer.Option(
    None, "--predicted", metavar="COLUMN", help="Column of the predicted label; by default predicted or pred."
)
ABSTAIN = typer.Option(
    None, "--abstain-below", metavar="CONFIDENCE", help="Leave out rows that are less sure, e.g. 0.7."
)


def evaluate(
    predictions: Path = typer.Argument(
        ..., metavar="PREDICTIONS|MODEL", help="A csv or jsonl file, or a saved model.", show_default=False
    ),
    truth: Path = typer.Argument(
        None, metavar="[TRUTH]", help="Human labels; by default those in PREDICTIONS.", show_default=False
    ),
    metrics: list[str] = METRICS,
    label: str = LABEL,
    predicted: str = PREDICTED,
    match: str = MATCH,
    task: str = TASK,
    separator: str = SEPARATOR,
    order: str = ORDER,
    text: str = TEXT,
    text_pair: str = PAIR,
    view: str = VIEW,
    abstain_below: float = ABSTAIN,
    coverage: bool = typer.Option(False, "--coverage", help="Show the accuracy of the surest rows, too."),
    json: Path = JSON,
) -> None:
    """Measure predictions, or a saved model on a file, against human labels.

    Shows each metric with its interval, and precision, recall and F1 of each label. Rows that the predictions abstain
    on, or that are less sure than --abstain-below, are not measured; what share is answered is told, and what the
    surest rows are worth. --text, --text-pair and --view are for a model.

    Example: augtune evaluate predictions.jsonl test.csv
    """
    from augtune.core.files import write_json
    from augtune.evaluation.scores import evaluate as measure

    told = LabelOptions(task, separator, order)
    if predictions.is_dir():
        columns: dict[str, Any] = {"text": text, "label": label, "text_pair": text_pair}
        judged = judged_model(predictions, truth, columns, told=told, view=view)
    else:
        named = {"label": label, "predicted": predicted, "match": match}
        options = {"--abstain-below": abstain_below is not None, "--coverage": coverage}
        soft = [option for option, is_given in options.items() if is_given]
        judged = judged_file(predictions, truth, named, told=told, metrics=metrics, options=soft)
    judged = judged.abstaining(abstain_below)
    scores = measure(judged.predictions, judged.answered, metrics)
    print(f"{len(judged.truth)} rows, {len(judged.truth.labels)} labels · {judged.by}\n")
    print("\n".join([*judged.told(), _score_lines(scores)]))
    selective = judged.selective() if coverage or (judged.left and judged.has_confidence) else None
    if selective is not None:
        print(f"\n{coverage_lines(selective)}")
    if json is not None:
        values = {**scores.to_json(), "interval": {kind: i.to_json() for kind, i in scores.intervals.items()}}
        values |= {} if selective is None else {"coverage": judged.coverage, "selective": selective.to_json()}
        write_json(json, {"schema": 1, "rows": len(judged.truth), "labels": list(judged.truth.labels), **values})


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
