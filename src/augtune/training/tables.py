"""What the checkers say of every row: tables made once and handed on, never a model. Loads without torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from augtune.core.labels import Labels
from augtune.core.tables import Predictions, Weights
from augtune.weighting.importance import label_probability

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset

__all__ = ["Checkers"]


@dataclass(frozen=True, slots=True)
class Checkers:
    """Predictions of the checkers for every row of a dataset, each by models that did not see the row.

    Args:
        quality: By models trained on the human rows; None where no recipe needs it.
        diversity: By models trained on the synthetic rows; None where no recipe needs it.
        quality_accuracy: Share of human rows the quality checker gets right without having seen them.
        temperatures: What the scores of each checker were divided by; a saved one keeps its own.
        seen: Marks of the texts that the quality checker was trained on (``core.fingerprint.text_marks``), so that no
            such row selects; empty where a saved one does not say.
        notes: Sentences that whoever uses them has to know of.
    """

    quality: Predictions | None = None
    diversity: Predictions | None = None
    quality_accuracy: float | None = None
    temperatures: Mapping[str, float] | None = None
    seen: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the tables as plain JSON values."""
        return {
            "quality": None if self.quality is None else list(self.quality.to_rows()),
            "diversity": None if self.diversity is None else list(self.diversity.to_rows()),
            "quality_accuracy": self.quality_accuracy,
            "temperatures": None if self.temperatures is None else dict(self.temperatures),
            "seen": sorted(self.seen),
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], labels: Labels) -> Checkers:
        """Return the tables a JSON object of ``to_json`` describes."""

        def table(name: str) -> Predictions | None:
            rows = value.get(name)
            return None if rows is None else Predictions.from_rows(rows, labels, made_by=f"{name} checker")

        return cls(
            quality=table("quality"),
            diversity=table("diversity"),
            quality_accuracy=value.get("quality_accuracy"),
            temperatures=value.get("temperatures"),
            seen=frozenset(value.get("seen", ())),
            notes=tuple(value.get("notes", ())),
        )

    @classmethod
    def merged(cls, parts: Iterable[Checkers]) -> Checkers:
        """Return tables that were made one by one as one."""
        made = list(parts)
        return cls(
            quality=next((one.quality for one in made if one.quality is not None), None),
            diversity=next((one.diversity for one in made if one.diversity is not None), None),
            quality_accuracy=next((one.quality_accuracy for one in made if one.quality_accuracy is not None), None),
            temperatures={name: t for one in made for name, t in (one.temperatures or {}).items()},
            seen=frozenset().union(*(one.seen for one in made)),
            notes=tuple(note for one in made for note in one.notes),
        )

    def columns(self, rows: Dataset, weights: Weights | None = None) -> Iterator[dict[str, Any]]:
        """Yield the scores of rows as columns: id, weight if any, and what each checker says of the label.

        Args:
            rows: Rows that the tables cover.
            weights: One for each of them, in any order.
        """
        opinions = {
            name: label_probability(checker, rows)
            for name, checker in (("quality", self.quality), ("diversity", self.diversity))
            if checker is not None
        }
        by_id = {} if weights is None else dict(zip(weights.ids, map(float, weights.values), strict=True))
        for i, name in enumerate(rows.ids):
            weight = {} if weights is None else {"weight": by_id[name]}
            yield {"id": name} | weight | {k: float(v[i]) for k, v in opinions.items()}
