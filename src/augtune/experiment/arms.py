"""One arm of an experiment file: the shared sections with what the arm changes, checked and resolved."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from augtune.core.catalog import Catalog
from augtune.core.errors import AugtuneError, SettingsError
from augtune.core.settings import Settings, suggestion
from augtune.core.task import TaskName, unfit
from augtune.curation import STEPS
from augtune.data import grammar
from augtune.experiment.choosing import AUTO, choose_misfits, read_choose
from augtune.experiment.kinds import KINDS, Kind, read_kind
from augtune.experiment.nested import Size, read_size
from augtune.generation import GENERATORS
from augtune.training.settings import TrainSettings

if TYPE_CHECKING:
    from augtune.choosing.settings import ChooseSettings
    from augtune.curation.base import Step
    from augtune.generation.base import Generator

__all__ = [
    "ARM_KEYS",
    "COLUMNS",
    "ArmPlan",
    "Axes",
    "attempt",
    "beside",
    "file_of",
    "folder_of",
    "merge",
    "misfits",
    "name_problem",
    "read_arm",
    "same_folder",
]

COLLABORATION_TASKS: tuple[TaskName, ...] = ("single_label", "ordinal")
"""The tasks that arms which ask, route or fine-tune a language model are made for."""

ARM_KEYS = ("generate", "curate", "train", "size", "data", "axes")
"""What an arm that trains a classifier may change or say."""

COLUMNS = (
    *("arm", "seed", "metric", "label", "value"),
    *("data_seed", "human_rows", "synthetic_rows", "usd", "seconds", "search_seconds"),
)
"""Columns of ``results.csv``, between whose first and second line the axes stand; the last only after a search."""

Axes = Mapping[str, str | int | float | bool | None]
"""Where an arm stands, by axis: what tables and charts group it by."""

UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
LONGEST_NAME = 120  # bytes; file systems take 255, and files beside it have the name with more to it

T = TypeVar("T")
S = TypeVar("S", bound=Settings)


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
        size: How many of the curated rows it trains on, a nested sample; None: all.
        human: Its own sample of human rows, in the grammar of ``data.train``; None: the experiment's.
        axes: Where it stands in a sweep.
        choose: How its way of training is chosen (``recipe: auto``); None: its settings say how it is trained.
    """

    name: str
    generators: tuple[Generator, ...] = ()
    steps: tuple[Step, ...] = ()
    settings: TrainSettings = field(default_factory=TrainSettings)
    kind: Kind | None = None
    size: Size | None = None
    human: str | None = None
    axes: Axes = field(default_factory=dict)
    choose: ChooseSettings | None = None

    @property
    def folder(self) -> str:
        """Name of the arm's folders in the run folder."""
        return folder_of(self.name)

    def to_json(self) -> dict[str, Any]:
        """Return the arm as resolved settings."""
        if self.kind is not None:
            return {self.kind.kind: self.kind.resolved()}
        auto = {} if self.choose is None else {"recipe": {"kind": AUTO, **self.choose.to_json()}}
        return {
            "generate": [generator.to_json() for generator in self.generators] or None,
            "curate": [step.to_json() for step in self.steps] or None,
            "train": {**self.settings.to_json(), **auto},
            **({} if self.size is None else {"size": self.size.written}),
            **({} if self.human is None else {"data": {"train": self.human}}),
            **({"axes": dict(self.axes)} if self.axes else {}),
        }


def folder_of(arm: str) -> str:
    """Return the folder name of an arm: every character but letters, digits, spaces and ``. _ + -`` becomes ``_``."""
    return re.sub(r"[^\w .+-]", "_", arm)


def name_problem(name: str) -> str | None:
    """Return why a name can be no folder, or None.

    Args:
        name: Of an arm or an experiment.
    """
    folder = folder_of(name)
    if not name.strip() or folder.strip(". ") == "":
        return f"{name!r} can be no folder's name; give it letters or digits"
    if len(folder.encode("utf-8", "replace")) > LONGEST_NAME:
        return f"a name of {len(name)} characters is too long for a folder; give it a shorter one"
    return None if UNSEEN.search(name) is None else f"{name!r} has characters that cannot be seen; leave them out"


def same_folder(name: str) -> str:
    """Return what two names have in common that share a folder, here or on systems that look over case and accents."""
    return unicodedata.normalize("NFKC", folder_of(unicodedata.normalize("NFC", name))).casefold()


def beside(base: Path, text: str) -> str:
    """Return where a path of the file is: beside the file if it is there, else as seen from the current folder."""
    candidate = base / text
    return str(candidate) if not Path(text).is_absolute() and candidate.exists() else text


def file_of(settings: S, field: str, base: Path, where: str, problems: list[str]) -> S:
    """Return settings with a file they name found, and note a problem if there is no such file."""
    named = getattr(settings, field, None)
    if named is None:
        return settings
    place = Path(beside(base, str(named)))
    if not place.exists():
        problems.append(f"{where}.{field}: no such file: {named}")
    return settings.model_copy(update={field: type(named)(place)})


def attempt(make: Callable[[], T], problems: list[str]) -> T | None:
    """Return what ``make`` returns, or None with its problems noted."""
    try:
        return make()
    except SettingsError as error:
        problems.extend(error.problems)
    except AugtuneError as error:
        problems.append(str(error))
    return None


def read_arm(name: str, value: Any, raw: Mapping[str, Any], base: Path, problems: list[str]) -> ArmPlan:
    """Return an arm, with the files it names found; problems are noted.

    Args:
        name: Its name.
        value: What stands under it in the file.
        raw: The whole file.
        base: Folder against which relative paths are tried first.
        problems: Gets one line for each problem.
    """
    where = f"arms.{name}"
    changes = value if isinstance(value, Mapping) else {}
    if value is not None and not isinstance(value, Mapping):
        problems.append(f"{where}: expected a mapping of what the arm changes, or {{}}, got {value!r}")
    known = (*ARM_KEYS, *KINDS)
    for key in changes:
        if key not in known:
            problems.append(f"{where}.{key}: unknown key{suggestion(str(key), known)}")
    if any(key in changes for key in KINDS):
        return ArmPlan(name, kind=read_kind(changes, where, base, problems))

    def place(key: str) -> str:
        return f"{where}.{key}" if key in changes else key

    def items(key: str) -> list[tuple[Any, str]]:
        value = merge(raw.get(key), changes[key]) if key in changes else raw.get(key)
        return _items(value, place(key))

    generators = _parse_all(GENERATORS, items("generate"), problems)
    steps = _parse_all(STEPS, items("curate"), problems)
    train = {}
    if _are_mappings(raw, changes, problems, where):
        train = {**(raw.get("train") or {}), **(changes.get("train") or {})}
    found: list[str] = []
    plain, choose = attempt(lambda: read_choose(train, where=f"{place('train')}.recipe"), found) or ({}, None)
    settings = attempt(lambda: TrainSettings.parse(plain, where=place("train")), found) or TrainSettings()
    problems.extend(_at_home(line, f"{where}.train.", changes.get("train") or {}) for line in found)
    if generators and not any(step.kind == "contamination" for step in steps):
        steps = (*steps, STEPS.parse("contamination", where=where))
    size = None
    if changes.get("size") is not None:
        size = attempt(lambda: read_size(changes["size"], where=f"{where}.size"), problems)
        if not items("generate"):
            problems.append(f"{where}.size: the arm generates no rows to take some of; leave it out")
    arm = ArmPlan(name, generators, steps if generators else (), settings, None, size)
    arm = replace(
        arm, human=_human(changes.get("data"), where, problems), axes=_axes(changes, where, problems), choose=choose
    )
    return _with_files(arm, base, problems)


def _human(value: Any, where: str, problems: list[str]) -> str | None:
    """Return an arm's own sample of human rows."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or set(value) != {"train"}:
        problems.append(
            f"{where}.data: expected {{train: SAMPLE}}, all else of data is the same for all, got {value!r}"
        )
        return None
    found: list[str] = []
    attempt(lambda: grammar.parse(value["train"]), found)
    problems.extend(f"{where}.data.train: {line}" for line in found)
    return str(value["train"])


def _axes(changes: Mapping[str, Any], where: str, problems: list[str]) -> dict[str, Any]:
    """Return where an arm says that it stands."""
    value = changes.get("axes") or {}
    if not isinstance(value, Mapping) or any(isinstance(one, (Mapping, list)) for one in value.values()):
        problems.append(f"{where}.axes: expected a mapping such as {{size: 50, generate: eda}}, got {value!r}")
        return {}
    taken = [str(key) for key in value if key in COLUMNS]
    problems.extend(f"{where}.axes.{key}: results.csv has a column of that name already" for key in taken)
    return {str(key): one for key, one in value.items()}


def _with_files(arm: ArmPlan, base: Path, problems: list[str]) -> ArmPlan:
    """Return the arm with the files its generators and steps name found."""
    where = f"arms.{arm.name}"
    generators = []
    for generator in arm.generators:
        for name in ("path", "synonyms"):
            generator = file_of(generator, name, base, f"{where}.generate", problems)
        generators.append(generator)
    steps = (file_of(step, "by", base, f"{where}.curate", problems) if step.files() else step for step in arm.steps)
    settings = arm.settings
    if settings.checkers.quality or settings.checkers.diversity:
        checkers = settings.checkers
        for name in ("quality", "diversity"):
            checkers = file_of(checkers, name, base, f"{where}.train.checkers", problems)
        settings = settings.changed(checkers=checkers)
    return replace(arm, generators=tuple(generators), steps=tuple(steps), settings=settings)


def _at_home(problem: str, prefix: str, changed: Mapping[str, Any]) -> str:
    """Return a problem with the place it was written at: the shared section, unless the arm changes that key."""
    inner = problem.removeprefix(prefix)
    own = inner == problem or re.split(r"[.:]", inner)[0] in changed
    return problem if own else f"train.{inner}"


def _parse_all(catalog: Catalog[S], items: Sequence[tuple[Any, str]], problems: list[str]) -> tuple[S, ...]:
    parsed = (attempt(partial(catalog.parse, item, where=where), problems) for item, where in items)
    return tuple(found for found in parsed if found is not None)


def _are_mappings(raw: Mapping[str, Any], changes: Mapping[str, Any], problems: list[str], where: str) -> bool:
    good = True
    for value, at in ((raw.get("train"), "train"), (changes.get("train"), f"{where}.train")):
        if value is not None and not isinstance(value, Mapping):
            problems.append(f"{at}: expected a mapping such as {{steps: 300}}, got {value!r}")
            good = False
    return good


def merge(base: Any, change: Any) -> Any:
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


def misfits(arm: ArmPlan, task: TaskName) -> list[str]:
    """Return what of an arm is not made for the task of the data, a line each."""
    if arm.kind is not None:
        return [] if task in COLLABORATION_TASKS else [unfit(arm.kind.kind, COLLABORATION_TASKS, task)]
    parts = [(f"generate: {one.kind}", one.tasks) for one in arm.generators]
    parts += [(f"curate: {one.kind}", one.tasks) for one in arm.steps]
    found = [unfit(who, tasks, task) for who, tasks in parts if task not in tasks]
    found += choose_misfits(arm.choose, arm.settings, task)
    return [*found, *(f"train: {line}" for line in arm.settings.misfits(task))]
