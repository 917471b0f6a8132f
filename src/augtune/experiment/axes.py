"""One axis of a sweep: the key it is for, its values and what they are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from augtune.core.settings import suggestion
from augtune.experiment import document
from augtune.experiment.arms import merge
from augtune.training.settings import TrainSettings

__all__ = ["AXES", "Axis", "effective", "read_axis"]

AXES = ("size", "generate", "curate", "encoder", "data.train")
"""Keys of a sweep, beside ``train.KEY`` and ``generate.KEY``."""
NOTHING = {"generate": "no synthetic rows", "curate": "no curation"}
BARE = ("size", "data.train", "generate", "curate", "train.encoder", "train.recipe", "train.loss", "train.head")
"""Keys whose values need no key before them to be understood."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis.

    Args:
        key: As the file has it.
        place: What it sets, e.g. ``train.encoder``.
        values: Its values by their names, two or more.
        is_named: Whether the file gives the names.
    """

    key: str
    place: str
    values: Mapping[str, Any]
    is_named: bool = False

    def point(self, name: str) -> str | int | float | bool | None:
        """Return the value called ``name`` as tables have it: a plain one without a name of its own, or its name."""
        value = self.values[name]
        return name if self.is_named or isinstance(value, (Mapping, list)) or value is None else value

    def applies(self, raw: Mapping[str, Any], changes: Mapping[str, Any]) -> bool:
        """Return whether an arm takes its values: it does not set the key itself, and rows are there to be sized."""
        section, _, rest = self.place.partition(".")
        if section == "train":
            return rest.partition(".")[0] not in (changes.get("train") or {})
        if section in ("size", "curate") or (rest and section == "generate"):
            if not effective(raw, changes, "generate"):
                return False
        if section == "generate" and rest:
            own = changes.get("generate")
            return not (isinstance(own, Mapping) and rest.partition(".")[0] in own)
        return section not in changes

    def put(self, raw: Mapping[str, Any], changes: dict[str, Any], name: str) -> None:
        """Set an arm's key to the value called ``name``.

        Raises:
            SettingsError: If a part of the key is no mapping in this arm.
        """
        value = self.values[name]
        section, _, rest = self.place.partition(".")
        if section == "train":
            whole = document.copied({**(raw.get("train") or {}), **(changes.get("train") or {})})
            document.assign(whole, rest, value, where=f"sweep.{self.key}")
            root = rest.partition(".")[0]
            changes["train"] = {**(changes.get("train") or {}), root: whole[root]}
        elif section == "generate" and rest:
            holder = {"generate": document.copied(effective(raw, changes, "generate"))}
            document.assign(holder, self.place, value, where=f"sweep.{self.key}")
            changes["generate"] = holder["generate"]
        elif section == "data":
            changes["data"] = {"train": value}
        elif section == "generate":
            changes["generate"] = {"kind": value} if isinstance(value, str) else document.copied(value)
        else:
            changes[section] = document.copied(value)


def effective(raw: Mapping[str, Any], changes: Mapping[str, Any], key: str) -> Any:
    """Return what an arm has for ``generate`` or ``curate``: the shared section with its change."""
    return merge(raw.get(key), changes[key]) if key in changes else raw.get(key)


def read_axis(key: str, value: Any, problems: list[str]) -> Axis | None:
    """Return the axis that a key of ``sweep`` stands for; None, with the problem noted, if it is none."""
    where = f"sweep.{key}"
    place = "train.encoder" if key == "encoder" else key
    if (wrong := _unknown(place)) is not None:
        problems.append(f"{where}: {wrong}")
        return None
    named = isinstance(value, Mapping) and "kind" not in value
    if not isinstance(value, list) and not named:
        problems.append(f"{where}: expected a list of values, or a mapping from names to values, got {value!r}")
        return None
    if len(value) < 2:
        told = f"got {value!r}; what has one value stands in the arms or the shared section"
        problems.append(f"{where}: expected two values or more, {told}")
        return None
    values = {str(name): one for name, one in value.items()} if isinstance(value, Mapping) else _named(place, value)
    if len(values) < len(value):
        problems.append(f"{where}: two values get the same name; name them, e.g. {{first: ..., second: ...}}")
        return None
    return Axis(key, place, values, named)


def _unknown(place: str) -> str | None:
    """Return what is wrong with a key, or None."""
    section, _, rest = place.partition(".")
    if section == "train" and rest:
        name = rest.partition(".")[0]
        if name in TrainSettings.model_fields:
            return None
        return f"unknown key{suggestion(place, [f'train.{field}' for field in TrainSettings.model_fields])}"
    if place in AXES or (section == "generate" and rest):
        return None
    if place in TrainSettings.model_fields:
        return f"unknown key; did you mean 'train.{place}'?"
    return f"unknown key{suggestion(place, [*AXES, 'train.KEY', 'generate.KEY', 'skip', 'only'])}"


def _named(place: str, values: Sequence[Any]) -> dict[str, Any]:
    """Return values by names that tell them apart; fewer than there are values if they cannot be told apart."""
    ways: tuple[Callable[[Any], str], ...] = (_short, lambda value: _told(value, values), _whole)
    for way in ways:
        names = [way(value) for value in values]
        if len(set(names)) == len(names):
            break
    lead = "" if place in BARE else f"{place.rpartition('.')[2]} "
    made = [NOTHING.get(place, f"{lead}none") if v is None else lead + n for v, n in zip(values, names, strict=True)]
    return dict(zip(made, values, strict=True))


def _short(value: Any) -> str:
    """Return a value in a word: a mapping's kind, a path's last part."""
    if isinstance(value, Mapping):
        return str(value.get("kind", "")) or _whole(value)
    if isinstance(value, list):
        return " + ".join(map(_short, value))
    return PurePosixPath(value).name if isinstance(value, str) and not value.endswith("/class") else _whole(value)


def _told(value: Any, others: Sequence[Any]) -> str:
    """Return a mapping's kind with what differs from others of the kind."""
    if not isinstance(value, Mapping):
        return _whole(value)
    known = [{"kind": one} if isinstance(one, str) else one for one in others]
    alike = [one for one in known if isinstance(one, Mapping) and one.get("kind") == value.get("kind")]
    keys = [key for key in value if key != "kind" and any(one.get(key) != value[key] for one in alike)]
    return " ".join([_short(value), *(f"{key} {_short(value[key])}" for key in keys)])


def _whole(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key} {_whole(one)}" for key, one in value.items())
    if isinstance(value, list):
        return " + ".join(map(_whole, value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
