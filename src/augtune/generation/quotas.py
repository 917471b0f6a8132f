"""How many rows of each label are wanted, as the settings say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from augtune.core.errors import SettingsError
from augtune.core.labels import Labels
from augtune.core.settings import suggestion

__all__ = ["Balance", "PerClass", "per_label"]


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _checked(value: Any) -> Any:
    if isinstance(value, Mapping) and value and all(_is_count(rows, 0) for rows in value.values()):
        return dict(value)
    if value is None or _is_count(value, 1):
        return value
    raise ValueError(f"expected a number of rows, or one per label as in {{billing: 30, login: 20}}, got {value!r}")


def _checked_balance(value: Any) -> Any:
    if value in ("max", "minority"):
        return value
    try:
        return _checked(value)
    except ValueError as error:
        raise ValueError(str(error).replace("expected ", "expected 'max', 'minority', ")) from None


PerClass = Annotated[int | dict[str, int], BeforeValidator(_checked)]
"""Rows wanted of every label, or of each label that is named."""

Balance = Annotated[int | dict[str, int] | Literal["max", "minority"], BeforeValidator(_checked_balance)]
"""The same, or a number that depends on the largest label."""


def per_label(wanted: int | Mapping[str, int], labels: Labels, *, where: str) -> dict[str, int]:
    """Return the rows wanted of each label, in the order of the labels; labels of which none is wanted are left out.

    Raises:
        SettingsError: If an unknown label is named or no row is wanted, one line per problem.
    """
    if isinstance(wanted, int):
        return dict.fromkeys(labels, wanted)
    problems = [
        f"{where}: no label is called {name!r}{suggestion(name, labels)}" for name in wanted if name not in labels
    ]
    if not any(wanted.values()):
        problems.append(f"{where}: expected at least one row of some label, got {dict(wanted)!r}")
    if problems:
        raise SettingsError(problems)
    return {label: wanted[label] for label in labels if wanted.get(label)}
