"""A way that the user writes: any training settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from augtune.choosing.candidates.base import Candidate, Situation
from augtune.core.errors import SettingsError
from augtune.core.task import TaskName

if TYPE_CHECKING:
    import numpy as np

    from augtune.choosing.frozen import Frozen
    from augtune.core.dataset import Dataset
    from augtune.embedding.probe import Probe
    from augtune.training.settings import TrainSettings

__all__ = ["Own"]

FIXED = ("encoder", "steps", "epochs", "keep", "patience", "target")


def _changes(value: Any) -> Any:
    """Return the mapping, checked as training settings."""
    from augtune.training.settings import TrainSettings

    if not isinstance(value, dict):
        raise SettingsError(f"train: expected a mapping such as {{recipe: dimp}}, got {value!r}")
    fixed = [key for key in FIXED if key in value]
    if fixed:
        raise SettingsError(
            f"train.{fixed[0]}: it is the same for all ways, so that they can be compared; leave it out"
        )
    TrainSettings.parse(value, where="train")
    return value


class Own(Candidate):
    """Fine-tune by settings of your own."""

    kind: ClassVar[str] = "own"
    needs_synthetic: ClassVar[bool] = False

    called: str = Field(default="own", min_length=1)
    """What it is called."""
    train: Annotated[dict[str, Any], BeforeValidator(_changes)]
    """Training settings in place of those all ways share, e.g. {recipe: sungen}."""
    use: str = Field(default="all", pattern="^(all|human)$")
    """Rows it trains on: all, or human."""

    @property
    def name(self) -> str:
        """What the user calls it."""
        return self.called

    @property
    def uses_synthetic(self) -> bool:
        """Whether it trains on synthetic rows."""
        return self.use == "all"

    def misfit(self, task: TaskName) -> str:
        """Return what of its settings is not made for a task, or nothing."""
        from augtune.training.settings import TrainSettings

        return "; ".join(TrainSettings().changed(**self.train).misfits(task))

    def unfit(self, situation: Situation) -> str:
        """Return why it cannot be tried."""
        return "there are no synthetic rows" if self.use == "all" and not situation.synthetic else ""

    def settings(self, train: TrainSettings, rows: Dataset) -> TrainSettings:
        """Return the shared settings with the user's changes."""
        return train.changed(**self.train)

    def rows(self, dataset: Dataset, quality: np.ndarray | None) -> Dataset:
        """Return the rows asked for."""
        return dataset if self.use == "all" else dataset.human()

    def stand_in(self, frozen: Frozen) -> Probe:
        """Return the regression on the same rows, each counting 1: what else its settings do is not known here."""
        return frozen.human_only if self.use == "human" else frozen.fit(1.0)
