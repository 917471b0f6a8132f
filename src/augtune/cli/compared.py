"""What ``augtune compare`` found, as text, Markdown, LaTeX and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augtune.core.dataset import HumanDataset
    from augtune.evaluation.comparisons import Comparison
    from augtune.evaluation.scores import MeanScores

__all__ = ["Compared", "as_json", "latex", "markdown", "text"]

HEAD = ("compared", "metric", "difference", "95% interval", "p", "corrected", "test", "so it is")
POINTS = frozenset({"macro_f1", "accuracy", "balanced_accuracy", "weighted_f1", "micro_f1", "auroc"})
"""Metrics that are told in points, hundredths."""


@dataclass(frozen=True, eq=False)
class Compared:
    """All that was compared.

    Args:
        truth: The rows.
        scores: What each name's predictions are worth.
        comparisons: Over all rows.
        column: Column that names the subsets.
        subsets: Within each subset, by its name.
        subset_rows: Rows of each subset.
        classes: F1 of each label, over all rows.
    """

    truth: HumanDataset
    scores: Mapping[str, MeanScores]
    comparisons: Sequence[Comparison]
    column: str = ""
    subsets: Mapping[str, Sequence[Comparison]] = field(default_factory=dict)
    subset_rows: Mapping[str, int] = field(default_factory=dict)
    classes: Sequence[Comparison] = ()


@dataclass(frozen=True, slots=True)
class _Table:
    """Cells with a title; the first line is the head."""

    title: str
    cells: list[tuple[str, ...]]


def text(result: Compared) -> str:
    """Return aligned tables and what they come to in words."""
    from augtune.cli.tree import aligned

    parts = []
    for table in _tables(result):
        parts.append("\n".join(([table.title] if table.title else []) + aligned(table.cells)))
    words = list(_words(result))
    if words:
        parts.insert(2, "\n".join(words))
    return "\n\n".join(parts)


def markdown(result: Compared) -> str:
    """Return the tables as Markdown."""
    from augtune.reporting.tables import markdown_line

    parts = []
    for table in _tables(result):
        head, *rows = table.cells
        lines = [head, ("---",) * len(head), *rows]
        title = f"{table.title}\n\n" if table.title else ""
        parts.append(title + "\n".join(markdown_line(line) if i != 1 else _rule(line) for i, line in enumerate(lines)))
    return "\n\n".join([*parts, *_words(result)]) + "\n"


def latex(result: Compared) -> str:
    r"""Return the tables as LaTeX; they need ``\usepackage{booktabs}``."""
    from augtune.reporting.papers import escaped

    parts = []
    for table in _tables(result):
        head, *rows = [" & ".join(escaped(cell) for cell in line) + r" \\" for line in table.cells]
        columns = "l" * len(table.cells[0])
        title = [f"% {table.title}"] if table.title else []
        body = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *rows, r"\bottomrule"]
        parts.append("\n".join([*title, *body, r"\end{tabular}"]))
    return "\n\n".join([*parts, *(f"% {line}" for line in _words(result))]) + "\n"


def as_json(result: Compared) -> dict[str, Any]:
    """Return everything as one JSON object; ``arms`` and ``comparisons`` as in ``results.json``."""
    arms = {
        name: {
            "per_seed": [one.to_json() for one in own.per_seed],
            "mean": dict(own.mean),
            "std": dict(own.std),
            "interval": {metric: interval.to_json() for metric, interval in own.intervals.items()},
        }
        for name, own in result.scores.items()
    }
    value: dict[str, Any] = {
        "schema": 1,
        "rows": len(result.truth),
        "labels": list(result.truth.labels),
        "arms": arms,
        "comparisons": [one.to_json() for one in result.comparisons],
    }
    if result.subsets:
        value["subsets"] = [
            {"column": result.column, "value": name, "rows": result.subset_rows[name],
             "comparisons": [one.to_json() for one in part]}
            for name, part in result.subsets.items()
        ]  # fmt: skip
    if result.classes:
        value["classes"] = [one.to_json() for one in result.classes]
    return value


def _tables(result: Compared) -> list[_Table]:
    tables = [_Table("", _arms(result.scores))]
    if result.comparisons:
        tables.append(_Table("", [HEAD, *map(_line, result.comparisons)]))
    if result.subsets:
        rows = [
            (name, f"{result.subset_rows[name]}", *_line(one)) for name, part in result.subsets.items() for one in part
        ]
        if rows:
            tables.append(_Table(f"by {result.column}, a family of its own", [(result.column, "rows", *HEAD), *rows]))
    if result.classes:
        tables.append(_Table("by label, a family of its own", [HEAD, *map(_line, result.classes)]))
    return tables


def _arms(scores: Mapping[str, MeanScores]) -> list[tuple[str, ...]]:
    metrics = list(next(iter(scores.values())).mean)
    rows = [
        (name, *(f"{own.mean[m]:.3f} {own.intervals[m]}" for m in metrics), str(len(own.per_seed)))
        for name, own in scores.items()
    ]
    return [("predictions", *metrics, "seeds"), *rows]


def _line(one: Comparison) -> tuple[str, ...]:
    return (
        f"{one.arm} - {one.baseline}",
        one.metric,
        f"{one.difference:+.4f}",
        str(one.interval),
        _p(one.p),
        _p(one.p if one.p_adjusted is None else one.p_adjusted),
        one.test,
        one.verdict(),
    )


def _p(value: float) -> str:
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


def _words(result: Compared) -> Iterable[str]:
    """Yield effect sizes, what these rows could show, and what a test could not."""
    told = set()
    for one in result.comparisons:
        pair = (one.arm, one.baseline)
        if one.metric == "accuracy" and pair not in told:
            told.add(pair)
            yield f"{one.arm} - {one.baseline}: {_effect(one.effects)}"
    found: dict[str, list[float]] = {}
    for one in result.comparisons:
        if one.detectable:
            found.setdefault(one.metric, []).append(one.detectable)
    if found:
        limits = ", ".join(_limit(metric, values) for metric, values in found.items())
        yield f"These {len(result.truth)} rows cannot be trusted to show a difference under {limits} (power 80%)."
    reach: dict[str, float] = {}
    for one in result.comparisons:
        reach[one.test] = min(one.smallest_p, reach.get(one.test, 1.0))
    for test, smallest in reach.items():
        if smallest > 0.05:
            yield f"{test} could not give a p under {smallest:.2g} here, however large the difference."


def _effect(effects: Mapping[str, Any]) -> str:
    from augtune.evaluation.effects import PairedEffect

    words = [PairedEffect.words(effects)]
    if "cliffs_delta" in effects:
        words.append(f"Cliff's delta over seeds {effects['cliffs_delta']:+.2f}")
    return " · ".join(words)


def _limit(metric: str, values: Sequence[float]) -> str:
    scale, unit, digits = (100, " points of", 1) if metric in POINTS else (1, " of", 3)
    low, high = (f"{scale * value:.{digits}f}" for value in (min(values), max(values)))
    return f"{low if low == high else f'{low} to {high}'}{unit} {metric}"


def _rule(line: Sequence[str]) -> str:
    return f"| {' | '.join(line)} |"
