"""Decision: what was tried to make a classifier, what was taken and why, as plain values. Loads without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

__all__ = ["Boost", "BoostRound", "ClassNeed", "Decision", "LearningPoint", "LeftOut", "RowPlan", "Tried"]

Ends = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Tried:
    """One way of training that was tried.

    Args:
        name: What it is called.
        about: What it does, in words.
        rung: Highest rung it was measured on: 0 on frozen vectors, 1 by short trainings.
        score: Mean score on held-out human rows on that rung.
        measured: Its score less that of human rows alone there.
        gain: The gain expected of the real training, after shrinkage.
        interval: 95 % interval of that.
        probability: Probability that it gains anything.
        steps: Optimizer steps that trying it took.
        seconds: Time that trying it took.
    """

    name: str
    about: str
    rung: int
    score: float
    measured: float
    gain: float
    interval: Ends
    probability: float
    steps: int
    seconds: float


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A way that was not tried.

    Args:
        name: What it is called.
        because: Why.
    """

    name: str
    because: str


@dataclass(frozen=True, slots=True)
class LearningPoint:
    """What a probe scores with a part of the rows, for a curve of learning.

    Args:
        rows: ``human`` or ``synthetic``: which rows were cut.
        share: Part of them that was used.
        count: How many that is, on average over folds.
        score: Mean score on held-out human rows.
        gain: Score less that with all of them.
        interval: 95 % interval of that difference.
    """

    rows: str
    share: float
    count: int
    score: float
    gain: float
    interval: Ends


@dataclass(frozen=True, slots=True)
class ClassNeed:
    """How well a class is found.

    Args:
        label: The class.
        human: Human rows of it.
        synthetic: Synthetic rows of it.
        recall: Share of its held-out human rows that were predicted right; None where none of it is ever held out.
        interval: 95 % interval of that.
    """

    label: str
    human: int
    synthetic: int
    recall: float | None
    interval: Ends


@dataclass(frozen=True, slots=True)
class RowPlan:
    """What more rows of one sort it would take to reach a score.

    Args:
        rows: ``human`` or ``synthetic``.
        more: How many more; None where that cannot be told.
        interval: At least and at most so many, by the 95 % interval of the curve; None for no bound.
        usd: What they would cost; None where a price or the number is not known.
        because: Why it cannot be told, or that nothing is missing.
    """

    rows: str
    more: int | None
    interval: tuple[int, int | None]
    usd: float | None
    because: str = ""


@dataclass(frozen=True, slots=True)
class BoostRound:
    """One round in which a language model wrote rows, and what they came to on held-out human rows.

    Args:
        asked: Rows asked for, by class.
        kept: Rows of this round that were kept, by class.
        score: Mean score of a stand-in with the rows of this round and those before.
        gain: That less the score without the rows of this round.
        interval: 95 % interval of the gain, after shrinkage.
        probability: Probability that there is one.
    """

    asked: Mapping[str, int]
    kept: Mapping[str, int]
    score: float
    gain: float
    interval: Ends
    probability: float


@dataclass(frozen=True, slots=True)
class Boost:
    """Rows written in rounds, each by what the rows before it left to be desired.

    Args:
        rounds: The rounds there were.
        planned: Rounds there were to be at most.
        rows: Rows to be written in all of these.
        because: Why they ended.
        metric: Title of the score.
        base_score: Mean score of the stand-in before the first round.
    """

    rounds: tuple[BoostRound, ...]
    planned: int
    rows: int
    because: str
    metric: str
    base_score: float

    @property
    def kept(self) -> dict[str, int]:
        """Rows that were kept, by class."""
        labels = dict.fromkeys(label for one in self.rounds for label in (*one.asked, *one.kept))
        return {label: sum(one.kept.get(label, 0) for one in self.rounds) for label in labels}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Boost:
        """Return what a JSON object of ``Decision.to_json`` describes."""
        known = {one.name: value[one.name] for one in fields(cls)}
        return cls(**{**known, "rounds": tuple(BoostRound(**_tupled(row)) for row in known["rounds"])})

    def __str__(self) -> str:
        asked = sum(sum(one.asked.values()) for one in self.rounds)
        told = ", ".join(f"{label} {count}" for label, count in self.kept.items())
        return (
            f"written in {len(self.rounds)} of {self.planned} rounds, {asked} of {self.rows} rows asked for: "
            f"{self.because} · kept: {told}"
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """What was tried to make a classifier, what was taken and why.

    Args:
        chosen: The way taken, e.g. ``mix 0.25``, or ``average of human_only and mix 0.25``.
        take: ``alone``, ``averaged`` or ``human only``.
        members: The trainings whose models are in the classifier; more than one is averaged.
        distilled: Whether the classifier is one model that learned the average's probabilities, and not the average.
        because: Why, in a sentence.
        metric: Title of the score.
        gain: Gain over human rows alone that is expected.
        interval: 95 % interval of that.
        probability: Probability that there is one.
        human: Human rows.
        synthetic: Synthetic rows.
        held_back: Synthetic rows that a fold leaves out, on average.
        folds: Parts of the human rows.
        repeats: How often they were parted.
        tried: All ways tried, the highest expected gain first.
        left_out: Those that were not, and why.
        base_score: Mean score of human rows alone on the highest rung there was.
        learning: What parts of the rows score, by a probe.
        classes: How well each class is found.
        target: The score that ``plans`` are about; None where none was named.
        plans: What more rows it would take to reach it, the cheapest first.
        steps: Optimizer steps in all, those of the final training included.
        trainings: The same in full trainings.
        seconds: Time in all.
        usd: What language models cost; None if a price is unknown.
        boost: The rounds in which a language model wrote rows by need; None where it wrote none, or all at once.
        seed: Seed of everything drawn.
        notes: What else has to be known.
    """

    chosen: str
    take: str
    members: tuple[str, ...]
    because: str
    metric: str
    gain: float
    interval: Ends
    probability: float
    human: int
    synthetic: int
    held_back: float
    folds: int
    repeats: int
    tried: tuple[Tried, ...]
    left_out: tuple[LeftOut, ...]
    base_score: float
    learning: tuple[LearningPoint, ...] = ()
    classes: tuple[ClassNeed, ...] = ()
    target: float | None = None
    plans: tuple[RowPlan, ...] = ()
    steps: int = 0
    trainings: float = 0.0
    seconds: float = 0.0
    usd: float | None = 0.0
    boost: Boost | None = None
    seed: int = 0
    notes: tuple[str, ...] = ()
    distilled: bool = False

    @property
    def taken(self) -> str:
        """What the classifier is, e.g. ``average of human_only and mix 0.25, distilled into one model``."""
        return f"{self.chosen}, distilled into one model" if self.distilled else self.chosen

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Decision:
        """Return the decision a JSON object of ``to_json`` describes."""
        known = {one.name: value[one.name] for one in fields(cls) if one.name in value}
        parts: dict[str, Any] = {"tried": Tried, "left_out": LeftOut, "learning": LearningPoint, "classes": ClassNeed}
        parts["plans"] = RowPlan
        for name, kind in parts.items():
            known[name] = tuple(kind(**_tupled(row)) for row in known.get(name, ()))
        if known.get("boost") is not None:
            known["boost"] = Boost.from_json(known["boost"])
        return cls(**_tupled(known))

    def __str__(self) -> str:
        low, high = (100 * end for end in self.interval)
        return (
            f"chosen: {self.taken} · {self.because}\n"
            f"expected gain over human rows alone: {100 * self.gain:+.1f} points of {self.metric} "
            f"[{low:+.1f}, {high:+.1f}] · {len(self.tried)} ways tried on {self.folds} × {self.repeats} folds · "
            f"{self.trainings:.1f} trainings, {self.seconds:.0f} s"
        )


def _tupled(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
