"""Human and synthetic rows in one training, a synthetic row's loss counting a part of a human one's."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from augtune.choosing.candidates.base import Candidate

if TYPE_CHECKING:
    from augtune.choosing.frozen import Frozen
    from augtune.core.dataset import Dataset
    from augtune.embedding.probe import Probe
    from augtune.training.settings import TrainSettings

__all__ = ["Mix"]


class Mix(Candidate):
    """Fine-tune on human and synthetic rows together, a synthetic row counting ``weight`` of a human one.

    The weight is given by how often rows are drawn, not by a factor of their loss: with n human and m synthetic rows a
    step has a share of n / (n + weight · m) human ones. The expected gradient is the same, and no step is spent on rows
    that count next to nothing.
    """

    kind: ClassVar[str] = "mix"

    weight: float = Field(default=1.0, gt=0, le=1)
    """What a synthetic row counts, above 0; 1: as much as a human one."""

    @property
    def name(self) -> str:
        """Mix, and its weight."""
        return f"mix {self.weight:g}"

    @property
    def about(self) -> str:
        """What it does, in words."""
        return f"Fine-tune on all rows, a synthetic one counting {self.weight:g}"

    def settings(self, train: TrainSettings, rows: Dataset) -> TrainSettings:
        """Return one stage on all rows."""
        if self.weight == 1:
            return train.changed(recipe="vanilla")
        human = sum(origin == "human" for origin in rows.origins)
        share = human / (human + self.weight * (len(rows) - human))
        stage = {"rows": "all", "human_share": round(share, 6)}
        return train.changed(recipe={"kind": "stages", "stages": [stage]})

    def stand_in(self, frozen: Frozen) -> Probe:
        """Return the weighted regression on all rows."""
        return frozen.fit(self.weight)
