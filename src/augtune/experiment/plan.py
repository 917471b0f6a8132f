"""The experiment file as values: every section checked, every problem told at once, every arm resolved.

``Experiment`` is what the file says; ``Plan`` is what will be done: one ``ArmPlan`` per arm, each with its own
generators, curation steps and training settings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from augtune.core.errors import SettingsError
from augtune.core.settings import Settings, suggestion
from augtune.core.task import unfit
from augtune.curation.quality.settings import InspectSettings
from augtune.data import grammar
from augtune.evaluation import METRICS
from augtune.evaluation.metrics import Metric
from augtune.evaluation.settings import EvaluateSettings
from augtune.experiment import document
from augtune.experiment.arms import (
    ArmPlan,
    attempt,
    beside,
    file_of,
    folder_of,
    misfits,
    name_problem,
    read_arm,
    same_folder,
)
from augtune.experiment.data_settings import DataSettings
from augtune.experiment.kinds import KINDS, check_kinds, check_prices
from augtune.experiment.ray_settings import RaySettings
from augtune.experiment.search import SearchSettings, check_search
from augtune.experiment.sweep import BASE, expand
from augtune.experiment.trials import Trial, seeds_given, trials_of
from augtune.llm.settings import LLMSettings

__all__ = ["ArmPlan", "DataSettings", "Experiment", "Plan", "folder_of", "read_plan"]


class Experiment(Settings):
    """The experiment file: what is shared, and the arms, each of which changes only what it names."""

    name: str = Field(pattern=r"^[^/\\\x00]+$", min_length=1)
    """Name of the experiment and of its run folder."""
    seeds: list[int] = Field(default_factory=lambda: [0, 1, 2], min_length=1)
    """Seeds of training; every arm is trained once with each."""
    data_seeds: list[int] = Field(default_factory=list)
    """Seeds of the draw of human rows and of what is generated from them, taken in turn by the seeds; by default one
    draw for all, by data.seed. Test and validation rows stay the same."""
    master_seed: int | None = None
    """Seed that seeds and data_seeds are derived from, in their place."""
    trials: int | None = Field(default=None, ge=1)
    """How many seeds to derive from master_seed; by default 3."""
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
    sweep: None = None
    """Keys with lists of values, by which the arms are multiplied: size, generate, encoder, data.train, train.KEY."""
    search: SearchSettings | None = None
    """A search for training settings, on human rows that are not the test rows."""
    evaluate: EvaluateSettings = Field(default_factory=EvaluateSettings)
    """What is measured."""
    keep_models: bool = True
    """Whether the classifiers stay in the run folder; false removes their weights once all they are asked is known, and
    one that is asked more later is trained again."""
    ray: RaySettings = Field(default_factory=RaySettings)
    """What each training asks of a Ray cluster, with --ray."""

    @field_validator("seeds", "data_seeds")
    @classmethod
    def _distinct(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) != len(seeds):
            raise ValueError(f"every seed may stand once, got {seeds}")
        return seeds

    @property
    def search_metric(self) -> Metric:
        """The metric that decides a search.

        Raises:
            SettingsError: If there is none of that name.
        """
        named = None if self.search is None else self.search.metric
        return self.evaluate.measured[0] if named is None else METRICS.parse(named, where="search.metric")

    @property
    def all_trials(self) -> tuple[Trial, ...]:
        """The seeds of training, each with its seed of the data."""
        return trials_of(self.seeds, self.data_seeds, self.data.seed)


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done.

    Args:
        experiment: The file's values.
        arms: The arms in the file's order.
        document: The file's mapping after overrides, as it is written to the run folder.
        base: Folder against which the file's relative paths are tried first.
        swept: What was swept, in words; empty without a sweep.
    """

    experiment: Experiment
    arms: tuple[ArmPlan, ...]
    document: Mapping[str, Any]
    base: Path
    swept: str = ""

    @property
    def trained(self) -> tuple[ArmPlan, ...]:
        """The arms that train a classifier."""
        return tuple(arm for arm in self.arms if arm.kind is None)

    @property
    def is_done_with_models(self) -> bool:
        """Whether a classifier's weights may go as soon as its arm is measured: nobody keeps them or asks it more."""
        return not self.experiment.keep_models and len(self.trained) == len(self.arms)

    @property
    def encoders(self) -> tuple[str, ...]:
        """Names of the encoders the arms need, each once."""
        trained = [arm.settings.encoder for arm in self.trained]
        return tuple(dict.fromkeys([*trained, *(name for arm in self.arms if arm.kind for name in arm.kind.encoders)]))

    @property
    def baseline(self) -> str:
        """Name of the arm the others are compared with; of several that a sweep made of it, the first."""
        named = self.experiment.evaluate.baseline
        found = [arm.name for arm in self.arms if named in (arm.name, arm.axes.get(BASE))] if named else []
        return found[0] if found else self.arms[0].name

    def baseline_of(self, name: str) -> str:
        """Return the arm that an arm is compared with: the baseline, or what a sweep made of it at the arm's place."""
        named = self.experiment.evaluate.baseline
        own = next(arm for arm in self.arms if arm.name == name)
        swept = [arm for arm in self.arms if named is not None and arm.axes.get(BASE) == named]
        if own in swept:
            return name
        return next((arm.name for arm in swept if _is_beside(arm, own)), self.baseline)

    def path(self, text: str) -> str:
        """Return where a path of the file is: beside the file if it is there, else as seen from the current folder."""
        return beside(self.base, text)


def _is_beside(baseline: ArmPlan, arm: ArmPlan) -> bool:
    """Return whether two arms stand at the same place on every axis that both are on."""
    return all(arm.axes[key] == value for key, value in baseline.axes.items() if key != BASE and key in arm.axes)


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
    expanded = expand(raw, problems)
    whole = expanded.document
    experiment = attempt(lambda: _seeded(Experiment.parse(_prepared(whole), where=""), whole), problems)
    given = whole.get("arms")
    arms = (
        [read_arm(str(name), value, whole, base, problems) for name, value in given.items()]
        if isinstance(given, Mapping)
        else []
    )
    if experiment is not None:
        _check(experiment, arms, problems)
        if experiment.llm is not None:
            experiment = experiment.model_copy(update={"llm": file_of(experiment.llm, "replay", base, "llm", problems)})
    problems = list(dict.fromkeys(map(expanded.at_home, problems)))
    if problems or experiment is None:
        what = f"{path}: " if path is not None else ""
        number = f"{len(problems)} problem{'s' * (len(problems) != 1)}"
        raise SettingsError(problems, hint=f"{what}{number}; nothing was run.")
    return Plan(experiment, tuple(arms), whole, base, expanded.words)


def _seeded(experiment: Experiment, whole: Mapping[str, Any]) -> Experiment:
    """Return the experiment with its seeds worked out."""
    seeds, data_seeds = seeds_given(
        whole, experiment.seeds, experiment.data_seeds, experiment.master_seed, experiment.trials
    )
    return experiment.model_copy(update={"seeds": seeds, "data_seeds": data_seeds})


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


def _check(experiment: Experiment, arms: Sequence[ArmPlan], problems: list[str]) -> None:
    names = [arm.name for arm in arms]
    _check_names(experiment.name, names, problems)
    asking = [generator.kind for arm in arms for generator in arm.generators if generator.needs_llm]
    asking += [step.kind for arm in arms for step in arm.steps if step.needs_llm]
    asking += [arm.kind.kind for arm in arms if arm.kind is not None and arm.kind.needs_llm]
    if asking and experiment.llm is None:
        kinds = ", ".join(dict.fromkeys(asking))
        problems.append(f"llm: missing; {kinds} needs a language model, e.g. {{model: openai/gpt-4.1-mini}}")
    evaluate = experiment.evaluate
    known = [*names, *(str(arm.axes[BASE]) for arm in arms if BASE in arm.axes)]
    if evaluate.baseline is not None and evaluate.baseline not in known:
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
    check_prices({arm.name: arm.kind for arm in arms}, experiment.llm, problems)
    for key in ("train", "validation", "test"):
        text = getattr(data, key)
        if key == "validation" and text == "none":
            continue
        try:
            grammar.parse(text)
        except SettingsError as error:
            problems.extend(f"data.{key}: {line}" for line in error.problems)
    _check_draws(experiment, arms, problems)
    for arm in arms:
        problems.extend(f"arms.{arm.name}: {line}" for line in misfits(arm, data.task))
    problems.extend(
        f"evaluate.metrics: {unfit(metric.kind, metric.tasks, data.task)}"
        for metric in evaluate.measured
        if data.task not in metric.tasks
    )
    for arm in arms:
        if data.validation == "none" and (asked := arm.settings.measured()):
            problems.append(f"arms.{arm.name}: train.{asked} needs rows to select on; set data.validation")


def _check_names(name: str, arms: Sequence[str], problems: list[str]) -> None:
    """Note names that can be no folders, and arms that would share one."""
    folders = Counter(map(same_folder, arms))
    if (problem := name_problem(name)) is not None:
        problems.append(f"name: {problem}")
    for arm in arms:
        if (problem := name_problem(arm)) is not None:
            problems.append(f"arms: {problem}")
        if folders[same_folder(arm)] > 1:
            problems.append(f"arms.{arm}: another arm has the same folder name {folder_of(arm)!r}; rename one")


def _check_draws(experiment: Experiment, arms: Sequence[ArmPlan], problems: list[str]) -> None:
    """Note what is wrong with a search, and arms that do not go with several draws of the rows."""
    if experiment.search is not None:
        trained = [arm for arm in arms if arm.kind is None]
        has_validation = experiment.data.validation != "none"
        check_search(experiment.search, trained, has_validation=has_validation, problems=problems)
        attempt(lambda: experiment.search_metric, problems)
    own = {arm.name for arm in arms if arm.human is not None}
    for arm in arms:
        if arm.kind is None:
            continue
        where = f"arms.{arm.name}.{arm.kind.kind}"
        if experiment.data_seeds:
            problems.append(f"{where}: works on one draw of rows; leave data_seeds and master_seed out")
        problems.extend(
            f"{where}.{place}: {wanted!r} has rows of its own (data.train); name an arm that has the experiment's"
            for place, wanted in arm.kind.named().items()
            if wanted in own
        )
