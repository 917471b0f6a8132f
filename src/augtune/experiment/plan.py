"""The experiment file as values: every section checked, every problem told at once, every arm resolved.

``Experiment`` is what the file says; ``Plan`` is what will be done: one ``ArmPlan`` per arm, each with its own
generators, curation steps and training settings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field, field_validator

from augtune.core.catalog import Catalog
from augtune.core.errors import AugtuneError, SettingsError
from augtune.core.settings import Settings, suggestion
from augtune.core.task import TaskName, unfit
from augtune.curation import STEPS
from augtune.curation.quality.settings import InspectSettings
from augtune.data import grammar
from augtune.evaluation.settings import EvaluateSettings
from augtune.experiment import document
from augtune.experiment.data_settings import DataSettings
from augtune.experiment.kinds import KINDS, Kind, check_kinds, read_kind
from augtune.generation import GENERATORS
from augtune.llm.settings import LLMSettings
from augtune.training.settings import TrainSettings

if TYPE_CHECKING:
    from augtune.curation.base import Step
    from augtune.generation.base import Generator

__all__ = ["ArmPlan", "DataSettings", "Experiment", "Plan", "folder_of", "read_plan"]

COLLABORATION_TASKS: tuple[TaskName, ...] = ("single_label", "ordinal")
"""The tasks that arms which ask, route or fine-tune a language model are made for."""

T = TypeVar("T")
S = TypeVar("S", bound=Settings)


class Experiment(Settings):
    """The experiment file: what is shared, and the arms, each of which changes only what it names."""

    name: str = Field(pattern=r"^[^/\\\x00]+$", min_length=1)
    """Name of the experiment and of its run folder."""
    seeds: list[int] = Field(default_factory=lambda: [0, 1, 2], min_length=1)
    """Seeds of training; every arm is trained once with each."""
    data: DataSettings
    """The human rows."""
    llm: LLMSettings | None = None
    """The language model, its budget and its limits."""
    generate: Any = None
    """A generator (name or mapping with kind), a list of them, or null."""
    curate: Any = None
    """A list of curation steps, or null; contamination against test is on unless a step says otherwise."""
    inspect: InspectSettings | None = Field(default_factory=InspectSettings)
    """How synthetic rows are looked at before training; null: not at all."""
    train: dict[str, Any] = Field(default_factory=dict)
    """Training settings shared by the arms."""
    arms: dict[str, dict[str, Any] | None] = Field(min_length=1)
    """Arms by name; each changes only what it names."""
    evaluate: EvaluateSettings = Field(default_factory=EvaluateSettings)
    """What is measured."""

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) != len(seeds):
            raise ValueError(f"every seed may stand once, got {seeds}")
        return seeds


@dataclass(frozen=True, slots=True)
class ArmPlan:
    """One arm, resolved.

    Args:
        name: Its name.
        generators: What makes its synthetic rows.
        steps: What curates them.
        settings: How it is trained.
        kind: In an arm that asks, routes or fine-tunes a language model, how; None in a trained arm. The others then
            play no part.
    """

    name: str
    generators: tuple[Generator, ...] = ()
    steps: tuple[Step, ...] = ()
    settings: TrainSettings = field(default_factory=TrainSettings)
    kind: Kind | None = None

    @property
    def folder(self) -> str:
        """Name of the arm's folders in the run folder."""
        return folder_of(self.name)

    def to_json(self) -> dict[str, Any]:
        """Return the arm as resolved settings."""
        if self.kind is not None:
            return {self.kind.kind: self.kind.resolved()}
        return {
            "generate": [generator.to_json() for generator in self.generators] or None,
            "curate": [step.to_json() for step in self.steps] or None,
            "train": self.settings.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done.

    Args:
        experiment: The file's values.
        arms: The arms in the file's order.
        document: The file's mapping after overrides, as it is written to the run folder.
        base: Folder against which the file's relative paths are tried first.
    """

    experiment: Experiment
    arms: tuple[ArmPlan, ...]
    document: Mapping[str, Any]
    base: Path

    @property
    def trained(self) -> tuple[ArmPlan, ...]:
        """The arms that train a classifier."""
        return tuple(arm for arm in self.arms if arm.kind is None)

    @property
    def encoders(self) -> tuple[str, ...]:
        """Names of the encoders the arms need, each once."""
        trained = [arm.settings.encoder for arm in self.trained]
        return tuple(dict.fromkeys([*trained, *(name for arm in self.arms if arm.kind for name in arm.kind.encoders)]))

    @property
    def baseline(self) -> str:
        """Name of the arm the others are compared with."""
        return self.experiment.evaluate.baseline or self.arms[0].name

    def path(self, text: str) -> str:
        """Return where a path of the file is: beside the file if it is there, else as seen from the current folder."""
        return beside(self.base, text)


def folder_of(arm: str) -> str:
    """Return the folder name of an arm: every character but letters, digits, spaces and ``. _ + -`` becomes ``_``."""
    return re.sub(r"[^\w .+-]", "_", arm)


def read_plan(source: Path | str | Mapping[str, Any], overrides: Sequence[str] = ()) -> Plan:
    """Return the plan of an experiment file or mapping.

    Raises:
        SettingsError: With one line for every problem found in the whole file.
        DataError: If the file cannot be read.
    """
    path = None if isinstance(source, Mapping) else Path(source)
    raw = document.override(source if isinstance(source, Mapping) else document.read(Path(source)), overrides)
    base = path.resolve().parent if path is not None else Path.cwd()
    problems: list[str] = []
    experiment = _attempt(lambda: Experiment.parse(_prepared(raw), where=""), problems)
    given = raw.get("arms")
    arms = (
        [_arm(str(name), value, raw, base, problems) for name, value in given.items()]
        if isinstance(given, Mapping)
        else []
    )
    arms = [_with_files(arm, base, problems) for arm in arms]
    if experiment is not None:
        _check(experiment, arms, problems)
        if experiment.llm is not None:
            experiment = experiment.model_copy(
                update={"llm": _file_of(experiment.llm, "replay", base, "llm", problems)}
            )
    problems = list(dict.fromkeys(problems))
    if problems or experiment is None:
        what = f"{path}: " if path is not None else ""
        number = f"{len(problems)} problem{'s' * (len(problems) != 1)}"
        raise SettingsError(problems, hint=f"{what}{number}; nothing was run.")
    return Plan(experiment, tuple(arms), raw, base)


def beside(base: Path, text: str) -> str:
    """Return where a path of the file is: beside the file if it is there, else as seen from the current folder."""
    candidate = base / text
    return str(candidate) if not Path(text).is_absolute() and candidate.exists() else text


def _with_files(arm: ArmPlan, base: Path, problems: list[str]) -> ArmPlan:
    """Return the arm with the files its generators and steps name found."""
    where = f"arms.{arm.name}"
    generators = []
    for generator in arm.generators:
        for name in ("path", "synonyms"):
            generator = _file_of(generator, name, base, f"{where}.generate", problems)
        generators.append(generator)
    steps = (_file_of(step, "by", base, f"{where}.curate", problems) if step.files() else step for step in arm.steps)
    settings = arm.settings
    if settings is not None and (settings.checkers.quality or settings.checkers.diversity):
        checkers = settings.checkers
        for name in ("quality", "diversity"):
            checkers = _file_of(checkers, name, base, f"{where}.train.checkers", problems)
        settings = settings.changed(checkers=checkers)
    return replace(arm, generators=tuple(generators), steps=tuple(steps), settings=settings)


def _file_of(settings: S, field: str, base: Path, where: str, problems: list[str]) -> S:
    """Return settings with a file they name found, and note a problem if there is no such file."""
    named = getattr(settings, field, None)
    if named is None:
        return settings
    place = Path(beside(base, str(named)))
    if not place.exists():
        problems.append(f"{where}.{field}: no such file: {named}")
    return settings.model_copy(update={field: type(named)(place)})


def _attempt(make: Callable[[], T], problems: list[str]) -> T | None:
    try:
        return make()
    except SettingsError as error:
        problems.extend(error.problems)
    except AugtuneError as error:
        problems.append(str(error))
    return None


def _prepared(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the top level with YAML's nulls and numbers in the places where the file may have them."""
    top = {str(key): value for key, value in raw.items()}
    data = top.get("data")
    if isinstance(data, Mapping):
        top["data"] = {
            key: (str(value) if isinstance(value, int) and key in ("train", "test", "validation") else value)
            for key, value in data.items()
            if not (key == "validation" and value is None)
        }
    if isinstance(top.get("arms"), Mapping):
        top["arms"] = {str(name): value for name, value in top["arms"].items()}
    if top.get("train") is None:
        top.pop("train", None)
    return top


def _arm(name: str, value: Any, raw: Mapping[str, Any], base: Path, problems: list[str]) -> ArmPlan:
    where = f"arms.{name}"
    changes = value if isinstance(value, Mapping) else {}
    if value is not None and not isinstance(value, Mapping):
        problems.append(f"{where}: expected a mapping of what the arm changes, or {{}}, got {value!r}")
    known = ("generate", "curate", "train", *KINDS)
    for key in changes:
        if key not in known:
            problems.append(f"{where}.{key}: unknown key{suggestion(str(key), known)}")
    if any(key in changes for key in KINDS):
        return ArmPlan(name, kind=read_kind(changes, where, base, problems))

    def place(key: str) -> str:
        return f"{where}.{key}" if key in changes else key

    def items(key: str) -> list[tuple[Any, str]]:
        value = _merge(raw.get(key), changes[key]) if key in changes else raw.get(key)
        return _items(value, place(key))

    generators = _parse_all(GENERATORS, items("generate"), problems)
    steps = _parse_all(STEPS, items("curate"), problems)
    train = {}
    if _are_mappings(raw, changes, problems, where):
        train = {**(raw.get("train") or {}), **(changes.get("train") or {})}
    found: list[str] = []
    settings = _attempt(lambda: TrainSettings.parse(train, where=place("train")), found) or TrainSettings()
    problems.extend(_at_home(line, f"{where}.train.", changes.get("train") or {}) for line in found)
    if generators and not any(step.kind == "contamination" for step in steps):
        steps = (*steps, STEPS.parse("contamination", where=where))
    return ArmPlan(name, generators, steps if generators else (), settings)


def _at_home(problem: str, prefix: str, changed: Mapping[str, Any]) -> str:
    """Return a problem with the place it was written at: the shared section, unless the arm changes that key."""
    inner = problem.removeprefix(prefix)
    own = inner == problem or re.split(r"[.:]", inner)[0] in changed
    return problem if own else f"train.{inner}"


def _parse_all(catalog: Catalog[S], items: Sequence[tuple[Any, str]], problems: list[str]) -> tuple[S, ...]:
    parsed = (_attempt(partial(catalog.parse, item, where=where), problems) for item, where in items)
    return tuple(found for found in parsed if found is not None)


def _are_mappings(raw: Mapping[str, Any], changes: Mapping[str, Any], problems: list[str], where: str) -> bool:
    good = True
    for value, at in ((raw.get("train"), "train"), (changes.get("train"), f"{where}.train")):
        if value is not None and not isinstance(value, Mapping):
            problems.append(f"{at}: expected a mapping such as {{steps: 300}}, got {value!r}")
            good = False
    return good


def _merge(base: Any, change: Any) -> Any:
    """Return the base with an arm's change: keys of the same kind are merged, anything else replaces it."""
    if isinstance(base, str):
        base = {"kind": base}
    if not isinstance(base, Mapping) or not isinstance(change, Mapping):
        return change
    return {**base, **change} if change.get("kind", base.get("kind")) == base.get("kind") else change


def _items(value: Any, where: str) -> list[tuple[Any, str]]:
    if value is None:
        return []
    if isinstance(value, list):
        return [(item, f"{where}[{i}]") for i, item in enumerate(value)]
    return [(value, where)]


def _check(experiment: Experiment, arms: Sequence[ArmPlan], problems: list[str]) -> None:
    names = [arm.name for arm in arms]
    folders = [arm.folder for arm in arms]
    for name in names:
        if folders.count(folder_of(name)) > 1:
            problems.append(f"arms.{name}: another arm has the same folder name {folder_of(name)!r}; rename one")
    asking = [generator.kind for arm in arms for generator in arm.generators if generator.needs_llm]
    asking += [step.kind for arm in arms for step in arm.steps if step.needs_llm]
    asking += [arm.kind.kind for arm in arms if arm.kind is not None and arm.kind.needs_llm]
    if asking and experiment.llm is None:
        kinds = ", ".join(dict.fromkeys(asking))
        problems.append(f"llm: missing; {kinds} needs a language model, e.g. {{model: openai/gpt-4.1-mini}}")
    evaluate = experiment.evaluate
    if evaluate.baseline is not None and evaluate.baseline not in names:
        wrong = evaluate.baseline
        problems.append(f"evaluate.baseline: no arm is called {wrong!r}{suggestion(wrong, names)}")
    tester = evaluate.tester
    if len(names) > 1 and len(experiment.seeds) < tester.seeds_needed:
        problems.append(f"evaluate.test: {tester.kind} needs {tester.seeds_needed} seeds or more; set seeds")
    data = experiment.data
    check_kinds(
        {arm.name: arm.kind for arm in arms},
        [name for name, changes in experiment.arms.items() if not KINDS.keys() & (changes or {}).keys()],
        {arm.name for arm in arms if arm.generators},
        has_validation=data.validation != "none",
        problems=problems,
    )
    for key in ("train", "validation", "test"):
        text = getattr(data, key)
        if key == "validation" and text == "none":
            continue
        try:
            grammar.parse(text)
        except SettingsError as error:
            problems.extend(f"data.{key}: {line}" for line in error.problems)
    for arm in arms:
        problems.extend(f"arms.{arm.name}: {line}" for line in _misfits(arm, data.task))
    problems.extend(
        f"evaluate.metrics: {unfit(metric.kind, metric.tasks, data.task)}"
        for metric in evaluate.measured
        if data.task not in metric.tasks
    )
    for arm in arms:
        if data.validation == "none" and (asked := arm.settings.measured()):
            problems.append(f"arms.{arm.name}: train.{asked} needs rows to select on; set data.validation")


def _misfits(arm: ArmPlan, task: TaskName) -> list[str]:
    """Return what of an arm is not made for the task of the data, a line each."""
    if arm.kind is not None:
        return [] if task in COLLABORATION_TASKS else [unfit(arm.kind.kind, COLLABORATION_TASKS, task)]
    parts = [(f"generate: {one.kind}", one.tasks) for one in arm.generators]
    parts += [(f"curate: {one.kind}", one.tasks) for one in arm.steps]
    found = [unfit(who, tasks, task) for who, tasks in parts if task not in tasks]
    return [*found, *(f"train: {line}" for line in arm.settings.misfits(task))]
