"""A linear probe: the encoder stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from augtune.choosing.candidates.base import Situation
from augtune.choosing.candidates.human_only import HumanAlone

if TYPE_CHECKING:
    from augtune.choosing.frozen import Frozen
    from augtune.embedding.probe import Probe as Regression

__all__ = ["Probe"]


class Probe(HumanAlone):
    """Regression on the frozen encoder's sentence vectors, on the human rows.

    It takes a second, and on few rows an encoder that stays as it is may be the better one. It is compared where human
    rows alone are fine-tuned too, since on frozen vectors both are the same.
    """

    kind: ClassVar[str] = "probe"
    is_cheap: ClassVar[bool] = True
    ranked: ClassVar[bool] = False

    def unfit(self, situation: Situation) -> str:
        """Return why it cannot be tried: pairs of texts have no sentence vector of their own."""
        return "rows are pairs of texts, which a saved probe cannot read" if situation.is_pair else ""

    def stand_in(self, frozen: Frozen) -> Regression:
        """Return the regression on the human rows."""
        return frozen.human_only
