"""The command that compares predictions made anywhere: compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from augtune.cli.inputs import MATCH
from augtune.cli.judged import check_metrics
from augtune.cli.measure import JSON, LABEL, METRICS, PREDICTED
from augtune.cli.tasks import ORDER, SEPARATOR, TASK, LabelOptions

if TYPE_CHECKING:
    from augtune.cli.compared import Compared
    from augtune.cli.inputs import Matched
    from augtune.evaluation.comparisons import Comparison

__all__ = ["COMMANDS"]

MOST_SUBSETS = 50
"""A column with more values than this is no name of subsets, but an id, a text or a number."""


def compare(
    truth: Path = typer.Argument(..., metavar="TRUTH", help="A csv or jsonl file with the labels.", show_default=False),
    predictions: list[str] = typer.Argument(
        ...,
        metavar="NAME=PREDICTIONS...",
        help="The first is the baseline; a name given twice is two seeds.",
        show_default=False,
    ),
    metrics: list[str] = METRICS,
    tests: list[str] = typer.Option(
        None,
        "--test",
        metavar="NAME",
        help="Where p comes from (augtune ls tests); may be repeated, each is a family of its own. By default "
        "paired_bootstrap, and mcnemar of accuracy.",
    ),
    baseline: str = typer.Option(None, "--baseline", metavar="NAME", help="Compare with this one instead."),
    correction: str = typer.Option("holm", "--correction", help="holm, bh or none."),
    subset: str = typer.Option(
        None, "--subset", metavar="COLUMN", help="Compare within each value of this column too."
    ),
    by_label: bool = typer.Option(False, "--by-label", help="Compare F1 of each label too."),
    resamples: int = typer.Option(10_000, "--resamples", help="Resamples, and swaps of the permutation test."),
    train_rows: int = typer.Option(None, "--train-rows", metavar="N", help="Rows trained on, for --test corrected_t."),
    seed: int = typer.Option(0, "--seed", help="Seed of everything that is drawn."),
    label: str = LABEL,
    predicted: str = PREDICTED,
    match: str = MATCH,
    task: str = TASK,
    separator: str = SEPARATOR,
    order: str = ORDER,
    json: Path = JSON,
    markdown: Path = typer.Option(None, "--markdown", metavar="FILE", help="Write the tables as Markdown."),
    latex: Path = typer.Option(None, "--latex", metavar="FILE", help="Write the tables as LaTeX (booktabs)."),
) -> None:
    """Say which predictions differ beyond chance.

    Differences with intervals, p corrected for the number of comparisons, effect sizes, and how small a difference
    these rows could show.

    Example: augtune compare test.csv old=old.jsonl new=new.jsonl --subset source --json compared.json
    """
    from augtune.cli import compared
    from augtune.cli.agreeing import Asked
    from augtune.cli.inputs import matched
    from augtune.core.files import atomic_write, write_json

    told = LabelOptions(task, separator, order)
    files = [_named(text) for text in predictions]
    columns = {"label": label, "predicted": predicted, "match": match}
    found = matched(truth, files, columns, told=told, asked=Asked.of(metrics))
    check_metrics(metrics, found)
    asked = {"metrics": metrics, "baseline": baseline, "correction": correction, "resamples": resamples}
    asking = _Asking(found, asked, tuple(tests or ()), seed, train_rows)
    result = asking.result(None if subset is None else found.column(subset, "--subset"), by_label, subset or "")
    print("\n".join(dict.fromkeys(found.by)))
    for (name, _), left in zip(files, found.abstained, strict=True):
        if left:
            print(f"{name}: {len(left)} rows left unanswered count with their most probable label")
    print(f"{len(found.truth)} rows, {len(found.truth.labels)} labels: {found.truth.labels}\n")
    print(compared.text(result))
    if json is not None:
        write_json(json, compared.as_json(result))
    for path, write in ((markdown, compared.markdown), (latex, compared.latex)):
        if path is not None:
            with atomic_write(path) as stream:
                stream.write(write(result))


def _named(text: str) -> tuple[str, Path]:
    from augtune.core.errors import InputError

    name, equals, path = text.partition("=")
    if not equals or not name or not path:
        raise InputError(f"{text!r}: expected NAME=PREDICTIONS, e.g. new=new.jsonl.")
    return name, Path(path)


@dataclass(frozen=True, slots=True)
class _Asking:
    """What is compared, and how.

    Args:
        found: Truth and predictions.
        asked: Settings of ``evaluate``, but for the test.
        tests: Tests by name; none for the usual two.
        seed: Of the bootstraps.
        train_rows: Rows trained on, if known.
    """

    found: Matched
    asked: dict[str, Any]
    tests: tuple[str, ...]
    seed: int
    train_rows: int | None

    def result(self, subset_of_row: Sequence[str] | None, by_label: bool, column: str) -> Compared:
        """Return all comparisons: of the whole, of each subset and of each label, as asked."""
        from augtune.cli.compared import Compared
        from augtune.evaluation.comparisons import Runs, compare_all, compare_classes, compare_subsets
        from augtune.evaluation.scores import evaluate_runs

        truth, settings = self.found.truth, self._settings()
        arms = [Runs(name, made, self.train_rows) for name, made in self.found.predictions.items()]
        plain = settings[0]
        scores = {
            arm.name: evaluate_runs(arm.predictions, truth, plain.measured, resamples=plain.resamples, seed=self.seed)
            for arm in arms
        }
        subsets: dict[str, list[Comparison]] = {}
        if subset_of_row is not None:
            self._check_subsets(subset_of_row, column)
            for one in settings:
                for name, part in compare_subsets(truth, arms, subset_of_row, one, seed=self.seed).items():
                    subsets.setdefault(name, []).extend(part)
        classes = [] if not by_label else [
            row for one in self._of_labels(settings) for row in compare_classes(truth, arms, one, seed=self.seed)
        ]  # fmt: skip
        return Compared(
            truth=truth,
            scores=scores,
            comparisons=[row for one in settings for row in compare_all(truth, arms, one, seed=self.seed)],
            column=column,
            subsets=subsets,
            subset_rows={} if subset_of_row is None else {name: list(subset_of_row).count(name) for name in subsets},
            classes=classes,
        )

    def _settings(self) -> list[Any]:
        """Return settings for each test; with none given, the bootstrap, and McNemar of accuracy if it is measured."""
        from augtune.evaluation.settings import EvaluateSettings

        if self.tests:
            return [EvaluateSettings.parse({**self.asked, "test": test}, where="compare") for test in self.tests]
        found = [EvaluateSettings.parse(self.asked, where="compare")]
        if "accuracy" in self.asked["metrics"]:
            exact = {**self.asked, "metrics": ["accuracy"], "test": "mcnemar"}
            found.append(EvaluateSettings.parse(exact, where="compare"))
        return found

    @staticmethod
    def _of_labels(settings: Sequence[Any]) -> list[Any]:
        """Return the settings whose test is about F1 of a label; the bootstrap's if none is."""
        found = [one for one in settings if not one.tester.kind.startswith("mcnemar")]
        return found or [settings[0].model_copy(update={"test": "paired_bootstrap"})]

    def _check_subsets(self, subset_of_row: Sequence[str], column: str) -> None:
        from augtune.core.errors import InputError

        number = len(set(subset_of_row))
        if number > MOST_SUBSETS:
            raise InputError(
                f"--subset {column}: has {number} different values; a column of up to {MOST_SUBSETS} names subsets."
            )


COMMANDS = (compare,)
