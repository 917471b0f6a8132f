"""The report's tables: arms, differences, classes, confusion, rows dropped, cost."""

from __future__ import annotations

from collections.abc import Mapping

from augtune.reporting import words
from augtune.reporting.grid import Cell, Column, Grid, count_cell, number_cell, text_cell
from augtune.reporting.palette import ArmStyle
from augtune.reporting.read import RunView
from augtune.reporting.schema import ArmDetails, Comparison, CostRecord

__all__ = [
    "arms_grid",
    "classes_grid",
    "confusion_grid",
    "confusions_list",
    "cost_grid",
    "curation_grid",
    "differences_grid",
    "f1_grid",
    "labels_grid",
    "points_cost",
]

MATRIX_LIMIT = 20
"""More classes than this make a matrix nobody reads; the most frequent confusions are listed instead."""

Styles = Mapping[str, ArmStyle]


def _arm_cell(styles: Styles, arm: str, note: str = "") -> Cell:
    return Cell(arm, note, arm, arm=styles[arm])


def arms_grid(view: RunView, styles: Styles) -> Grid:
    """Return every arm with mean, interval and std of each metric, its rows, cost and training time."""
    columns = [Column("Arm")]
    columns += [Column(words.metric_name(metric), numeric=True) for metric in view.metrics]
    columns += [Column(name, numeric=True) for name in ("Human rows", "Synthetic rows", "Cost", "Training")]
    best = {metric: _best_value(view, metric) for metric in view.metrics}
    rows = []
    for name in view.arms:
        arm = view.arm(name)
        cells = [_arm_cell(styles, name, view.arm_details(name).model)]
        for metric in view.metrics:
            mean, std = arm.mean.get(metric), arm.std.get(metric)
            spread = "" if std is None else f"±{words.NO_BREAK}{words.number(std)}"
            note = f"{words.interval(arm.interval.get(metric))} {spread}".strip()
            cells.append(number_cell(mean, words.number(mean), note, strong=mean is not None and mean == best[metric]))
        cells += [count_cell(arm.rows.human), count_cell(arm.rows.synthetic)]
        cells.append(number_cell(arm.cost.usd, words.money(arm.cost.usd)))
        cells.append(number_cell(arm.train_seconds, words.duration(arm.train_seconds)))
        rows.append(cells)
    foot = [[_reference_name(), *(_reference(view, metric) for metric in view.metrics), *[Cell("")] * 4]]
    return Grid(
        "table-arms",
        f"Every arm on {words.count(view.test_rows)} test rows: {_averaged(view)}.",
        columns,
        rows,
        foot if "majority" in view.results.references else (),
    )


def _seeds(view: RunView) -> str:
    return "1 seed" if len(view.seeds) == 1 else f"{len(view.seeds)} seeds"


def _averaged(view: RunView) -> str:
    if len(view.seeds) == 1:
        return f"one seed, {view.within} interval"
    return f"mean over {_seeds(view)}, {view.within} interval, ± standard deviation over seeds"


def _reference_name() -> Cell:
    return Cell("majority", "always the largest class")


def _reference(view: RunView, metric: str) -> Cell:
    return Cell(words.number(view.majority(metric)))


def _best_value(view: RunView, metric: str) -> float | None:
    means = [mean for arm in view.arms if (mean := view.arm(arm).mean.get(metric)) is not None]
    if not means:
        return None
    return min(means) if metric in words.LOWER_IS_BETTER else max(means)


def differences_grid(view: RunView, styles: Styles) -> Grid:
    """Return every difference against the baseline with interval, p, adjusted p and test."""
    headings = ("Difference", f"{view.within} interval", "Adjusted interval", "p", "Adjusted p")
    columns = [Column("Arm"), Column("Metric"), *(Column(name, numeric=True) for name in headings)]
    columns += [Column("Test"), Column("Holds at 5 %")]
    rows = []
    for row in view.comparisons():
        if row.arm not in styles:
            continue
        rows.append(
            [
                _arm_cell(styles, row.arm, "" if row.baseline == view.baseline else f"against {row.baseline}"),
                text_cell(words.metric_name(row.metric)),
                number_cell(row.difference, words.difference(row.difference)),
                _bounds_cell(row.interval),
                _bounds_cell(row.interval_adjusted),
                number_cell(row.p, words.p_value(row.p)),
                number_cell(row.p_adjusted, words.p_value(row.p_adjusted)),
                text_cell(words.test_name(row.test)),
                Cell(_held(row), value=row.p_adjusted, strong=_holds(row)),
            ]
        )
    return Grid("table-differences", "Differences against the baseline.", columns, rows, quiet=True)


def _bounds_cell(bounds: tuple[float, float] | None) -> Cell:
    """Return a cell of an interval, sorted by its lower end."""
    return number_cell(bounds[0] if bounds else None, words.interval(bounds, signed=True) or words.MISSING)


def _holds(row: Comparison) -> bool:
    return row.p_adjusted is not None and row.p_adjusted < words.ALPHA


def _held(row: Comparison) -> str:
    if row.p_adjusted is None:
        return words.MISSING
    if not _holds(row):
        return "not shown"
    gain = (row.difference or 0.0) * (-1 if row.metric in words.LOWER_IS_BETTER else 1)
    return "better" if gain > 0 else "worse"


def labels_grid(view: RunView) -> Grid:
    """Return the rows per label: human training rows, synthetic rows of each arm that has some, test rows.

    Where arms differ in their human rows, each arm has a column of its own for them.
    """
    shared, test = view.shared_human(), view.details.counts.test
    sets = [(f"Human: {arm}", view.human(arm)) for arm in view.arms] if shared is None else [("Human", shared)]
    written = ((arm, view.arm_details(arm).synthetic) for arm in view.arms)
    sets += [(f"Synthetic: {arm}", counts) for arm, counts in written if any(counts.values())]
    sets.append(("Test", test))
    rows = [[text_cell(label), *(count_cell(counts.get(label, 0)) for _, counts in sets)] for label in view.labels]
    columns = [Column("Label"), *(Column(name, numeric=True) for name, _ in sets)]
    return Grid("table-labels", "Rows per label.", columns, rows, quiet=True)


def f1_grid(view: RunView) -> Grid:
    """Return the F1 of each class in each arm, the best of each class set apart."""
    tables = {arm: view.per_class(arm) for arm in view.arms}
    rows = []
    for label in view.labels:
        found = {arm: tables[arm][label].f1 for arm in view.arms if label in tables[arm]}
        top = max(found.values(), default=None)
        cells = [text_cell(label), count_cell(view.details.counts.test.get(label, 0))]
        for arm in view.arms:
            value = found.get(arm)
            cells.append(number_cell(value, words.number(value), strong=value is not None and value == top))
        rows.append(cells)
    columns = [Column("Class"), Column("Test rows", numeric=True), *(Column(arm, numeric=True) for arm in view.arms)]
    return Grid("table-f1", f"F1 of each class by arm, mean over {_seeds(view)}.", columns, rows)


def classes_grid(view: RunView, arm: str, place: int) -> Grid:
    """Return precision, recall, F1 and support of each class in one arm."""
    rows = []
    for label, scores in view.per_class(arm).items():
        values = (scores.precision, scores.recall, scores.f1)
        numbers = [number_cell(value, words.number(value)) for value in values]
        rows.append([text_cell(label), *numbers, count_cell(round(scores.support))])
    headings = ("Precision", "Recall", "F1", "Support")
    columns = [Column("Class"), *(Column(name, numeric=True) for name in headings)]
    return Grid(f"table-classes-{place}", f"{arm}: each class, mean over {_seeds(view)}.", columns, rows, quiet=True)


def confusion_grid(view: RunView, arm: str, place: int) -> Grid:
    """Return an arm's confusion matrix, each row shaded by its shares; counts are summed over the seeds."""
    rows: list[list[Cell]] = []
    for label, counts in zip(view.labels, view.arm_details(arm).confusion, strict=True):
        total = max(sum(counts), 1)
        cells = [Cell(words.count(n), depth=n / total, strong=k == len(rows)) for k, n in enumerate(counts)]
        rows.append([Cell(label), *cells])
    columns = [Column("True class"), *(Column(label, numeric=True) for label in view.labels)]
    told = "rows are the true class, columns the predicted one"
    if view.details.task == "multi_label":
        told = "in bold a label's rows in which it is found; beside it those in which it is missed and another is wrong"
    caption = f"{arm}: {told}; predictions of {_seeds(view)} together."
    return Grid(f"table-confusion-{place}", caption, columns, rows, sortable=False, quiet=True)


def confusions_list(view: RunView, arm: str, place: int, *, limit: int = 15) -> Grid:
    """Return an arm's most frequent confusions, for tasks with too many classes for a matrix."""
    found = []
    for truth, counts in zip(view.labels, view.arm_details(arm).confusion, strict=True):
        total = max(sum(counts), 1)
        found += [
            (n, n / total, truth, other) for other, n in zip(view.labels, counts, strict=True) if n and other != truth
        ]
    found.sort(key=lambda row: (-row[0], row[2], row[3]))
    rows = [
        [text_cell(truth), Cell(other, value=other, prose=True), count_cell(n), number_cell(part, words.share(part))]
        for n, part, truth, other in found[:limit]
    ]
    columns = [Column("True class"), Column("Predicted"), Column("Rows", numeric=True)]
    columns.append(Column("Of its class", numeric=True))
    caption = f"{arm}: the most frequent confusions, predictions of {_seeds(view)} together."
    return Grid(f"table-confusion-{place}", caption, columns, rows, quiet=True)


def curation_grid(view: RunView, styles: Styles) -> Grid:
    """Return what became of the rows written for each arm: kept, dropped by whom and why, short of the plan.

    Arms to whose rows the same happened share a line.
    """
    groups: list[tuple[ArmDetails, list[str]]] = []
    for arm in view.arms:
        details = view.arm_details(arm)
        if not (details.synthetic or details.dropped or details.shortfall):
            continue
        same = [arms for other, arms in groups if _fate(other) == _fate(details)]
        if same:
            same[0].append(arm)
        else:
            groups.append((details, [arm]))
    columns = [Column("Arm"), *(Column(name, numeric=True) for name in ("Written", "Kept", "Dropped"))]
    columns += [Column("Dropped by whom and why"), Column("Fewer than asked", numeric=True)]
    rows = [_curation_row(details, arms, styles) for details, arms in groups]
    return Grid("table-curation", "From written to kept.", columns, rows, quiet=True)


def _fate(details: ArmDetails) -> tuple[Mapping[str, int], Mapping[str, Mapping[str, int]], Mapping[str, int]]:
    return details.synthetic, details.dropped, details.shortfall


def _curation_row(details: ArmDetails, arms: list[str], styles: Styles) -> list[Cell]:
    kept = sum(details.synthetic.values())
    dropped = sum(sum(reasons.values()) for reasons in details.dropped.values())
    why = "; ".join(
        f"{name}: {', '.join(f'{words.count(n)} {reason}' for reason, n in reasons.items())}"
        for name, reasons in details.dropped.items()
    )
    name = _arm_cell(styles, arms[0]) if len(arms) == 1 else text_cell(words.spoken_list(arms))
    counts = [count_cell(kept + dropped), count_cell(kept), count_cell(dropped)]
    reasons = Cell(why or words.MISSING, value=why or None, prose=True)
    return [name, *counts, reasons, count_cell(sum(details.shortfall.values()))]


def cost_grid(view: RunView, styles: Styles) -> Grid:
    """Return what each arm's model calls cost, and what a point gained on the baseline came to."""
    headings = ("Cost", "Paid calls", "From cache", "Tokens in", "Tokens out", "Per point gained", "Training")
    rows = []
    for name in view.arms:
        arm = view.arm(name)
        cost = arm.cost
        per_point = points_cost(view, name)
        rows.append(
            [
                _arm_cell(styles, name),
                number_cell(cost.usd, words.money(cost.usd)),
                *(count_cell(n) for n in (cost.calls, cost.cached, cost.tokens_in, cost.tokens_out)),
                number_cell(per_point, words.MISSING if per_point is None else words.money(per_point)),
                number_cell(arm.train_seconds, words.duration(arm.train_seconds)),
            ]
        )
    columns = [Column("Arm"), *(Column(name, numeric=True) for name in headings)]
    caption = "What each arm's model calls cost. Arms that share generated rows share their cost: do not add them up."
    return Grid("table-cost", caption, columns, rows)


def points_cost(view: RunView, arm: str) -> float | None:
    """Return dollars per point gained on the baseline in the metric that decides; None without cost or gain."""
    cost: CostRecord = view.arm(arm).cost
    compared = view.comparison(arm)
    baseline = view.baseline if compared is None else compared.baseline
    if not cost.usd or baseline not in view.arms or arm == baseline:
        return None
    ours, theirs = (view.arm(name).mean.get(view.metric) for name in (arm, baseline))
    if ours is None or theirs is None or view.metric in words.NO_SHARE:
        return None
    points = 100 * (ours - theirs) * (-1 if view.metric in words.LOWER_IS_BETTER else 1)
    return cost.usd / points if points > 0 else None
