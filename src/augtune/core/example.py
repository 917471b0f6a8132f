"""Example: one labelled text, who wrote it and what it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from augtune.core.labels import Labels
from augtune.core.task import LabelValue

__all__ = ["Example", "Origin"]

Origin = Literal["human", "generated", "rewritten"]


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text.

    Args:
        id: Unique in its dataset, e.g. ``train-0017`` or ``gpt3mix-0017``.
        text: The text, or the first of a pair.
        label: Name of its (most probable) class. Where a row may have several, all of them in one text, made from
            ``labels``.
        text_pair: The second text of a pair.
        probabilities: Soft label, ``(K,)`` in the order of the dataset's labels, summing to 1 unless a row may have
            several labels; None for a hard label.
        origin: Who wrote it: a human, a model from several rows, or a model from one row.
        parents: Ids of the human rows it was made from.
        source_text: Text it was made from, where that is not one of our own rows.
        soft_source: Where the soft label came from: logprobs, stated, votes, local.
        call_key: Key of the model call that wrote it.
        generator: Name of the generator and its prompt, e.g. ``gpt3mix@1``.
        labels: All labels it has, perhaps none, where a row may have several; else None.
    """

    id: str
    text: str
    label: str
    text_pair: str | None = None
    probabilities: tuple[float, ...] | None = None
    origin: Origin = "human"
    parents: tuple[str, ...] = ()
    source_text: str | None = None
    soft_source: str | None = None
    call_key: str | None = None
    generator: str | None = None
    labels: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.labels is not None:
            object.__setattr__(self, "labels", tuple(self.labels))
            object.__setattr__(self, "label", Labels.text_of(self.labels))

    @property
    def label_value(self) -> LabelValue:
        """The label as JSON has it: a name, or a list of names where a row may have several."""
        return self.label if self.labels is None else list(self.labels)

    def to_json(self, labels: Labels | None = None) -> dict[str, Any]:
        """Return the row as a JSON object; fields that say nothing are left out."""
        row: dict[str, Any] = {"id": self.id, "text": self.text, "label": self.label_value, "origin": self.origin}
        if self.probabilities is not None:
            names = labels.names if labels is not None else tuple(map(str, range(len(self.probabilities))))
            row["probabilities"] = dict(zip(names, self.probabilities, strict=True))
        if self.parents:
            row["parents"] = list(self.parents)
        for name in ("text_pair", "source_text", "soft_source", "call_key", "generator"):
            value = getattr(self, name)
            if value is not None:
                row[name] = value
        return row

    @classmethod
    def from_json(cls, row: Mapping[str, Any], labels: Labels) -> Example:
        """Return the example a JSON object of ``to_json`` describes."""
        known = {name: row[name] for name in cls.__dataclass_fields__ if name in row}
        soft = known.get("probabilities")
        if soft is not None:
            known["probabilities"] = tuple(float(soft[name]) for name in labels)
        if labels.has_many:
            known["labels"] = tuple(known["label"])
            known["label"] = ""
        known["parents"] = tuple(known.get("parents", ()))
        return cls(**known)

    def __repr__(self) -> str:
        text = self.text if len(self.text) <= 60 else self.text[:59] + "…"
        sure = "" if self.probabilities is None else f" {max(self.probabilities):.2f}"
        return f"{self.id} {text!r} → {self.label}{sure}"
