"""Arms that train no classifier of their own: the keys ``ask``, ``route`` and ``finetune`` of the experiment file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, model_validator

from augtune.collaboration.forms import find_form
from augtune.collaboration.route import RouteSettings
from augtune.collaboration.routed import ExampleSettings, independent_form
from augtune.collaboration.settings import AskSettings
from augtune.collaboration.tune.settings import TuneSettings
from augtune.core.errors import SettingsError
from augtune.core.settings import Settings, suggestion
from augtune.llm.prices import Budget
from augtune.llm.settings import LLMSettings

__all__ = ["KINDS", "AskArm", "Kind", "RouteArm", "RouteAsk", "TuneArm", "check_kinds", "check_prices", "read_kind"]

S = TypeVar("S", bound=Settings)
OWN = ("decision", "probabilities")


class EvidenceSettings(ExampleSettings):
    """What prompts tell beside each text."""

    classifier: str | None = None
    """Arm whose predictions are told, those of the same seed."""

    @property
    def examples(self) -> ExampleSettings:
        """Which labelled examples prompts show."""
        return _as(ExampleSettings, self)


class AskArm(AskSettings):
    """An arm in which the language model labels the test rows."""

    evidence: EvidenceSettings = Field(default_factory=EvidenceSettings)
    """What prompts tell: an arm's predictions, labelled examples of the training rows, both, or nothing."""

    fallback: str | None = None
    """Arm whose prediction stands for a row that the model does not answer; by default evidence.classifier. Without
    either, such a row stops the run."""

    @model_validator(mode="after")
    def _has_its_evidence(self) -> AskArm:
        if self.unanswered is not None:
            raise SettingsError("unanswered: every test row needs a prediction; name the arm that has it as fallback")
        _check_form(self.asking(), self.evidence.similar, self.evidence.classifier)
        return self

    @property
    def needs_llm(self) -> bool:
        """Whether the experiment's language model is asked."""
        return True

    def asking(self) -> AskSettings:
        """Return how the model is asked; the form is set."""
        form = self.form or _told(self.evidence.similar, self.evidence.classifier)
        return _as(AskSettings, self, form=form, unanswered="exclude")

    def named(self) -> dict[str, str | None]:
        """Return the arms it names, by place."""
        return {"evidence.classifier": self.evidence.classifier, "fallback": self.fallback}

    @property
    def encoders(self) -> tuple[str, ...]:
        """Sentence encoders that choose its examples."""
        return _encoders(self.evidence)

    def repeated(self, *, has_validation: bool) -> str | None:
        """Return the arm whose classifier has to be trained again, out of fold, to predict its own training rows."""
        return None

    def resolved(self) -> dict[str, Any]:
        """Return the keys of the file with every default filled in."""
        return self.model_dump(mode="json")


class RouteAsk(AskSettings):
    """How the language model of a route is asked."""

    evidence: ExampleSettings = Field(default_factory=ExampleSettings)
    """Labelled examples of the training rows that prompts show."""

    @model_validator(mode="after")
    def _has_its_evidence(self) -> RouteAsk:
        if self.unanswered is not None:
            raise SettingsError("unanswered: a row that is not answered has the classifier's prediction; leave it out")
        # the classifier's opinion is always there, and told by a form that shows it
        _check_form(self.asking(), self.evidence.similar, "" if self.tells_classifier else None)
        return self

    @property
    def tells_classifier(self) -> bool:
        """Whether prompts show the classifier's opinion."""
        return bool(find_form(str(self.asking().form)).needs & set(OWN))

    def asking(self) -> AskSettings:
        """Return how the model is asked; the form is set, to one without the classifier's opinion by default."""
        form = self.form or independent_form(self.evidence.similar)
        return _as(AskSettings, self, form=form, unanswered="exclude")


class RouteArm(RouteSettings):
    """An arm that sends the rows its classifier is unsure of to the language model."""

    classifier: str
    """Arm that is asked first."""

    ask: RouteAsk = Field(default_factory=RouteAsk)
    """How the language model is asked."""

    @property
    def needs_llm(self) -> bool:
        """Whether the experiment's language model is asked."""
        return True

    @property
    def is_given(self) -> bool:
        """Whether the rule is given, so that no row is needed to choose it on."""
        return self.threshold is not None and self.combine == "replace"

    def routing(self) -> RouteSettings:
        """Return how the rule is chosen."""
        return _as(RouteSettings, self)

    def named(self) -> dict[str, str | None]:
        """Return the arms it names, by place."""
        return {"classifier": self.classifier}

    @property
    def encoders(self) -> tuple[str, ...]:
        """Sentence encoders that choose its examples."""
        return _encoders(self.ask.evidence)

    def repeated(self, *, has_validation: bool) -> str | None:
        """Return the arm whose classifier has to be trained again, out of fold, to predict its own training rows."""
        return None if has_validation or self.is_given else self.classifier

    def resolved(self) -> dict[str, Any]:
        """Return the keys of the file with every default filled in."""
        return self.model_dump(mode="json")


class TuneArm(TuneSettings):
    """An arm in which a language model is fine-tuned on the human training rows and labels the test rows."""

    evidence: EvidenceSettings = Field(default_factory=EvidenceSettings)
    """What prompts tell, in training (a classifier's predictions then are out of fold) and in the test."""

    fallback: str | None = None
    """Arm whose prediction stands for a row that the model does not answer; by default evidence.classifier."""

    @model_validator(mode="after")
    def _has_its_evidence(self) -> TuneArm:
        _check_form(self.tuning(0), self.evidence.similar, self.evidence.classifier)
        return self

    @property
    def needs_llm(self) -> bool:
        """Whether the experiment's language model is asked; it is not, the tuned one is."""
        return False

    def tuning(self, seed: int) -> TuneSettings:
        """Return how the model is tuned; the form is set, and the seed unless the file has one."""
        form = self.form or _told(self.evidence.similar, self.evidence.classifier)
        own = {} if "seed" in self.model_fields_set else {"seed": seed}
        return _as(TuneSettings, self, form=form, **own)

    def asking(self) -> AskSettings:
        """Return how the tuned model is asked: as it was tuned."""
        return AskSettings(form=self.tuning(0).form, text_type=self.text_type, unanswered="exclude")

    def named(self) -> dict[str, str | None]:
        """Return the arms it names, by place."""
        return {"evidence.classifier": self.evidence.classifier, "fallback": self.fallback}

    @property
    def encoders(self) -> tuple[str, ...]:
        """Sentence encoders that choose its examples."""
        return _encoders(self.evidence)

    def repeated(self, *, has_validation: bool) -> str | None:
        """Return the arm whose classifier has to be trained again, out of fold, to predict its own training rows."""
        return self.evidence.classifier

    def resolved(self) -> dict[str, Any]:
        """Return the keys of the file with every default filled in, but for a seed that is each run's own."""
        return self.model_dump(mode="json", exclude=None if "seed" in self.model_fields_set else {"seed"})


Kind = AskArm | RouteArm | TuneArm
KINDS: Mapping[str, type[Kind]] = {"ask": AskArm, "route": RouteArm, "finetune": TuneArm}


def read_kind(changes: Mapping[str, Any], where: str, base: Path, problems: list[str]) -> Kind | None:
    """Return what an arm with one of the keys says; problems are noted.

    Args:
        changes: The arm's mapping.
        where: Its place in the file.
        base: Folder beside which a prompt form of one's own may be.
        problems: Gets one line for each problem.
    """
    given = [key for key in KINDS if key in changes]
    for key in given[1:]:
        problems.append(f"{where}.{key}: the arm has {given[0]} already; make it an arm of its own")
    for key in ("generate", "curate", "train"):
        if key in changes:
            problems.append(f"{where}.{key}: an arm with {given[0]} trains no classifier; give the key to another arm")
    name = given[0]
    value = {} if changes[name] is None else changes[name]
    if not isinstance(value, Mapping):
        problems.append(f"{where}.{name}: expected a mapping such as {{form: classify}}, got {value!r}")
        return None
    try:
        return KINDS[name].parse(_with_form(value, base), where=f"{where}.{name}")
    except SettingsError as error:
        problems.extend(error.problems)
    return None


def check_kinds(
    arms: Mapping[str, Kind | None],
    trained: Sequence[str],
    generating: Collection[str],
    *,
    has_validation: bool,
    problems: list[str],
) -> None:
    """Note what is wrong between arms.

    Args:
        arms: Every arm; None for one that trains, or could not be read.
        trained: Arms that train a classifier.
        generating: Arms that train on generated rows too.
        has_validation: Whether there are validation rows.
        problems: Gets one line for each problem.
    """
    for name, kind in arms.items():
        if kind is None:
            continue
        where = f"arms.{name}.{kind.kind}"
        for place, wanted in kind.named().items():
            if wanted is not None and wanted not in trained:
                what = "the arm itself" if wanted == name else f"{wanted!r}"
                why = "is no arm that trains a classifier" if wanted in arms else "is no arm"
                problems.append(f"{where}.{place}: {what} {why}{suggestion(wanted, trained)}")
        unseen = kind.repeated(has_validation=has_validation)
        if unseen in generating:
            problems.append(
                f"{where}: the arm {unseen!r} trains on generated rows too, so it cannot be repeated out of fold on "
                f"the human rows; {'set data.validation' if kind.kind == 'route' else 'name one without'}"
            )


def check_prices(arms: Mapping[str, Kind | None], llm: LLMSettings | None, problems: list[str]) -> None:
    """Note where a budget in dollars cannot be held, because it is not known what a tuned model will cost.

    Args:
        arms: Every arm; None for one that trains, or could not be read.
        llm: The ``llm:`` section, whose budget holds for tuned models too.
        problems: Gets one line for each problem.
    """
    if llm is None or llm.budget is None or Budget.parse(llm.budget).unit != "USD":
        return
    for name, kind in arms.items():
        if not isinstance(kind, TuneArm):
            continue
        where = f"arms.{name}.{kind.kind}"
        try:
            price = kind.price_to_ask
        except SettingsError as error:  # the model's name stands for nothing
            problems.extend(f"{where}.{problem.removeprefix('llm.')}" for problem in error.problems)
            continue
        if price is None:
            problems.append(
                f"{where}.price: missing; it is not known what asking {kind.model} costs once it is "
                f"tuned, so llm.budget, {llm.budget}, cannot be held; give {{input: ..., output: ...}} in "
                "$/million tokens, or a budget in calls or tokens"
            )


def _with_form(value: Any, base: Path) -> Any:
    """Return the mapping with a prompt form that is a file beside the experiment file found there."""
    if not isinstance(value, Mapping):
        return value
    found = {key: _with_form(inner, base) if key == "ask" else inner for key, inner in value.items()}
    form = found.get("form")
    if isinstance(form, str) and form.endswith(".jinja2") and not Path(form).is_absolute() and (base / form).is_file():
        found["form"] = str(base / form)
    return found


def _encoders(examples: ExampleSettings) -> tuple[str, ...]:
    return (examples.encoder,) if examples.similar and examples.choose == "similar" else ()


def _as(kind: type[S], settings: Settings, **changes: Any) -> S:
    """Return the part of settings that is of one of their bases, with changes."""
    fields = {name: getattr(settings, name) for name in kind.model_fields if name in settings.model_fields_set}
    return kind(**{**fields, **changes})


def _told(similar: int, classifier: str | None) -> str:
    """Return the form that tells all the evidence there is."""
    if similar:
        return "examples" if classifier is None else "all"
    return "classify" if classifier is None else "label_probabilities"


def _check_form(asking: AskSettings | TuneSettings, similar: int, classifier: str | None) -> None:
    """Refuse a form that shows what there is none of, and evidence that the form does not show."""
    name = str(asking.form)
    needs = find_form(name).needs
    problems = []
    if "examples" in needs and not similar:
        problems.append(f"form: {name!r} shows examples; say how many, e.g. evidence.similar: 4")
    if similar and "examples" not in needs:
        problems.append(f"evidence.similar: the form {name!r} shows no examples")
    if needs & set(OWN) and classifier is None:
        problems.append(f"form: {name!r} shows a classifier's opinion; name its arm as evidence.classifier")
    if classifier is not None and not needs & set(OWN):
        problems.append(f"evidence.classifier: the form {name!r} does not show what a classifier says")
    if problems:
        raise SettingsError(problems)
