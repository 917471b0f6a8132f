"""Arms whose way of training was chosen: what each seed took and how sure that is, and the ways that were tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from augtune.core.decision import Decision, Tried
from augtune.reporting import words
from augtune.reporting.decision import ends_words, points_words
from augtune.reporting.grid import Cell, Column, Grid, count_cell, number_cell, text_cell
from augtune.reporting.read import RunView
from augtune.reporting.schema import SeedDecision

__all__ = ["Choices", "Way", "choices_of"]

# Ways drawn in the chart; the table has all.
DRAWN = 12
PAGE = "decision.html"


@dataclass(frozen=True, slots=True)
class Way:
    """A way of training in the chart, in percent of its width.

    Args:
        name: The way.
        low: Where its mean interval begins.
        high: Where that ends.
        dots: Where the expected gain of each seed is.
        taken: Whether a seed took it.
        told: What is read out and shown beside it.
    """

    name: str
    low: float
    high: float
    dots: tuple[float, ...]
    taken: bool
    told: str


@dataclass(frozen=True, slots=True)
class Choices:
    """The choices of an arm.

    Args:
        arm: The arm.
        lede: What was taken, in a sentence.
        seeds: A line per seed.
        ways: The chart.
        zero: Where no gain is in it, in percent of its width.
        tried: The same as a table.
    """

    arm: str
    lede: str
    seeds: Grid
    ways: tuple[Way, ...]
    zero: float
    tried: Grid


def choices_of(view: RunView) -> list[Choices]:
    """Return the choices of all arms that chose."""
    found = [(place, arm, view.arm_details(arm).decisions) for place, arm in enumerate(view.arms)]
    return [_choices(view, arm, place, made) for place, arm, made in found if made]


def _choices(view: RunView, arm: str, place: int, made: Sequence[SeedDecision]) -> Choices:
    lines = _lines([one.decision for one in made])
    scale = _Scale.of(lines[:DRAWN])
    return Choices(
        arm,
        _lede([one.decision for one in made]),
        _seeds(view, arm, place, made),
        tuple(line.drawn(scale) for line in lines[:DRAWN]),
        scale.at(0.0),
        _tried(place, lines, len(made)),
    )


def _lede(made: Sequence[Decision]) -> str:
    counts = Counter(one.chosen for one in made)
    if len(made) == 1:
        took = f"It took {made[0].chosen}."
    else:
        took = f"It took {words.spoken_list([f'{name} ({_seed_words(n)})' for name, n in counts.most_common()])}."
    gain, trainings = fmean(one.gain for one in made), fmean(one.trainings for one in made)
    each = " on average" if len(made) > 1 else ""
    seconds = words.duration(fmean(one.seconds for one in made))
    return (
        f"{took} Expected gain over human rows alone, as judged on them: {points_words(gain)} points of "
        f"{made[0].metric}{each}. Choosing and training took {trainings:.1f} trainings and {seconds}{each}."
    )


def _seed_words(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"


def _seeds(view: RunView, arm: str, place: int, made: Sequence[SeedDecision]) -> Grid:
    columns = [Column("Seed"), Column("Chosen"), Column("Probability of a gain", numeric=True)]
    columns += [Column(name, numeric=True) for name in ("Expected gain", "Ways tried", "Trainings", "Time")]
    columns.append(Column("Why"))
    rows = []
    for one in made:
        decision = one.decision
        is_base = decision.take == "human only"
        chance = (
            Cell(words.MISSING) if is_base else number_cell(decision.probability, words.share(decision.probability))
        )
        rows.append([
            Cell(str(one.seed), value=one.seed),
            Cell(decision.chosen, f"{decision.human:,} + {decision.synthetic:,} rows", decision.chosen, prose=True),
            chance,
            number_cell(decision.gain, points_words(decision.gain), "" if is_base else ends_words(decision.interval)),
            count_cell(len(decision.tried)),
            number_cell(decision.trainings, words.number(decision.trainings, 1)),
            number_cell(decision.seconds, words.duration(decision.seconds)),
            Cell(f"{decision.because[:1].upper()}{decision.because[1:]}.", prose=True, link=_link(view, arm, one)),
        ])  # fmt: skip
    caption = f"{arm}: what each seed chose. Rows are human and synthetic ones; gains are in points, after shrinkage."
    return Grid(f"table-choices-{place}", caption, columns, rows, sortable=False)


def _link(view: RunView, arm: str, one: SeedDecision) -> str:
    """Return where the seed's page is in the run folder, where the report is too; nothing if it is not there."""
    page = view.model_folder(arm, one.seed) / PAGE
    return page.relative_to(view.folder).as_posix() if page.is_file() else ""


@dataclass(frozen=True, slots=True)
class _Line:
    """A way over the seeds that tried it."""

    name: str
    about: str
    tried: tuple[Tried, ...]
    taken: int

    @property
    def gain(self) -> float:
        return fmean(one.gain for one in self.tried)

    @property
    def interval(self) -> tuple[float, float]:
        return fmean(one.interval[0] for one in self.tried), fmean(one.interval[1] for one in self.tried)

    def drawn(self, scale: _Scale) -> Way:
        low, high = self.interval
        dots = tuple(scale.at(one.gain) for one in self.tried)
        told = f"{points_words(self.gain)} {ends_words(self.interval)}"
        return Way(self.name, scale.at(low), scale.at(high), dots, self.taken > 0, told)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Gains in percent of the chart's width."""

    low: float
    room: float

    @classmethod
    def of(cls, lines: Sequence[_Line]) -> _Scale:
        ends = [0.0, *(end for line in lines for end in line.interval), *(t.gain for line in lines for t in line.tried)]
        return cls(min(ends), (max(ends) - min(ends)) or 0.01)

    def at(self, gain: float) -> float:
        return round(100 * (gain - self.low + 0.05 * self.room) / (1.1 * self.room), 2)


def _lines(made: Sequence[Decision]) -> list[_Line]:
    """Return all ways that a seed tried, the highest mean of expected gains first."""
    found: dict[str, list[Tried]] = {}
    for decision in made:
        for one in decision.tried:
            found.setdefault(one.name, []).append(one)
    taken = Counter(name for one in made for name in {one.chosen, *one.members})
    lines = [_Line(name, tried[0].about, tuple(tried), taken[name]) for name, tried in found.items()]
    return sorted(lines, key=lambda line: -line.gain)


def _tried(place: int, lines: Sequence[_Line], seeds: int) -> Grid:
    headings = (
        "Score",
        "Measured gain",
        "Expected gain",
        "Probability",
        "Time",
        *(("Seeds", "Taken") if seeds > 1 else ()),
    )
    columns = [Column("Way"), *(Column(name, numeric=True) for name in headings)]
    rows: list[list[Cell]] = []
    for line in lines:
        score, measured = fmean(one.score for one in line.tried), fmean(one.measured for one in line.tried)
        probability, seconds = (
            fmean(one.probability for one in line.tried),
            fmean(one.seconds for one in line.tried),
        )
        cells = [
            Cell(line.name, line.about, line.name, prose=True),
            number_cell(score, words.number(score)), number_cell(measured, points_words(measured)),
            number_cell(line.gain, points_words(line.gain), ends_words(line.interval), strong=line.taken > 0),
            number_cell(probability, words.share(probability)), number_cell(seconds, words.duration(seconds)),
        ]  # fmt: skip
        cells += [count_cell(len(line.tried)), count_cell(line.taken)] if seeds > 1 else []
        rows.append(cells)
    if not rows:
        rows = [[text_cell("nothing to compare"), *(text_cell("") for _ in headings)]]
    over = "; means over the seeds that tried it" if seeds > 1 else ""
    caption = (
        "The ways that were tried: score on held-out human rows, gains over human rows alone in points, the expected "
        f"one after shrinkage with its 95 % interval{over}."
    )
    return Grid(f"table-ways-{place}", caption, columns, rows, quiet=True)
