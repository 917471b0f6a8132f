"""What is to be measured: predictions of a file or of a model, the labels people gave, and what is left unanswered."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augtune.cli.tasks import LabelOptions
from augtune.core.errors import DataError, InputError

if TYPE_CHECKING:
    from augtune.cli.inputs import Matched
    from augtune.core.dataset import HumanDataset
    from augtune.core.tables import Predictions
    from augtune.evaluation.selective import Selective

__all__ = ["Judged", "check_metrics", "coverage_lines", "judged_file", "judged_model"]


@dataclass(frozen=True, slots=True)
class Judged:
    """Predictions and the truth about them.

    Args:
        predictions: Of every row.
        truth: The rows.
        by: Where the predictions are from.
        left: Ids of the rows that are left unanswered.
        has_confidence: Whether the predictions have probabilities.
    """

    predictions: Predictions
    truth: HumanDataset
    by: str
    left: frozenset[str]
    has_confidence: bool

    @property
    def answered(self) -> HumanDataset:
        """The rows that are answered."""
        if not self.left:
            return self.truth
        return self.truth.take([i for i, name in enumerate(self.truth.ids) if name not in self.left])

    @property
    def coverage(self) -> float:
        """Share of the rows that is answered."""
        return 1 - len(self.left) / len(self.truth)

    def abstaining(self, threshold: float | None) -> Judged:
        """Return the same with rows less sure than a threshold left unanswered, beside those that are already.

        Raises:
            InputError: If there are no probabilities, or no row is left to measure.
            SettingsError: If the threshold is no confidence.
        """
        from augtune.evaluation.selective import answered, check_threshold

        made = self
        if threshold is not None:
            check_threshold(threshold, where="--abstain-below")
            self.truth.labels.one_each("--abstain-below")
            if not self.has_confidence:
                raise InputError("--abstain-below: needs a column 'probabilities' in the file of predictions.")
            placed = self.predictions.aligned(self.truth.ids)
            unsure = [name for name, sure in zip(placed.ids, answered(placed, threshold), strict=True) if not sure]
            made = replace(self, left=self.left | frozenset(unsure))
        if len(made.left) == len(made.truth):
            raise InputError(
                f"{made.by}: none of the {len(made.truth)} rows is answered, so there is nothing to measure.",
                hint="Abstain below a lower confidence; --coverage shows which are worth what.",
            )
        return made

    def selective(self) -> Selective:
        """Return what the surest rows are worth.

        Raises:
            InputError: If there are no probabilities.
        """
        from augtune.evaluation.selective import selective

        if not self.has_confidence:
            raise InputError("--coverage: needs a column 'probabilities' in the file of predictions.")
        return selective(self.predictions, self.truth)

    def told(self) -> list[str]:
        """Return what is said of the rows left unanswered; nothing if there are none."""
        if not self.left:
            return []
        rows = [i for i, name in enumerate(self.truth.ids) if name in self.left]
        placed = self.predictions.aligned(self.truth.ids)
        right = sum(int(placed.indices[i]) == int(self.truth.label_indices[i]) for i in rows)
        number, of = len(self.answered), len(self.truth)
        return [
            f"answered {number} of {of} rows, coverage {self.coverage:.1%}; measured on these",
            f"left unanswered {len(rows)}: their most probable label is right of {right} ({right / len(rows):.1%})\n",
        ]


def judged_file(
    predictions: Path,
    truth: Path | None,
    columns: Mapping[str, str | None],
    *,
    told: LabelOptions,
    metrics: Sequence[str],
    options: Sequence[str] = (),
) -> Judged:
    """Return the predictions of a file with the labels of another, or its own.

    Args:
        predictions: The file.
        truth: The file with the labels; None: the same.
        columns: ``label`` and ``predicted``, found by their usual names if None, and what rows are to be matched by.
        told: What the command line says of labels.
        metrics: What is to be measured.
        options: Options given that look at probabilities, too.
    """
    from augtune.cli.agreeing import Asked
    from augtune.cli.inputs import matched
    from augtune.cli.matching import ORDER

    own = [(predictions.stem, predictions)]
    names = columns if truth is not None else {**columns, "match": ORDER}  # rows of one file need no ids
    found = matched(truth or predictions, own, names, told=told, asked=Asked.of(metrics, *options))
    check_metrics(metrics, found)
    made = found.predictions[predictions.stem][0]
    return Judged(made, found.truth, found.by[0], found.abstained[0], found.has_probabilities)


def judged_model(
    model: Path, file: Path | None, columns: Mapping[str, Any], *, told: LabelOptions, view: str | None
) -> Judged:
    """Return what a saved model predicts of a file's rows.

    Args:
        model: Its folder.
        file: The labelled rows: a file, or a folder whose test split is taken.
        columns: ``text``, ``label`` and ``text_pair``, found by their usual names if None.
        told: What the command line says of labels.
        view: Classes merged into others, where the model was trained on a view.

    Raises:
        InputError: If no file is given, or the folder holds no model.
        DataError: If the file's labels are not the model's.
    """
    from augtune.cli.inputs import human_rows
    from augtune.model.fitted import Fitted

    if file is None:
        raise InputError(f"{model}: a model is measured on labelled rows; name a file of them after it.")
    if (model / "router.json").is_file():
        raise InputError(
            f"{model}: a routed model asks a language model, which costs.",
            hint=f"augtune predict {model} {file} --out predictions.jsonl, then evaluate that file.",
        )
    fitted = Fitted.load(model)
    told = replace(told, task=told.task or fitted.labels.task)
    try:
        labels = fitted.labels if view is None else None
        rows = human_rows(file, "test", **columns, labels=labels, view=view, told=told)
    except DataError as error:
        if view is None and "label" in error.message:
            raise DataError(f"{error.message} The model's labels are {fitted.labels}.", hint=error.hint) from error
        raise
    known = fitted.known(rows)
    if known:
        sys.stderr.write(
            f"warning: {file}: the model was trained on {len(known)} of the {len(rows)} rows (first: "
            f"{rows.ids[known[0]]} {rows.texts[known[0]][:40]!r}); scores are too high by what that is worth\n"
        )
    made = fitted.predict(rows).in_order(rows.labels)
    return Judged(made, rows, f"{fitted} on {file}", frozenset(), has_confidence=True)


def check_metrics(metrics: Sequence[str], found: Matched) -> None:
    """See that metrics of probabilities are asked of files that have them."""
    from augtune.core.errors import InputError
    from augtune.evaluation.metrics import metrics_of

    soft = [metric.kind for metric in metrics_of(metrics) if metric.needs_probabilities]
    if soft and not found.has_probabilities:
        raise InputError(f"--metric {soft[0]}: needs a column 'probabilities' in every file of predictions.")


def coverage_lines(selective: Selective) -> str:
    """Return a table of what the surest rows are worth."""
    from augtune.cli.tree import aligned

    head = ("surest rows", "coverage", "accuracy", "abstain below")
    rows = [
        (str(point.rows), f"{point.coverage:.1%}", f"{point.accuracy:.3f}", f"{point.threshold:.3f}")
        for point in selective.points
    ]
    return "\n".join([*aligned([head, *rows]), f"area under risk and coverage: {selective.risk_area:.3f}"])
