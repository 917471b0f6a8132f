"""``Quality``: what synthetic rows are like, all together and per label, each number beside that of human rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

__all__ = ["GroupQuality", "Quality"]


@dataclass(frozen=True, slots=True)
class GroupQuality:
    """Rows of one label, or all. None stands for what cannot be said, e.g. without human rows to compare with.

    Args:
        rows: Synthetic rows.
        human_rows: Human rows trained on.
        repeats: Rows that repeat a human or an earlier synthetic row but for case, spaces and edge punctuation.
        near_repeats: Share of rows that nearly or exactly repeat an earlier synthetic row.
        near_human: Share of rows that nearly or exactly repeat a human row trained on.
        near_test: Rows that nearly or exactly repeat a test row.
        distinct_1: Distinct words over words, in a sample.
        distinct_2: Distinct pairs of words over pairs.
        self_bleu: How alike the rows of a sample are in wording, 0 to 1.
        nearest_human: Median cosine similarity to the nearest human row.
        agreement: Share of rows that a checker trained on the human rows gives the same label.
        length: Median number of words and marks.
        drift: Divergence of the vocabulary from that of human rows, 0 to 1 bit.
        names_label: Share of rows whose text holds the name of their label.
        tagged: Rows with a tag that names a label, e.g. ``(positive)``.
        tagged_wrong: Those of them whose tag names another label than their own.
        sources: Different human rows or texts the rows were made from; None if none is on record.
        largest_source: Rows made from the one that most were made from.
        human: The same names, of human rows: of a sample of the same size, of the other human rows, or of rows the
            checker did not see.
    """

    rows: int
    human_rows: int
    repeats: int
    near_repeats: float | None
    near_human: float | None
    near_test: int | None
    distinct_1: float | None
    distinct_2: float | None
    self_bleu: float | None
    nearest_human: float | None
    agreement: float | None
    length: float
    drift: float | None
    names_label: float
    tagged: int
    tagged_wrong: int
    sources: int | None
    largest_source: int | None
    human: Mapping[str, float | None]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> GroupQuality:
        """Return what a JSON object of ``to_json`` describes."""
        return cls(**{one.name: value[one.name] for one in fields(cls)})


@dataclass(frozen=True, slots=True)
class Quality:
    """What synthetic rows are like.

    Args:
        whole: All rows.
        by_label: Rows of each label, labels in order.
        embedded: Rows that were embedded: all, or a sample.
        encoder: Encoder of the vectors.
        threshold: Cosine similarity from which rows count as near.
        seed: Of the samples.
    """

    whole: GroupQuality
    by_label: Mapping[str, GroupQuality]
    embedded: int
    encoder: str
    threshold: float
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Return everything as one JSON object."""
        return {
            "schema": 1,
            "embedded": self.embedded,
            "encoder": self.encoder,
            "threshold": self.threshold,
            "seed": self.seed,
            "whole": self.whole.to_json(),
            "by_label": {label: one.to_json() for label, one in self.by_label.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Quality:
        """Return what a JSON object of ``to_json`` describes."""
        return cls(
            GroupQuality.from_json(value["whole"]),
            {label: GroupQuality.from_json(one) for label, one in value["by_label"].items()},
            int(value["embedded"]),
            str(value["encoder"]),
            float(value["threshold"]),
            int(value["seed"]),
        )
