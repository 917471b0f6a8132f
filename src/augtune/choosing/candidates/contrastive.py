"""Contrastive few-shot tuning: pairs of rows tune the encoder, a probe tells the classes apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from augtune.choosing.candidates.base import Situation
from augtune.choosing.candidates.human_only import HumanAlone
from augtune.core.task import TaskName

if TYPE_CHECKING:
    from augtune.choosing.frozen import Frozen
    from augtune.embedding.probe import Probe

__all__ = ["Contrastive"]


class Contrastive(HumanAlone):
    """Tune the encoder by pairs of human rows, alike or not, and fit a probe to its vectors (the idea of SetFit).

    On frozen vectors it is what human rows alone are, so it is tried where these are fine-tuned, in the place of one
    way, and only where rows are few: there pairs are worth most.
    """

    kind: ClassVar[str] = "contrastive"
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal")
    ranked: ClassVar[bool] = False

    most_rows: int = Field(default=30, ge=2)
    """Human rows per class, on average, up to which it is tried."""

    @property
    def about(self) -> str:
        """What it does, in words."""
        return "Tune the encoder by pairs of human rows, alike or not, and fit a probe to its vectors"

    def unfit(self, situation: Situation) -> str:
        """Return why it is not tried."""
        if situation.is_pair:
            return "rows are pairs of texts, which have no vector of their own"
        mean = situation.rows_per_class
        if mean > self.most_rows:
            return f"a class has {mean:.0f} human rows on average; it is tried up to {self.most_rows}"
        return ""

    def stand_in(self, frozen: Frozen) -> Probe:
        """Return the regression on the human rows."""
        return frozen.human_only
