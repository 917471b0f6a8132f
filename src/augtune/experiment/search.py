"""``search``: which training settings are tried, between which ends, and for which arms. Loads without optuna."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field, field_validator

from augtune.core.errors import SettingsError
from augtune.core.settings import Settings
from augtune.experiment import document
from augtune.experiment.arms import ArmPlan
from augtune.experiment.fit import unchoosable
from augtune.training.settings import TrainSettings

__all__ = ["Choices", "Range", "SearchSettings", "check_search", "keys_for", "shared", "value_at", "with_values"]


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers between two ends, both included.

    Args:
        low: The lower end.
        high: The upper end.
        is_log: Whether equal ratios are equally likely, not equal differences.
    """

    low: int | float
    high: int | float
    is_log: bool = False

    @property
    def tried(self) -> tuple[Any, ...]:
        """Values that have to be good settings if all are."""
        return self.low, self.high

    def __contains__(self, value: object) -> bool:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and self.low <= value <= self.high  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class Choices:
    """Some values, each as good as the next before any is tried.

    Args:
        values: The values: texts, numbers, or mappings as the file has them.
    """

    values: tuple[Any, ...]

    @property
    def tried(self) -> tuple[Any, ...]:
        """All of them."""
        return self.values

    def __contains__(self, value: object) -> bool:
        return value in self.values


class SearchSettings(Settings):
    """A search for training settings on human rows that are not the test rows."""

    trials: int = Field(default=20, ge=2)
    """How many combinations are tried; the first is what the file says."""
    over: dict[str, Any] = Field(min_length=1)
    """Keys with what to try: two numbers are the ends of a range, [1e-5, 1e-3, log] of one on a logarithmic scale; any
    other list is one of these, as is {choices: [16, 32]}."""
    arm: str | None = None
    """Arm to search for; what is found is used in every arm that has the same value of the key in the file. By default
    every arm that trains has a search of its own."""
    metric: str | None = None
    """What decides; by default the first of evaluate.metrics."""
    folds: int | None = Field(default=None, ge=2)
    """Parts of the human training rows, each judging models of the others; where there are no validation rows."""
    seed: int = 0
    """Seed of the search, of its trainings and of the parts."""

    @field_validator("over")
    @classmethod
    def _readable(cls, over: dict[str, Any]) -> dict[str, Any]:
        problems = []
        for key, value in over.items():
            try:
                _space(value)
            except ValueError as error:
                problems.append(f"over.{key}: {error}, got {value!r}")
            if not key.startswith("train."):
                problems.append(
                    f"over.{key}: expected a training setting such as train.lr or train.recipe.stage1_share"
                )
        if problems:
            raise SettingsError(problems)
        return over

    @property
    def space(self) -> Mapping[str, Range | Choices]:
        """What to try, by key."""
        return {key: _space(value) for key, value in self.over.items()}


def _space(value: Any) -> Range | Choices:
    if isinstance(value, Mapping) and set(value) == {"choices"}:
        value = value["choices"]
    elif _is_range(value):
        low, high = value[:2]
        is_log = len(value) == 3
        if not low < high or (is_log and low <= 0):
            raise ValueError("expected the lower end first" + (", over 0 for log" if is_log else ""))
        return Range(low, high, is_log)
    if not isinstance(value, list) or len(value) < 2:
        raise ValueError("expected [low, high], [low, high, log] or two values or more to choose from")
    return Choices(tuple(value))


def _is_range(value: Any) -> bool:
    def is_number(one: Any) -> bool:
        return isinstance(one, (int, float)) and not isinstance(one, bool)

    ends = isinstance(value, list) and len(value) in (2, 3) and all(map(is_number, value[:2]))
    return ends and (len(value) == 2 or value[2] == "log")


def with_values(settings: TrainSettings, values: Mapping[str, Any]) -> TrainSettings:
    """Return training settings with other values at some keys (``train.lr``).

    Raises:
        SettingsError: If they are none.
    """
    whole = document.copied(settings.to_json())
    for key, value in values.items():
        document.assign(whole, key.removeprefix("train."), document.copied(value), where=key)
    return TrainSettings.parse(whole, where="train")


def value_at(settings: TrainSettings, key: str) -> Any:
    """Return the value at a key (``train.lr``); None if there is none."""
    value: Any = settings.to_json()
    for part in key.split(".")[1:]:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def keys_for(search: SearchSettings, arm: ArmPlan) -> tuple[str, ...]:
    """Return the keys that an arm is searched over: those it has, but for the axes it is swept over."""
    swept = {"train.encoder" if axis == "encoder" else axis for axis in arm.axes}
    return tuple(key for key in search.over if key not in swept and not any(_problems(search, arm, key)))


def shared(search: SearchSettings, found: Mapping[str, Any], of: ArmPlan, arm: ArmPlan) -> ArmPlan:
    """Return an arm with what was found for another, where the file has the same value for both."""
    keys = keys_for(search, arm)
    own = {k: v for k, v in found.items() if k in keys and value_at(arm.settings, k) == value_at(of.settings, k)}
    return replace(arm, settings=with_values(arm.settings, own)) if own else arm


def check_search(search: SearchSettings, arms: Sequence[ArmPlan], *, has_validation: bool, problems: list[str]) -> None:
    """Note what is wrong with a search.

    Args:
        search: The search.
        arms: The arms that train.
        has_validation: Whether there are validation rows.
        problems: Gets one line for each problem.
    """
    if not has_validation and search.folds is None:
        problems.append(
            "search: there are no validation rows to judge by, and test rows are not for that; set data.validation, "
            "or search.folds: 3 to judge by parts of the human training rows"
        )
    if has_validation and search.folds is not None:
        problems.append("search.folds: there are validation rows to judge by; leave it out")
    names = [arm.name for arm in arms]
    if search.arm is not None and search.arm not in names:
        problems.append(
            f"search.arm: no arm that trains a classifier is called {search.arm!r}; there are: {', '.join(names)}"
        )
        return
    searched = [arm for arm in arms if search.arm in (None, arm.name)]
    for key in search.over:
        if searched and not any(key in keys_for(search, arm) for arm in searched):
            told = next((line for arm in searched for line in _problems(search, arm, key)), None)
            problems.append(told or f"search.over.{key}: every arm is swept over it already")


def _problems(search: SearchSettings, arm: ArmPlan, key: str) -> Iterator[str]:
    """Yield what is wrong with the values of a key in an arm."""
    for value in search.space[key].tried:
        try:
            settings = with_values(arm.settings, {key: value})
        except SettingsError as error:
            yield from (f"search.over.{line}" for line in error.problems)
        else:
            yield from (f"search.over.train.{line}" for line in (unchoosable(settings) if arm.choose else ()))
