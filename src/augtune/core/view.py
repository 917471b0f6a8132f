"""Views: the classes of a task merged into others, the same way for human rows, synthetic rows and test rows.

A view is written as a mapping from the new classes, in the order they are to have, to the old ones::

    {non-neutral: [negative, positive], neutral: [neutral]}

or as ``one-vs-rest neutral``, which means just that: the rest comes first, as ``non-neutral``. Every old class stands
in it once; rows of classes under ``drop`` are left out, each on record. The labels that come of it know what they were
made of (``Labels.was``), so that rows that bear the old names can follow later.

Shapes: ``K`` old classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from augtune.core.dataset import Dataset, Example
from augtune.core.errors import SettingsError
from augtune.core.labels import Labels
from augtune.core.outcomes import Dropped
from augtune.core.settings import suggestion

__all__ = ["ViewGiven", "follow", "merged", "view_labels", "view_rows"]

ViewGiven = str | Mapping[str, str | Sequence[str]]
ONE_VS_REST = "one-vs-rest"
DROP = "drop"
EXAMPLE = "{non-neutral: [negative, positive], neutral: [neutral]} or one-vs-rest neutral"

Rows = TypeVar("Rows", bound=Dataset)


def view_labels(labels: Labels, view: ViewGiven) -> Labels:
    """Return the classes that a view makes of others; they know what they were made of.

    >>> view_labels(Labels(("negative", "neutral", "positive")), "one-vs-rest neutral")
    non-neutral · neutral

    Args:
        labels: The old classes, ``K`` of them.
        view: The new ones, in order.

    Raises:
        SettingsError: With a line for every old class that is unknown, named twice or not at all, and for fewer than
            two new ones.
        DataError: If rows may have several labels.
    """
    labels.one_each("view: a view")
    groups = _one_vs_rest(labels, view) if isinstance(view, str) else _groups(view)
    left_out = groups.pop(DROP, ())
    named = [name for group in (*groups.values(), left_out) for name in group]
    problems = [f"view: there is no label {name!r}{suggestion(name, labels)}" for name in dict.fromkeys(named)
                if name not in labels]  # fmt: skip
    problems += [f"view: label {name!r} is named twice" for name in labels if named.count(name) > 1]
    problems += [
        f"view: nothing is said of label {name!r}; put it into a class, or under drop to leave its rows out"
        for name in labels
        if name not in named
    ]
    problems += [f"view: class {name!r} is made of no label" for name, group in groups.items() if not group]
    if len(groups) < 2:
        problems.append(f"view: expected two classes or more, got {len(groups)}; e.g. {EXAMPLE}")
    if not problems:
        problems += _order_problems(labels, groups)
    if problems:
        raise SettingsError(problems)
    inside = {old: new for new, group in groups.items() for old in group}
    described = {name: labels.descriptions[group[0]] for name, group in groups.items()
                 if len(group) == 1 and group[0] in labels.descriptions}  # fmt: skip
    return Labels(tuple(groups), described, labels.task, was={name: inside.get(name) for name in labels})


def _groups(view: ViewGiven) -> dict[str, tuple[str, ...]]:
    if not isinstance(view, Mapping):
        raise SettingsError(f"view: expected a mapping such as {EXAMPLE}, got {view!r}")
    return {str(name).strip(): _members(str(name), group) for name, group in view.items()}


def _members(name: str, group: Any) -> tuple[str, ...]:
    named = [group] if isinstance(group, str | int | float) else group
    if not isinstance(named, Sequence) or not all(isinstance(old, str | int | float) for old in named):
        raise SettingsError(f"view: class {name!r}: expected a label or a list of labels, got {group!r}")
    return tuple(str(old).strip() for old in named)


def _one_vs_rest(labels: Labels, view: str) -> dict[str, tuple[str, ...]]:
    form, _, one = view.strip().partition(" ")
    one = one.strip()
    if form != ONE_VS_REST or not one:
        raise SettingsError(f"view: expected {EXAMPLE}, got {view!r}")
    if one not in labels:
        raise SettingsError(f"view: there is no label {one!r}{suggestion(one, labels)}")
    rest = f"non-{one}"
    if rest in labels:
        raise SettingsError(f"view: {rest!r} is a label already; write the view as a mapping with other names")
    return {rest: tuple(name for name in labels if name != one), one: (one,)}


def _order_problems(labels: Labels, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what is wrong with classes merged out of an order, where there is one."""
    if labels.task != "ordinal":
        return []
    places = [labels.index(old) for group in groups.values() for old in sorted(group, key=labels.index)]
    if places == sorted(places):
        return []
    return [f"view: the labels have an order ({labels}), which the new classes have to keep"]


def view_rows(rows: Rows, labels: Labels) -> tuple[Rows, tuple[Dropped, ...]]:
    """Return rows as a view has them, and those it leaves out.

    A soft label's probabilities are summed within each class; what it gives to classes left out is shared out among the
    others in proportion, and its label is the most probable class.

    Args:
        rows: Rows with the old labels.
        labels: Of ``view_labels``.
    """
    kept, dropped = follow(rows, labels, old=rows.labels)
    return type(rows).from_examples(kept, labels, name=rows.name), dropped  # type: ignore[return-value]


def follow(rows: Iterable[Example], labels: Labels, *, old: Labels) -> tuple[list[Example], tuple[Dropped, ...]]:
    """Return rows with the old classes as the new ones have them, and those that are left out.

    Args:
        rows: The rows.
        labels: The new classes, of ``view_labels``.
        old: The old classes, in the order of the rows' soft labels.
    """
    kept: list[Example] = []
    dropped: list[Dropped] = []
    for row in rows:
        name = labels.was[row.label]
        if name is None:
            because = f"the view leaves out rows of the label {row.label!r}"
            # probabilities over the old classes have no place beside the new ones
            dropped.append(Dropped(replace(row, probabilities=None), "view", because, "left out"))
            continue
        soft = None if row.probabilities is None else merged(dict(zip(old, row.probabilities, strict=True)), labels)
        if soft is not None and soft[labels.index(name)] < max(soft):
            name = labels[soft.index(max(soft))]
        kept.append(replace(row, label=name, probabilities=soft))
    return kept, tuple(dropped)


def merged(probabilities: Mapping[str, float], labels: Labels) -> tuple[float, ...]:
    """Return the probabilities of the new classes.

    Args:
        probabilities: Of the old classes, summing to 1; some of it in classes that are kept.
        labels: The new classes, of ``view_labels``.
    """
    sums = dict.fromkeys(labels, 0.0)
    for old, probability in probabilities.items():
        name = labels.was[old]
        if name is not None:
            sums[name] += probability
    total = sum(sums.values())
    return tuple(value / total for value in sums.values())
