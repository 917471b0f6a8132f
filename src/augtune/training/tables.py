"""What the checkers say of every row: tables made once and handed on, never a model. Loads without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from augtune.core.labels import Labels
from augtune.core.tables import Predictions

__all__ = ["Checkers"]


@dataclass(frozen=True, slots=True)
class Checkers:
    """Predictions of the checkers for every row of a dataset, each by models that did not see the row.

    Args:
        quality: By models trained on the human rows; None where no recipe needs it.
        diversity: By models trained on the synthetic rows; None where no recipe needs it.
        quality_accuracy: Share of human rows the quality checker gets right without having seen them.
        temperatures: What the scores of each checker were divided by.
    """

    quality: Predictions | None = None
    diversity: Predictions | None = None
    quality_accuracy: float | None = None
    temperatures: Mapping[str, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the tables as plain JSON values."""
        return {
            "quality": None if self.quality is None else list(self.quality.to_rows()),
            "diversity": None if self.diversity is None else list(self.diversity.to_rows()),
            "quality_accuracy": self.quality_accuracy,
            "temperatures": None if self.temperatures is None else dict(self.temperatures),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], labels: Labels) -> Checkers:
        """Return the tables a JSON object of ``to_json`` describes."""

        def table(name: str) -> Predictions | None:
            rows = value.get(name)
            return None if rows is None else Predictions.from_rows(rows, labels, made_by=f"{name} checker")

        return cls(table("quality"), table("diversity"), value.get("quality_accuracy"), value.get("temperatures"))
