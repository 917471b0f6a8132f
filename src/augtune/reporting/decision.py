"""The page that says why: what a choice tried, what it took, what more rows might do; one file that opens offline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augtune.core.decision import Boost, BoostRound, ClassNeed, Decision, LearningPoint
from augtune.core.files import atomic_write
from augtune.reporting import words
from augtune.reporting.grid import Cell, Column, Grid, count_cell, number_cell, text_cell
from augtune.reporting.pages import own, render, static
from augtune.reporting.palette import css_variables

__all__ = [
    "Bar",
    "bars_of",
    "decision_page",
    "decision_parts",
    "ends_words",
    "learning_words",
    "need_words",
    "plan_words",
    "points_words",
]

# Ways drawn in the chart; the table has all.
DRAWN = 12
# Most classes that are named as in need of rows.
NAMED = 3
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True)
class Bar:
    """A way's gain in the chart, in percent of its width.

    Args:
        name: The way.
        low: Where its interval begins.
        middle: Where its gain is.
        high: Where its interval ends.
        taken: Whether its model is in the classifier.
        told: What is read out and shown beside it.
    """

    name: str
    low: float
    middle: float
    high: float
    taken: bool
    told: str


def decision_page(decision: Decision, out: Path | str, *, title: str) -> Path:
    """Write the page of a choice and return where it is: the same bytes for the same decision.

    Args:
        decision: The choice.
        out: The file to write.
        title: What the page is called.

    Raises:
        StorageError: If the file cannot be written.
    """
    page = render(
        "decision.html.jinja2",
        {
            "title": title,
            "css": own(static("report.css")),
            "light": css_variables(dark=False),
            "dark": css_variables(dark=True),
            "policy": POLICY,
            "words": words,
            **decision_parts(decision),
        },
    )
    path = Path(out)
    with atomic_write(path, binary=True) as stream:
        stream.write(page.encode("utf-8", errors="replace"))
    return path


def decision_parts(decision: Decision) -> dict[str, Any]:
    """Return what the template shows of a decision."""
    return {
        "decision": decision,
        "lede": _lede(decision),
        "bars": bars_of(decision),
        "zero": _scale(decision)(0.0),
        "tried": _tried(decision),
        "left_out": decision.left_out,
        "learning": learning_words(decision),
        "plans": plan_words(decision),
        "learning_grid": _learning(decision),
        "needs": need_words(decision),
        "classes": _classes(decision),
        "rounds": None if decision.boost is None else _rounds(decision.boost),
        "facts": _facts(decision),
    }


def points_words(value: float) -> str:
    """Return a gain in points, with its sign."""
    text = words.number(100 * value, 1)
    return text if text.startswith("-") or float(text) == 0 else f"+{text}"


def ends_words(interval: tuple[float, float]) -> str:
    """Return the interval of a gain in points."""
    return f"[{points_words(interval[0])}, {points_words(interval[1])}]"


def _lede(decision: Decision) -> str:
    if decision.take == "human only":
        one = ", and distilled into one model" if decision.distilled else ""
        return f"Trained on the {decision.human:,} human rows alone{one}: nothing else was likely enough to be better."
    return (
        f"Chosen: {decision.taken}. It should gain {points_words(decision.gain)} points of {decision.metric} "
        f"{ends_words(decision.interval)} over human rows alone."
    )


def _facts(decision: Decision) -> list[tuple[str, str, str]]:
    chance = "–" if decision.take == "human only" else words.share(decision.probability)
    return [
        ("Probability of a gain", chance, "over human rows alone, after shrinkage"),
        ("Rows", f"{decision.human:,} + {decision.synthetic:,}", "human and synthetic"),
        (
            "Judged by",
            f"{decision.folds} × {decision.repeats} folds",
            f"of human rows; {decision.held_back:,.0f} synthetic rows held back from each on average",
        ),
        ("It took", words.duration(decision.seconds), f"{decision.steps:,} steps, {decision.trainings:.1f} trainings"),
        ("Language models", words.money(decision.usd), "what the synthetic rows cost here"),
    ]


def _scale(decision: Decision) -> Any:
    """Return a function from a gain to percent of the chart's width."""
    ends = [end for one in decision.tried[:DRAWN] for end in one.interval] + [0.0]
    low, high = min(ends), max(ends)
    room = (high - low) or 0.01
    return lambda value: round(100 * (value - low + 0.05 * room) / (1.1 * room), 2)


def bars_of(decision: Decision) -> list[Bar]:
    """Return the ways as the chart draws them, the highest expected gain first."""
    scale = _scale(decision)
    return [
        Bar(
            one.name, scale(one.interval[0]), scale(one.gain), scale(one.interval[1]),
            one.name in (decision.chosen, *decision.members),
            f"{points_words(one.gain)} {ends_words(one.interval)}",
        )
        for one in decision.tried[:DRAWN]
    ]  # fmt: skip


def _tried(decision: Decision) -> Grid:
    headings = (decision.metric, "Measured gain", "Expected gain", "Probability", "Rung", "Steps", "Time")
    columns = [Column("Way"), *(Column(name, numeric=True) for name in headings)]
    rows: list[list[Cell]] = []
    for one in decision.tried:
        rows.append([
            Cell(one.name, one.about, one.name, prose=True),
            number_cell(one.score, words.number(one.score)),
            number_cell(one.measured, points_words(one.measured)),
            number_cell(one.gain, points_words(one.gain), ends_words(one.interval), strong=one.name == decision.chosen),
            number_cell(one.probability, words.share(one.probability)),
            number_cell(one.rung, str(one.rung)), count_cell(one.steps),
            number_cell(one.seconds, words.duration(one.seconds)),
        ])  # fmt: skip
    base = [text_cell("human_only"), number_cell(decision.base_score, words.number(decision.base_score))]
    foot = [*base, *(text_cell("") for _ in range(len(columns) - 2))]
    caption = (
        "Scores on held-out human rows, and gains over human rows alone in points. Rung 0: a regression on frozen "
        "vectors stands in; rung 1: short trainings. The expected gain is what is left after shrinkage, with its 95 % "
        "interval."
    )
    return Grid("table-tried", caption, columns, rows, [foot], sortable=False)


def learning_words(decision: Decision) -> list[str]:
    """Return what the learning curves say, with care: by probes, and no further than the rows there are."""
    told = []
    for sort, name in (("human", "human rows"), ("synthetic", "synthetic rows")):
        half = next((one for one in decision.learning if one.rows == sort and one.share == 0.5), None)
        if half is None:
            continue
        low, high = half.interval
        loss = f"half of the {name} cost {points_words(half.gain)} points {ends_words(half.interval)}"
        if high < 0:
            told.append(f"More {name} would probably help: {loss} against all of them.")
        elif low > 0:
            told.append(f"More {name} would hardly help: with {name.replace('rows', 'rows cut to half')} it was better "
                        f"by {points_words(half.gain)} points {ends_words(half.interval)}.")  # fmt: skip
        else:
            told.append(f"Whether more {name} would help cannot be told: {loss} against all of them.")
    if told:
        told.append(
            "These are probes on frozen vectors; a fine-tuned encoder may need more rows or fewer, and a curve says "
            "nothing of what lies beyond the rows there are."
        )
    return told


def plan_words(decision: Decision) -> list[str]:
    """Return what rows it would take to reach the score that was named, the cheapest way first."""
    told = []
    for one in decision.plans:
        if one.because:
            told.append(f"With {one.rows} rows: {one.because}.")
            continue
        low, high = one.interval
        most = "more than the curve can say" if high is None else f"{high:,}"
        cost = "" if one.usd is None else f", about {words.money(one.usd)}"
        told.append(f"With about {one.more:,} more {one.rows} rows (from {low:,} to {most}){cost}.")
    return told


def _learning(decision: Decision) -> Grid | None:
    if not decision.learning:
        return None
    columns = [
        Column("Rows"),
        *(Column(name, numeric=True) for name in ("Share", "Rows used", decision.metric, "Less")),
    ]
    rows = [[_learning_name(one), *_learning_cells(one)] for one in decision.learning]
    return Grid("table-learning", "What probes score with a part of the rows.", columns, rows, sortable=False)


def _learning_name(one: LearningPoint) -> Cell:
    return text_cell("human alone" if one.rows == "human" else "synthetic, beside all human")


def _learning_cells(one: LearningPoint) -> list[Cell]:
    less = "" if one.share == 1 else points_words(one.gain)
    return [
        number_cell(one.share, words.share(one.share)), count_cell(one.count),
        number_cell(one.score, words.number(one.score)),
        number_cell(one.gain, less, "" if one.share == 1 else ends_words(one.interval)),
    ]  # fmt: skip


def need_words(decision: Decision) -> str:
    """Return which classes are found worst, if that is beyond chance."""
    judged = [(one, one.recall) for one in decision.classes if one.recall is not None]
    total = sum(one.human for one, _ in judged)
    mean = sum(recall * one.human for one, recall in judged) / total if total else 0.0
    poor = [(one.label, recall) for one, recall in judged if one.human and one.interval[1] < mean]
    unknown = [one.label for one in decision.classes if one.recall is None]
    told = "No class is found worse than the others beyond chance."
    if poor:
        named = words.spoken_list([f"{label} ({words.share(recall)})" for label, recall in poor[:NAMED]])
        told = f"Worst found, beyond chance: {named}; overall {words.share(mean)}. Rows of these would help first."
    if not unknown:
        return told
    rest = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
    return f"{told} Not judged, for want of rows that could be held out: {', '.join(unknown[:NAMED])}{rest}."


def _classes(decision: Decision) -> Grid:
    columns = [Column("Class"), *(Column(name, numeric=True) for name in ("Human rows", "Synthetic rows", "Recall"))]
    rows = [
        [
            Cell(one.label, value=one.label, prose=True), count_cell(one.human), count_cell(one.synthetic),
            _recall(one),
        ]
        for one in decision.classes
    ]  # fmt: skip
    return Grid(
        "table-classes", "Share of each class's held-out human rows that is found.", columns, rows, sortable=False
    )


def _recall(one: ClassNeed) -> Cell:
    if one.recall is None:
        return number_cell(None, "not judged")
    return number_cell(one.recall, words.number(one.recall), words.interval(one.interval))


def _kept(one: BoostRound, label: str) -> Cell:
    kept = one.kept.get(label, 0)
    return number_cell(kept, words.count(kept), f"of {one.asked.get(label, 0)}")


def _rounds(boost: Boost) -> Grid:
    """Return the rounds in which rows were written: what each class got, and what it came to."""
    labels = list(boost.kept)
    columns = [Column("Round"), *(Column(label, numeric=True) for label in labels)]
    columns += [Column(name, numeric=True) for name in (boost.metric, "Measured gain", "Probability")]
    rows = [
        [
            Cell(str(number), value=number),
            *(_kept(one, label) for label in labels),
            number_cell(one.score, words.number(one.score)), number_cell(one.gain, points_words(one.gain)),
            number_cell(one.probability, words.share(one.probability)),
        ]
        for number, one in enumerate(boost.rounds, start=1)
    ]  # fmt: skip
    foot = [text_cell("all"), *(count_cell(boost.kept[label]) for label in labels), *(text_cell("") for _ in range(3))]
    caption = (
        f"Rows kept of each class, of those asked for; {boost.metric} of a stand-in on held-out human rows, "
        f"{words.number(boost.base_score)} before the first round, and the gain of each round in points."
    )
    return Grid("table-rounds", caption, columns, rows, [foot], sortable=False)
