"""How many rows of each label are wanted, as the settings say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from augtune.core.dataset import HumanDataset
from augtune.core.errors import InputError, SettingsError
from augtune.core.labels import Labels
from augtune.core.settings import suggestion
from augtune.generation.base import Generator

__all__ = ["Balance", "Balanced", "PerClass", "is_counted", "needs_rows", "per_label", "planned"]

WORDS = ("max", "minority", "prior", "even")
COUNTED = ("prior", "even")


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _checked(value: Any) -> Any:
    if isinstance(value, Mapping) and value and all(_is_count(rows, 0) for rows in value.values()):
        return dict(value)
    if value is None or _is_count(value, 1):
        return value
    raise ValueError(f"expected a number of rows, or one per label as in {{billing: 30, login: 20}}, got {value!r}")


def _checked_balance(value: Any) -> Any:
    if value in WORDS:
        return value
    try:
        return _checked(value)
    except ValueError as error:
        raise ValueError(str(error).replace("expected ", f"expected {', '.join(map(repr, WORDS))}, ")) from None


PerClass = Annotated[int | dict[str, int], BeforeValidator(_checked)]
"""Rows wanted of every label, or of each label that is named."""

Balance = Annotated[
    int | dict[str, int] | Literal["max", "minority", "prior", "even"], BeforeValidator(_checked_balance)
]
"""The same, or a word for what the human rows' labels ask for."""


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


def planned(
    wanted: int | Mapping[str, int] | str, train: HumanDataset, *, where: str, count: int | None = None
) -> dict[str, int]:
    """Return the rows wanted of each label, in the order of the labels; labels of which none is wanted are left out.

    Args:
        wanted: ``max`` as many new rows of each label as the largest has human ones; ``minority`` what each lacks of
            the largest; ``prior`` ``count`` rows that fall on the labels as the human ones do; ``even`` as many of
            each label, ``count`` in all; or numbers.
        train: The human rows.
        where: Place of the setting, for messages.
        count: For ``prior`` and ``even``: rows in all; by default as many as there are human ones.

    Raises:
        SettingsError: If an unknown label is named or no row is wanted.
        InputError: If a word is given and there is no human row to count.
    """
    if not isinstance(wanted, str):
        return per_label(wanted, train.labels, where=where)
    counts = train.counts()
    largest = max(counts.values(), default=0)
    if not largest:
        raise InputError(
            f"{where}: {wanted} counts the human rows of each label, and there are none.",
            hint="Give a number: per_class: 50, or one per label: per_class: {billing: 30, login: 20}.",
        )
    if wanted == "max":
        return dict.fromkeys(counts, largest)
    if wanted == "minority":
        return {label: largest - have for label, have in counts.items() if have < largest}
    total = count or len(train)
    weights = dict.fromkeys(counts, 1) if wanted == "even" else counts
    shares = {label: total * weight / sum(weights.values()) for label, weight in weights.items()}
    rows = {label: int(share) for label, share in shares.items()}
    left = total - sum(rows.values())
    for label in sorted(shares, key=lambda name: rows[name] - shares[name])[:left]:  # the largest remainders
        rows[label] += 1
    return {label: number for label, number in rows.items() if number}


class Balanced(Generator):
    """A generator that is told for each row which label it is to have."""

    default_balance: ClassVar[str] = "max"

    per_class: Balance | None = None
    """Rows wanted of each label: a number; a number per label, e.g. {billing: 30, login: 20}, and none of the others;
    or a word as in balance."""

    balance: Balance | None = None
    """What decides the rows of each label if per_class does not: 'max', as many new rows of each as the largest has
    human ones (the default); 'minority', what each lacks of the largest; 'prior', count rows in the human rows' shares;
    'even', count rows, as many of each label; or a number per label."""

    count: Annotated[int, Field(ge=1)] | None = None
    """For 'prior' and 'even', rows wanted in all; by default as many as there are human ones."""

    @model_validator(mode="after")
    def _one_plan(self) -> Self:
        if self.per_class is not None and self.balance is not None:
            raise ValueError("per_class and balance are both given; the number of rows is set by one of them")
        if self.count is not None and not is_counted(self.per_class, self.balance):
            raise ValueError("count is the number of rows of balance: prior or even; set that, or use per_class")
        return self

    def quota_of(self, train: HumanDataset) -> dict[str, int]:
        """Return the rows wanted of each label."""
        if self.per_class is not None:
            return planned(self.per_class, train, where="generate.per_class", count=self.count)
        return planned(self.balance or self.default_balance, train, where="generate.balance", count=self.count)


def is_counted(*quotas: object) -> bool:
    """Return whether one of the quotas is a word that shares out a number of rows in all."""
    return any(isinstance(quota, str) and quota in COUNTED for quota in quotas)


def needs_rows(kind: str, does: str, quota: Mapping[str, int], train: HumanDataset) -> None:
    """See that every label of which rows are wanted has human rows to work from.

    Raises:
        InputError: If one has none.
    """
    counts = train.counts()
    empty = [label for label in quota if not counts.get(label)]
    if empty:
        raise InputError(
            f"{kind}: no human row to {does} for label {', '.join(map(repr, empty))}.",
            hint="Sample rows of every label, or leave them out: per_class: {label: rows}.",
        )
