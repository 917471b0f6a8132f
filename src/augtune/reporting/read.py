"""Read a run folder: a typed view of its files, and the tables that are computed from them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from augtune.core.errors import DataError
from augtune.core.files import each_jsonl, read_json, read_text
from augtune.reporting.schema import (
    ArmDetails,
    ArmResults,
    ClassScores,
    Comparison,
    Details,
    HistoryPoint,
    PredictionRecord,
    Quality,
    ResultsFile,
    RowRecord,
    WeightRecord,
    fitted_rows,
    fitted_to,
)
from augtune.reporting.words import LOWER_IS_BETTER

__all__ = ["HasFolder", "Rows", "RunView", "read_run"]

T = TypeVar("T")

SCHEMA = 1
LONGEST_NAME = 120  # characters of an arm's name, which is a folder's too


@runtime_checkable
class HasFolder(Protocol):
    """Anything that knows its run folder, such as the results of a run."""

    @property
    def folder(self) -> Path:
        """The run folder."""
        ...


@dataclass(frozen=True)
class RunView:
    """A finished run as its folder tells it; rows and histories are read when asked for.

    Args:
        folder: The run folder.
        results: Its ``results.json``.
        details: Its ``details.json``, which names the same arms.
    """

    folder: Path
    results: ResultsFile
    details: Details

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self.results.name

    @property
    def seeds(self) -> list[int]:
        """The seeds every arm ran with."""
        return self.results.seeds

    @property
    def intervals(self) -> str:
        """What its intervals are called: ``95 % intervals``."""
        return f"{self.within} intervals"

    @property
    def within(self) -> str:
        """Share of resamples that its intervals hold: ``95 %``."""
        return f"{100 * self.results.level:g} %"

    @property
    def labels(self) -> list[str]:
        """The ``K`` class names in order."""
        return self.details.labels

    @property
    def arms(self) -> list[str]:
        """The arms, in the order of the experiment file."""
        return list(self.results.arms)

    @property
    def baseline(self) -> str | None:
        """The arm the others are compared with; None if there is none."""
        return self.details.baseline if self.details.baseline in self.results.arms else None

    @property
    def metrics(self) -> list[str]:
        """The metrics measured, the one that decides first."""
        measured = next(iter(self.results.arms.values())).mean
        return [metric for metric in self.details.metrics if metric in measured] or list(measured)

    @property
    def metric(self) -> str:
        """The metric that decides."""
        return self.metrics[0]

    @property
    def test_rows(self) -> int:
        """How many human rows the arms were measured on."""
        counts = self.details.counts.test.values()
        return self.details.rows.get("test", sum(counts))  # a row with several labels is counted for each of them

    def arm(self, name: str) -> ArmResults:
        """Return an arm's results."""
        return self.results.arms[name]

    def arm_details(self, name: str) -> ArmDetails:
        """Return an arm's details."""
        return self.details.arms[name]

    def human(self, arm: str) -> Mapping[str, int]:
        """Return an arm's human training rows per label; of several draws of the data, those of the first."""
        own = self.arm_details(arm).human
        return self.details.counts.train if own is None else own

    def shared_human(self) -> Mapping[str, int] | None:
        """Return the human training rows per label that all arms have; None where arms differ in them."""
        first, *others = (self.human(arm) for arm in self.arms)
        return first if all(other == first for other in others) else None

    def majority(self, metric: str) -> float | None:
        """Return what always answering with the largest class scores, if it is on record."""
        return self.results.references.get("majority", {}).get(metric)

    def best(self) -> str:
        """Return the arm with the best mean of the metric that decides; the first of equals."""
        sign = -1.0 if self.metric in LOWER_IS_BETTER else 1.0

        def rank(arm: str) -> float:
            mean = self.arm(arm).mean.get(self.metric)
            return float("-inf") if mean is None else sign * mean

        return max(self.arms, key=rank)

    def leading(self, most: int) -> list[str]:
        """Return the arms that a chart has room for: all, or of more than ``most`` the baseline and the best scores.

        Those are in the order of the experiment file too.
        """
        if len(self.arms) <= most:
            return self.arms
        sign = 1.0 if self.metric in LOWER_IS_BETTER else -1.0

        def rank(arm: str) -> tuple[bool, float]:
            mean = self.arm(arm).mean.get(self.metric)
            return arm != self.baseline, float("inf") if mean is None else sign * mean

        chosen = sorted(self.arms, key=rank)[:most]
        return [arm for arm in self.arms if arm in chosen]

    def comparisons(self, metric: str | None = None) -> list[Comparison]:
        """Return the differences against the baseline, all of them or those of one metric."""
        return [row for row in self.results.comparisons if metric is None or row.metric == metric]

    def comparison(self, arm: str) -> Comparison | None:
        """Return an arm's difference in the metric that decides, the one with an interval first."""
        found = [row for row in self.comparisons(self.metric) if row.arm == arm]
        return next((row for row in found if row.interval is not None), found[0] if found else None)

    def per_class(self, arm: str) -> dict[str, ClassScores]:
        """Return precision, recall, F1 and support of each class: means over the seeds."""
        seeds = [seed.per_class for seed in self.arm(arm).per_seed if seed.per_class]
        table = {}
        for label in self.labels:
            found = [scores[label] for scores in seeds if label in scores]
            if found:
                means = {key: sum(getattr(one, key) for one in found) / len(found) for key in ClassScores.model_fields}
                table[label] = ClassScores(**means)
        return table

    def kept(self, arm: str) -> Rows[RowRecord]:
        """Return the synthetic rows an arm trained on; empty if it used none."""
        return self._rows(RowRecord, "data", arm, "synthetic.jsonl")

    def dropped(self, arm: str) -> Rows[RowRecord]:
        """Return the rows an arm dropped, with who dropped them and why."""
        return self._rows(RowRecord, "data", arm, "dropped.jsonl")

    def weights(self, arm: str) -> Rows[WeightRecord]:
        """Return the weights of an arm's rows with every seed; empty if it weighs none."""
        return self._rows(WeightRecord, "data", arm, "weights.jsonl")

    def quality(self, arm: str) -> Quality | None:
        """Return what an arm's synthetic rows are like; None if it has none, or they were not inspected."""
        path = self.folder / "data" / re.sub(r"[^\w .+-]", "_", arm) / "quality.json"
        return fitted_to(Quality, read_json(path), path) if path.is_file() else None

    def history(self, arm: str, seed: int) -> list[HistoryPoint]:
        """Return the training loss by step; empty if it was not kept."""
        return list(self._rows(HistoryPoint, "history", arm, f"seed-{seed}.jsonl"))

    def predictions(self, arm: str, seed: int) -> list[PredictionRecord]:
        """Return an arm's answers to the test rows; empty if they were not kept."""
        return list(self._rows(PredictionRecord, "predictions", arm, f"seed-{seed}.jsonl"))

    def model_folder(self, arm: str, seed: int) -> Path:
        """Return where the model of an arm with a seed is, if it was kept."""
        return self.folder / "models" / re.sub(r"[^\w .+-]", "_", arm) / f"seed-{seed}"

    def experiment_text(self) -> str:
        """Return the experiment file as resolved, or an empty text if it is gone."""
        path = self.folder / "experiment.yaml"
        return read_text(path) if path.is_file() else ""

    def _rows(self, kind: type[T], part: str, arm: str, file: str) -> Rows[T]:
        return Rows(kind, self.folder / part / re.sub(r"[^\w .+-]", "_", arm) / file)


class Rows(Generic[T]):
    """The rows of a file of a run, read anew whenever they are gone through, a part at a time; none if it is not there.

    Args:
        kind: What a row is.
        path: The file.
    """

    def __init__(self, kind: type[T], path: Path) -> None:
        self._kind, self._path = kind, path

    def __iter__(self) -> Iterator[T]:
        if self._path.is_file():
            yield from fitted_rows(self._kind, each_jsonl(self._path), self._path)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def read_run(run: Path | str | HasFolder) -> RunView:
    """Return the view of a run.

    Args:
        run: The run folder, or anything with a ``folder`` attribute.

    Raises:
        DataError: If it is missing, is no run folder or holds files that are damaged or contradict each other.
    """
    folder = Path(run) if isinstance(run, str | os.PathLike) else Path(run.folder)
    _check_folder(folder)
    results = fitted_to(ResultsFile, _checked_json(folder / "results.json"), folder / "results.json")
    details = fitted_to(Details, _checked_json(folder / "details.json"), folder / "details.json")
    view = RunView(folder, results, details)
    _check_agreement(view)
    return view


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        raise DataError(f"{folder}: no such folder.", hint="Give the folder a run wrote, e.g. runs/helpdesk.")
    if not folder.is_dir():
        raise DataError(f"{folder}: expected a run folder, got a file.", hint=f"Did you mean {folder.parent}?")
    for name in ("results.json", "details.json"):
        if not (folder / name).is_file():
            raise DataError(
                f"{folder}: holds no {name}: it is no run folder, or its run has not finished.",
                hint="Run the experiment (again) with augtune run; what is done already is not done twice.",
            )


def _checked_json(path: Path) -> Mapping[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected a JSON object, got {type(value).__name__}.")
    if value.get("schema") != SCHEMA:
        raise DataError(
            f"{path}: expected schema {SCHEMA}, got {value.get('schema')!r}.",
            hint="It was written by another version of augtune, or by something else.",
        )
    return value


def _check_agreement(view: RunView) -> None:
    path = view.folder / "details.json"
    for arm in view.arms:
        if not arm.strip(". ") or len(arm) > LONGEST_NAME:
            raise DataError(f"{view.folder / 'results.json'}: {arm[:60]!r} is no name of an arm.")
    missing = [arm for arm in view.arms if arm not in view.details.arms]
    if missing:
        raise DataError(f"{path}: no arm {missing[0]!r}, which results.json has.", hint="Run the experiment again.")
    size = len(view.labels)
    for arm in view.arms:
        table = view.arm_details(arm).confusion
        if len(table) != size or any(len(row) != size for row in table):
            raise DataError(f"{path}: arm {arm!r}: the confusion matrix is not {size} x {size}.")
    if not next(iter(view.results.arms.values())).mean:
        raise DataError(f"{view.folder / 'results.json'}: arm {view.arms[0]!r} has no metric.")
