"""The section ``data`` of an experiment file: where the human rows are and how many of them each split takes."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from augtune.core.settings import Settings
from augtune.core.task import TaskName

__all__ = ["ColumnSettings", "DataSettings"]


class ColumnSettings(Settings):
    """Which column holds what; a column that is not named is looked for."""

    text: str | None = None
    """Column of the text, or of the first text of a pair."""
    label: str | None = None
    """Column of the label."""
    text_pair: str | None = None
    """Column of the second text, for pairs."""


class DataSettings(Settings):
    """Where the human rows are and how many of them each split takes."""

    source: str
    """A file (csv, tsv, json, jsonl, parquet), a folder of splits, or hf:owner/name."""
    columns: ColumnSettings = Field(default_factory=ColumnSettings)
    """Column names, where they cannot be found by themselves."""
    task: TaskName = "single_label"
    """single_label; multi_label: a row has any number of labels; ordinal: one, and the labels have an order."""
    separator: str | None = None
    """What stands between the labels of a row in a text column, e.g. |, where task is multi_label."""
    labels: list[str] | dict[str, str] | None = None
    """Label names in the order wanted, or a mapping from what the file has to a name; found if not given. Where task is
    ordinal, names that are no numbers have to be given, from one end to the other."""
    view: str | dict[str, list[str] | str] | None = None
    """Classes merged into others in the order wanted, for human, synthetic and test rows alike:
    {non-neutral: [negative, positive], neutral: [neutral]}, or one-vs-rest neutral; drop: [...] leaves rows out."""
    train: str = "all of train"
    """Rows to train on: all of train, 10/class of train, 1% of train, 2000 of train, imbalance 0.2, and so on, drawn
    from what test and validation leave of the split (1% is 1% of that); [0, 3, 17] of train are the rows at these
    positions of the whole split, counted from 0."""
    validation: str = "none"
    """Rows to select weights on (train.keep: best), in the same grammar; none for no selection."""
    test: str = "all of test"
    """Rows to measure on, in the same grammar."""
    seed: int = 0
    """Seed of what is drawn before training: the samples and the generated rows."""

    @field_validator("labels", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        if isinstance(value, list):
            return [str(name) for name in value]
        return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else value

    @field_validator("view", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {str(k): [str(old) for old in v] if isinstance(v, list) else str(v) for k, v in value.items()}
