"""``sweep``: arms times the values of some keys, written out as arms before anything else is read.

What comes out is an experiment file like any other, so nothing after this knows of sweeps: stages are shared because
their keys are equal, and an arm of a smaller size takes a nested sample of the same generated rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from augtune.core.errors import SettingsError
from augtune.core.settings import suggestion
from augtune.experiment import document
from augtune.experiment.axes import Axis, effective, read_axis
from augtune.experiment.kinds import KINDS
from augtune.experiment.nested import Size, read_size
from augtune.generation import GENERATORS

__all__ = ["BASE", "Expanded", "expand"]

BASE = "base_arm"
"""Axis that says which arm of the file a swept arm is one of."""
FILTERS = ("skip", "only")
QUOTAS = ("per_class", "balance", "multiplier", "count", "n_aug")
"""Keys of generators that say how many rows they make."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """An experiment file whose sweep is written out.

    Args:
        document: The file without ``sweep``, with all arms.
        origins: Per swept arm, the arm it is one of ("" if the file names none) and the places its axes set.
        words: What was swept, in words; empty without a sweep.
    """

    document: Mapping[str, Any]
    origins: Mapping[str, tuple[str, tuple[Axis, ...]]] = field(default_factory=dict)
    words: str = ""

    def at_home(self, problem: str) -> str:
        """Return a problem of a swept arm with the place in the file that it comes from."""
        for name, (base, axes) in self.origins.items():
            for axis in axes:
                for place in (f"arms.{name}.{axis.place}", f"arms.{name}: {axis.place}"):
                    if problem.startswith(place):
                        return f"sweep.{axis.key}{problem.removeprefix(place)}"
            for mark in (".", ":"):
                if problem.startswith(f"arms.{name}{mark}"):
                    rest = problem.removeprefix(f"arms.{name}")
                    return f"arms.{base}{rest}" if base else f"sweep{rest}" if mark == ":" else rest[1:]
        return problem


@dataclass(frozen=True, slots=True)
class _Point:
    """An arm on its way: the arm it started from, the names of its values, the axes it has a place on."""

    base: str
    changes: Mapping[str, Any]
    names: tuple[str, ...] = ()
    axes: tuple[Axis, ...] = ()

    @property
    def name(self) -> str:
        """What the arm will be called."""
        return " · ".join([*([self.base] if self.base else []), *self.names])

    def where(self) -> dict[str, Any]:
        """Return its place by axis."""
        return {axis.key: axis.point(name) for axis, name in zip(self.axes, self.names, strict=True)}

    def matches(self, wanted: Mapping[str, Any]) -> bool:
        """Return whether it stands where a filter says; a value is named as written or by its name."""
        at = list(zip(self.axes, self.names, strict=True))
        names = {axis.key: name for axis, name in at} | {"arm": self.base}
        values = {axis.key: axis.values[name] for axis, name in at} | {"arm": self.base}

        def fits(key: str, value: Any) -> bool:
            return key in names and (value == values[key] or str(value) == names[key])

        return all(
            any(fits(key, one) for one in (value if isinstance(value, list) else [value]))
            for key, value in wanted.items()
        )


def expand(raw: Mapping[str, Any], problems: list[str]) -> Expanded:
    """Return the file with its sweep written out as arms; problems are noted.

    Args:
        raw: The file's mapping.
        problems: Gets one line for each problem.
    """
    if raw.get("sweep") is None:
        return Expanded({key: value for key, value in raw.items() if key != "sweep"})
    given = raw["sweep"]
    if not isinstance(given, Mapping):
        problems.append(f"sweep: expected a mapping such as {{size: [10, 50, 100]}}, got {given!r}")
        return Expanded({key: value for key, value in raw.items() if key != "sweep"})
    top = {str(key): value for key, value in raw.items() if key != "sweep"}
    before = len(problems)
    axes = _axes(given, problems)
    filters = {kind: _filter(kind, given.get(kind), axes, problems) for kind in FILTERS}
    arms = top.get("arms")
    bases = {str(k): v for k, v in arms.items()} if isinstance(arms, Mapping) and arms else {"": {}}
    if len(problems) > before:
        return Expanded({**top, "arms": {name or "all": value for name, value in bases.items()}})
    points = [point for name, value in bases.items() for point in _points(top, name, value, axes, problems)]
    for axis in axes:
        if not any(axis in point.axes for point in points) and len(problems) == before:
            problems.append(f"sweep.{axis.key}: no arm takes it: each sets the key itself, or has no use for it")
    kept = _filtered(points, filters, problems)
    names = [point.name for point in kept]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        problems.append(
            f"sweep: two arms get the name {name!r}; name values apart, e.g. generate: {{warm: ..., cold: ...}}"
        )
    if not kept and len(problems) == before:
        problems.append("sweep: no arm is left; look at skip and only")
    made = {point.name or "all": _arm(top, point, axes) for point in kept}
    origins = {point.name: (point.base, point.axes) for point in kept if point.axes}
    return Expanded({**top, "arms": made}, origins, _words(axes, points, kept))


def _axes(given: Mapping[str, Any], problems: list[str]) -> list[Axis]:
    """Return the axes, generators first, because sizes are of what they make."""
    found: dict[str, Axis] = {}
    for key, value in given.items():
        if key in FILTERS:
            continue
        axis = read_axis(str(key), value, problems)
        if axis is None:
            continue
        if axis.place in found:
            problems.append(f"sweep.{axis.key}: the same setting as sweep.{found[axis.place].key}; leave one out")
            continue
        found[axis.place] = axis
    if not found and not problems:
        problems.append("sweep: names nothing to sweep, e.g. {size: [10, 50, 100]}")
    if "size" in found:
        _check_sizes(found["size"], problems)
    return sorted(found.values(), key=lambda axis: axis.place != "generate")


def _check_sizes(axis: Axis, problems: list[str]) -> None:
    sizes = []
    for value in axis.values.values():
        try:
            sizes.append(read_size(value, where="sweep.size"))
        except SettingsError as error:
            problems.extend(error.problems)
    if len({size.is_per_class for size in sizes}) > 1:
        problems.append("sweep.size: some are rows in all and some rows per class; use one of the two")


def _filter(kind: str, value: Any, axes: Sequence[Axis], problems: list[str]) -> list[Mapping[str, Any]]:
    """Return the places a filter names."""
    entries = [value] if isinstance(value, Mapping) else value or []
    known = ["arm", *(axis.key for axis in axes)]
    found: list[Mapping[str, Any]] = []
    for number, entry in enumerate(entries if isinstance(entries, list) else [entries]):
        where = f"sweep.{kind}[{number}]"
        if not isinstance(entry, Mapping) or not entry:
            problems.append(f"{where}: expected a mapping such as {{size: 500, generate: eda}}, got {entry!r}")
            continue
        unknown = [str(key) for key in entry if key not in known]
        problems.extend(f"{where}.{key}: no axis{suggestion(key, known)}" for key in unknown)
        if not unknown:
            found.append(entry)
    return found


def _points(top: Mapping[str, Any], name: str, value: Any, axes: Sequence[Axis], problems: list[str]) -> list[_Point]:
    """Return the arms that one arm of the file becomes; one that takes no axis stays as it is."""
    if value is not None and not isinstance(value, Mapping):
        return [_Point(name, value)]
    changes = {} if value is None else value
    points = [_Point(name, changes)]
    for axis in () if any(key in changes for key in KINDS) else axes:
        points = [further for point in points for further in _along(top, point, axis, problems)]
    return points


def _along(top: Mapping[str, Any], point: _Point, axis: Axis, problems: list[str]) -> list[_Point]:
    if not axis.applies(top, point.changes):
        return [point]
    found = []
    for name in axis.values:
        changes = dict(point.changes)
        try:
            axis.put(top, changes, name)
        except SettingsError as error:
            problems.extend(error.problems)
            continue
        found.append(replace(point, changes=changes, names=(*point.names, name), axes=(*point.axes, axis)))
    return found


def _filtered(
    points: Sequence[_Point], filters: Mapping[str, Sequence[Mapping[str, Any]]], problems: list[str]
) -> list[_Point]:
    for kind, entries in filters.items():
        for number, entry in enumerate(entries):
            if not any(point.matches(entry) for point in points):
                problems.append(f"sweep.{kind}[{number}]: no arm is at {dict(entry)!r}")
    only, skip = filters["only"], filters["skip"]
    return [
        point
        for point in points
        if not point.axes or ((not only or any(map(point.matches, only))) and not any(map(point.matches, skip)))
    ]


def _arm(top: Mapping[str, Any], point: _Point, axes: Sequence[Axis]) -> Any:
    """Return the arm as the file would have it."""
    if not point.axes:
        return point.changes
    changes = dict(point.changes)
    sizes = [read_size(value, where="size") for axis in axes if axis.place == "size" for value in axis.values.values()]
    if sizes and any(axis.place == "size" for axis in point.axes):
        largest = max(sizes, key=lambda size: size.number)
        given = effective(top, changes, "generate")
        enough = _with_quota(given, largest)
        if enough != given:
            changes["generate"] = enough
    base = {BASE: point.base} if point.base else {}
    return {**changes, "axes": {**base, **point.where()}}


def _with_quota(generate: Any, size: Size) -> Any:
    """Return generators that make as many rows as the largest size, where the file does not say how many."""
    given = generate if isinstance(generate, list) else [generate]
    share = Size(-(-size.number // len(given)), size.is_per_class)
    made = [_quota(one, share) for one in given]
    return made if isinstance(generate, list) else made[0]


def _quota(generator: Any, size: Size) -> Any:
    whole = {"kind": generator} if isinstance(generator, str) else generator
    if not isinstance(whole, Mapping) or whole.get("kind") not in GENERATORS:
        return generator  # what is wrong with it is told where generators are read
    fields = GENERATORS.load(str(whole["kind"])).model_fields
    if "path" in fields or "per_class" not in fields or any(whole.get(key) is not None for key in QUOTAS):
        return document.copied(whole)
    if size.is_per_class:
        return {**whole, "per_class": size.number}
    return {**whole, "count": size.number, **({} if "multiplier" in fields else {"balance": "even"})}


def _words(axes: Sequence[Axis], points: Sequence[_Point], kept: Sequence[_Point]) -> str:
    swept = sum(bool(point.axes) for point in kept)
    gone = len(points) - len(kept)
    told = " × ".join(f"{len(axis.values)} {axis.key}" for axis in axes)
    return f"{told} · {swept} arms" + (f", {gone} skipped" if gone else "")
