"""What the files of a run folder hold, as types; a file that does not fit is named with the place that is wrong."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from augtune.core.decision import Decision
from augtune.core.errors import DataError
from augtune.core.labels import Labels

__all__ = [
    "ArmDetails",
    "ArmResults",
    "ClassScores",
    "Comparison",
    "CostRecord",
    "Details",
    "GroupQuality",
    "HistoryPoint",
    "PredictionRecord",
    "Quality",
    "ResultsFile",
    "Routing",
    "RoutingCurve",
    "RowRecord",
    "SeedDecision",
    "SeedResults",
    "WeightRecord",
    "WeightSummary",
    "fitted_rows",
    "fitted_to",
]

# Rows of a file that are looked at together.
ROWS_AT_ONCE = 4096

Bounds = tuple[float, float]
T = TypeVar("T")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=(), allow_inf_nan=False)


class ClassScores(_Record):
    """Scores of one class: precision, recall and F1 in [0, 1], support in test rows."""

    precision: float
    recall: float
    f1: float
    support: float


class SeedResults(_Record):
    """One seed of an arm; its metrics are further keys."""

    model_config = ConfigDict(frozen=True, extra="allow")

    seed: int
    per_class: dict[str, ClassScores] = Field(default_factory=dict)

    def metric(self, name: str) -> float | None:
        """Return a metric of this seed, or None if it was not measured."""
        value = (self.model_extra or {}).get(name)
        return float(value) if isinstance(value, int | float) else None


class RowCounts(_Record):
    """Training rows by origin."""

    human: int = 0
    synthetic: int = 0


class CostRecord(_Record):
    """What an arm's model calls cost; ``usd`` is None if a price is unknown."""

    usd: float | None = 0.0
    calls: int = 0
    cached: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


class ArmResults(_Record):
    """One arm of ``results.json``."""

    per_seed: list[SeedResults]
    mean: dict[str, float | None]
    std: dict[str, float | None]
    interval: dict[str, Bounds | None]
    rows: RowCounts
    cost: CostRecord
    train_seconds: float | None = None
    axes: dict[str, str | int | float | bool | None] = Field(default_factory=dict)


class Comparison(_Record):
    """A difference between an arm and the baseline; ``interval`` is None for a test that has none.

    ``interval_adjusted`` allows for how many differences there are; None in runs without correction and older ones.
    """

    arm: str
    baseline: str
    metric: str
    difference: float | None = None
    interval: Bounds | None = None
    interval_adjusted: Bounds | None = None
    p: float | None = None
    p_adjusted: float | None = None
    test: str = ""


class ResultsFile(_Record):
    """The whole of ``results.json``; ``level`` is that of every interval, 0.95 in runs that do not say."""

    name: str
    seeds: list[int]
    level: float = Field(default=0.95, gt=0, lt=1)
    references: dict[str, dict[str, float | None]] = Field(default_factory=dict)
    arms: dict[str, ArmResults] = Field(min_length=1)
    comparisons: list[Comparison]


class WeightSummary(_Record):
    """The weights of an arm in four numbers."""

    effective_share: float
    minimum: float
    median: float
    maximum: float


class RoutingCurve(_Record):
    """What a metric comes to for each share of rows sent to a language model, on the rows the rule was chosen on.

    The lists are equally long; ``usd_per_1000`` is None where a call's price is unknown.
    """

    metric: str
    rows: int
    share: list[float] = Field(min_length=1)
    value: list[float]
    threshold: list[float] = Field(default_factory=list)
    usd_per_1000: list[float] | None = None
    chosen: dict[str, float] | None = None


class Routing(_Record):
    """How an arm shares rows out between a classifier and a language model."""

    share: float
    curve: RoutingCurve | None = None
    checked: dict[str, Any] | None = None


class SeedDecision(_Record):
    """How one seed of an arm chose its way of training."""

    seed: int
    decision: Decision


class ArmDetails(_Record):
    """One arm of ``details.json``."""

    settings: dict[str, Any] = Field(default_factory=dict)
    human: dict[str, int] | None = None
    synthetic: dict[str, int] = Field(default_factory=dict)
    generated: int = 0
    dropped: dict[str, dict[str, int]] = Field(default_factory=dict)
    shortfall: dict[str, int] = Field(default_factory=dict)
    confusion: list[list[int]]
    weights: WeightSummary | None = None
    model: str = ""
    routing: Routing | None = None
    costs: dict[str, Any] = Field(default_factory=dict)
    decisions: list[SeedDecision] = Field(default_factory=list)


class HumanCounts(_Record):
    """Human rows per label."""

    train: dict[str, int]
    validation: dict[str, int] | None = None
    test: dict[str, int]


class Details(_Record):
    """The whole of ``details.json``."""

    name: str
    created: str = ""
    labels: list[str] = Field(min_length=1)
    task: str = "single_label"
    counts: HumanCounts
    rows: dict[str, int] = Field(default_factory=dict)
    arms: dict[str, ArmDetails]
    verdict: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    environment: dict[str, Any] = Field(default_factory=dict)
    baseline: str | None = None
    metrics: list[str] = Field(default_factory=list)


def _readable(label: Any) -> Any:
    """Return a label as a text to be read, where rows have several as in ``anger + joy``."""
    return Labels.text_of(label) if isinstance(label, list) else label


class RowRecord(_Record):
    """A kept or dropped synthetic row; ``by``, ``because`` and ``reason`` are set for a dropped one."""

    id: str
    text: str
    label: Annotated[str, BeforeValidator(_readable)] = ""
    text_pair: str | None = None
    probabilities: dict[str, float] | None = None
    origin: str = "generated"
    parents: tuple[str, ...] = ()
    source_text: str | None = None
    generator: str | None = None
    by: str = ""
    because: str = ""
    reason: str = ""


class WeightRecord(_Record):
    """The weight of one row with one seed."""

    id: str
    seed: int
    weight: float = Field(ge=0, allow_inf_nan=False)
    quality: float | None = None
    diversity: float | None = None


class GroupQuality(_Record):
    """Synthetic rows of one label, or all: one part of ``quality.json``; ``human`` has the numbers of human rows."""

    rows: int
    repeats: int
    near_repeats: float | None = None
    near_human: float | None = None
    near_test: int | None = None
    distinct_2: float | None = None
    self_bleu: float | None = None
    nearest_human: float | None = None
    agreement: float | None = None
    length: float | None = None
    drift: float | None = None
    names_label: float | None = None
    tagged: int = 0
    tagged_wrong: int = 0
    sources: int | None = None
    largest_source: int | None = None
    human: dict[str, float | None] = Field(default_factory=dict)


class Quality(_Record):
    """The whole of an arm's ``quality.json``."""

    whole: GroupQuality
    by_label: dict[str, GroupQuality]
    threshold: float
    warnings: list[str] = Field(default_factory=list)


class HistoryPoint(_Record):
    """The training loss at one optimizer step, and what was measured on the validation rows after it, if anything."""

    step: int
    stage: str | int = ""
    loss: float | None = None
    macro_f1: float | None = None
    accuracy: float | None = None
    validation_loss: float | None = None


class PredictionRecord(_Record):
    """A test row as an arm answered it with one seed; ``probabilities`` by label."""

    id: str
    label: str | list[str]
    predicted: str | list[str]
    probabilities: dict[str, float] = Field(default_factory=dict)


def fitted_to(kind: type[T], value: Any, path: Path) -> T:
    """Return ``value`` as ``kind``.

    Raises:
        DataError: If it does not fit, naming the file and up to three places that are wrong.
    """
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise _damaged(error, path, 0) from error


def fitted_rows(kind: type[T], values: Iterable[Any], path: Path) -> Iterator[T]:
    """Yield the rows of a JSON-lines file as ``kind``, a part at a time; raises like ``fitted_to``."""
    adapter = TypeAdapter(list[kind])  # type: ignore[valid-type]
    values = iter(values)
    start = 0
    while part := list(itertools.islice(values, ROWS_AT_ONCE)):
        try:
            yield from adapter.validate_python(part)
        except ValidationError as error:
            raise _damaged(error, path, start) from error
        start += len(part)


def _damaged(error: ValidationError, path: Path, start: int) -> DataError:
    found = error.errors(include_url=False, include_context=False)
    places = [_place(problem, start) for problem in found[:3]]
    more = f" ({len(found) - 3} more)" if len(found) > 3 else ""
    return DataError(
        f"{path}: not what a run folder holds: {'; '.join(places)}{more}.",
        hint="The file is damaged or was written by something else. Run the experiment again to write it anew.",
    )


def _place(problem: Mapping[str, Any], start: int) -> str:
    first = problem["loc"][:1]
    parts = [start + part if isinstance(part, int) else part for part in first] + list(problem["loc"][1:])
    place = " → ".join(f"row {part + 1}" if isinstance(part, int) else str(part) for part in parts)
    message = str(problem["msg"])
    message = message[:1].lower() + message[1:]
    return f"{place}: {message}" if place else message
