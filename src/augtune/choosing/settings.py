"""ChooseSettings: the keys of ``choose:`` in an experiment file, and the keywords of ``fit``. Loads without torch."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from augtune.choosing import CANDIDATES
from augtune.choosing.candidates.base import Candidate
from augtune.choosing.candidates.human_only import HumanOnly
from augtune.choosing.decide import DecideSettings
from augtune.choosing.folds import FoldSettings
from augtune.core.errors import SettingsError
from augtune.core.settings import Settings, suggestion
from augtune.evaluation.metrics import metrics_of

__all__ = ["DEFAULT_CANDIDATES", "RULE", "ChooseSettings"]

RULE = 4
"""Raised when something else is chosen from the same rows by the same settings."""

# Final trainings where an average is distilled: its two and that of the one model.
LEAST_DISTILLED = 3

DEFAULT_CANDIDATES: tuple[Any, ...] = (
    "human_only",
    "probe",
    "contrastive",
    *({"kind": "mix", "weight": weight} for weight in (1.0, 0.5, 0.25, 0.1)),
    "two_stage",
    "curriculum",
    "quality",
    "imp",
    "dimp",
    {"kind": "best_quality", "share": 0.5},
    "balanced",
    "logit_adjusted",
)


def _parsed(value: Any) -> tuple[Candidate, ...]:
    """Return the candidates of a list of names and mappings; all problems are told at once."""
    if not isinstance(value, (list, tuple)):
        raise SettingsError(f"candidates: expected a list such as [mix, two_stage], got {value!r}")
    found, problems = CANDIDATES.parse_each(value, where="candidates")
    names = [one.name for one in found]
    problems += [f"candidates: two are called {name!r}" for name in dict.fromkeys(names) if names.count(name) > 1]
    if problems:
        raise SettingsError(problems)
    return tuple(found)


Candidates = Annotated[
    tuple[Candidate, ...], BeforeValidator(_parsed), PlainSerializer(lambda value: [one.to_json() for one in value])
]


class ChooseSettings(Settings):
    """How the way of training is chosen."""

    candidates: Candidates = Field(default=DEFAULT_CANDIDATES, validate_default=True)
    """Ways of training that are compared, each a name or a mapping with kind and its own keys; human_only is always
    one of them."""
    add: Candidates = ()
    """Ways besides those."""
    exclude: tuple[str, ...] = ()
    """Names of ways not to try, such as curriculum, or mix for all of a kind."""
    metric: str = "macro_f1"
    """What decides: a metric of shares, higher is better, that adds up over rows."""
    folds: FoldSettings = FoldSettings()
    """How human rows are parted: {folds, repeats, near}."""
    decide: DecideSettings = DecideSettings()
    """The rule: {prior, sure, likely, learned_from}."""
    trainings: float = Field(default=6.0, ge=1, allow_inf_nan=False)
    """Most it may cost, the final training included, in full trainings by optimizer steps; probes are not counted."""
    max_steps: int | None = Field(default=None, ge=1)
    """Most optimizer steps it may take, the final training included; None: what trainings allows."""
    max_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Seconds after which nothing more is tried and the final training begins; what is chosen then depends on the
    machine's speed. None: no limit."""
    average: bool = True
    """Whether up to three final trainings are averaged, of several ways or of one with several seeds; they are saved as
    one folder and take two or three times as long to predict. false: one model of one training."""
    distill: bool = False
    """Whether one more model is trained, on the probabilities of that average, and takes its place: it predicts in the
    time of one. It takes as many steps as a full training, which trainings and max_steps have to leave room for."""
    learning: bool = True
    """Whether to find out, by probes, if more rows would help."""

    target: float | None = Field(default=None, gt=0, le=1)
    """Score to be reached: the page then says what rows it would take, as far as the curves of learning can."""
    human_row_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """What another human row would cost."""
    synthetic_row_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """What another synthetic row would cost; None: what the present ones did, where a language model wrote them."""

    @model_validator(mode="after")
    def _agree(self) -> ChooseSettings:
        every = (*self.candidates, *self.add)
        names = [one.name for one in every]
        known = sorted({*names, *(one.kind for one in every)})
        problems = [
            f"exclude: nothing is called {name!r}{suggestion(name, known)}"
            for name in self.exclude
            if name not in known
        ]
        problems += [f"add: two ways are called {name!r}" for name in dict.fromkeys(names) if names.count(name) > 1]
        problems += self._metric_problems()
        if self.distill and not self.average:
            problems.append("distill: with average: false there is nothing to distill; leave one of them out")
        elif self.distill and self.trainings < LEAST_DISTILLED:
            problems.append(
                f"distill: takes {LEAST_DISTILLED} trainings in the end, two that are averaged and the small model's; "
                f"trainings allows {self.trainings:g}"
            )
        if self.target is not None and not self.learning:
            problems.append("target: what it would take is read off the curves of learning; leave learning: false out")
        if "human_only" in self.exclude:
            problems.append("exclude: human_only is what every way is compared with; it cannot be left out")
        if problems:
            raise SettingsError(problems)
        return self

    def _metric_problems(self) -> list[str]:
        try:
            (metric,) = metrics_of([self.metric])
        except SettingsError as error:
            return list(error.problems)
        if not metric.adds_up:
            told = "expected one that adds up over rows, as folds are scored by it, e.g. macro_f1"
            return [f"metric: {told}; got {self.metric}"]
        if metric.is_share and metric.higher_is_better:
            return []
        return [f"metric: expected a share of which more is better, e.g. macro_f1; got {self.metric}"]

    @property
    def ways(self) -> tuple[Candidate, ...]:
        """The ways to try, human rows alone first."""
        kept = [one for one in (*self.candidates, *self.add) if not {one.name, one.kind} & set(self.exclude)]
        return (HumanOnly(), *(one for one in kept if one.kind != "human_only"))
