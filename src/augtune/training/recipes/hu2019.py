"""Hu et al. 2019, and Ren et al. 2018: weights learned beside training from what trusted rows say of each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from augtune.core.errors import DataError, SettingsError
from augtune.core.seeds import generator
from augtune.core.tables import Weights
from augtune.training.recipes.base import Online, Recipe
from augtune.training.stages import Stage

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset
    from augtune.training.settings import TrainSettings

__all__ = ["Hu2019"]

# Fewer trusted rows are no measure.
LEAST_TRUSTED = 2


class Hu2019(Recipe):
    """Learn each row's weight beside training: rows whose step lowers the loss of trusted rows count more.

    For every row of a batch one step of Adam on that row alone is tried out; the slope of the trusted rows' loss along
    it moves the row's weight (the weighting half of Hu et al., NeurIPS 2019). ``variant: ren`` keeps no memory: a
    weight is what the slope says in that step (Ren et al., ICML 2018).
    """

    kind: ClassVar[str] = "hu2019"

    variant: Literal["hu", "ren"] = "hu"
    """hu: a weight is remembered from visit to visit; ren: it is found anew in each step, from a virtual step of 0."""
    rows: Literal["all", "synthetic"] = "all"
    """Rows the classifier is trained on: human and synthetic, or synthetic alone."""
    human: Literal["trusted", "weighed"] = "trusted"
    """Human rows that are trained on count 1, or are weighed like the others."""
    trusted: Literal["auto", "validation", "held_out"] = "auto"
    """Rows of the outer loss: the validation rows, or human training rows that are held out for it and not trained on.
    auto: validation rows if there are any. Never test rows."""
    trusted_share: float = Field(default=0.3, gt=0, lt=1)
    """Share of the human training rows that is held out, of every class, where there are no validation rows."""
    trusted_rows: Annotated[int, Field(ge=1)] | None = 64
    """Trusted rows drawn for each step; None: all of them in every step, as in the paper."""
    covers: Literal["head", "all"] | Annotated[int, Field(ge=1)] = "head"
    """Parameters the virtual step moves: the head's; the head's and so many top layers'; or all, as in the papers,
    which costs a pass through the encoder for each row."""
    w_init: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Every row's weight before its first visit, 1 in the paper. Slopes of the head alone are near 0.001; so small a
    start lets them be heard sooner."""
    w_decay: float = Field(default=5.0, ge=1, allow_inf_nan=False)
    """What a weight is divided by at each visit before the slope is taken off."""
    norm: Literal["linear", "softmax"] = "linear"
    """How the weights of a batch are made to average 1: divided by their mean, or a softmax."""
    chunk: int = Field(default=8, ge=1)
    """Rows whose virtual steps are taken together."""
    l2: float = Field(default=0.01, ge=0, allow_inf_nan=False)
    """Times the parameter, added to a row's gradient in its virtual step."""

    @property
    def weighs(self) -> bool:
        """True."""
        return True

    def check(self, settings: TrainSettings) -> None:
        """Refuse an optimizer that is no Adam: virtual steps need its memory."""
        if settings.optimizer.kind not in ("adam", "adamw"):
            raise SettingsError(
                f"optimizer: recipe hu2019 tries out steps of Adam: expected adamw or adam, got "
                f"{settings.optimizer.kind}"
            )

    def plan(self, settings: TrainSettings, steps: int) -> list[Stage]:
        """Return the one stage."""
        return [Stage("train", self.rows, steps, settings.lr, settings.loss, settings.trainable)]

    def require(self, dataset: Dataset) -> None:
        """Refuse a dataset without human rows to trust or without synthetic rows to weigh."""
        origins = set(dataset.origins)
        if origins == {"human"} and self.human == "trusted":
            raise DataError(
                f"{dataset.name}: recipe hu2019 weighs synthetic rows, and there are none.",
                hint="Generate some; or weigh the human rows too: recipe: {kind: hu2019, human: weighed}.",
            )
        if self.trusted != "validation" and "human" not in origins:
            raise DataError(
                f"{dataset.name}: recipe hu2019 needs human rows to trust, and there are none.",
                hint="Add some, or give validation rows and recipe: {kind: hu2019, trusted: validation}.",
            )

    def online(self, rows: Dataset, *, has_validation: bool, seed: int) -> Online | None:
        """Return who gets weights and who is trusted.

        Raises:
            SettingsError: If validation rows are asked for and there are none.
            DataError: If there are too few human rows to hold some out.
        """
        if self.trusted == "validation" and not has_validation:
            raise SettingsError("recipe.trusted: validation, but there are no validation rows; use held_out")
        human = np.array([origin == "human" for origin in rows.origins], dtype=bool)
        weighed = ~human if self.human == "trusted" else np.ones(len(rows), dtype=bool)
        if has_validation and self.trusted != "held_out":
            return Online(weighed, np.zeros(0, dtype=np.int64))
        return Online(weighed, self._held_out(rows, np.flatnonzero(human), seed))

    def _held_out(self, rows: Dataset, human: np.ndarray, seed: int) -> np.ndarray:
        classes = rows.label_indices
        chance = generator(seed, "trusted")
        found: list[int] = []
        for group in np.unique(classes[human]):
            inside = chance.permutation(human[classes[human] == group])
            # A class of one row keeps it to train on.
            found.extend(inside[: min(max(1, round(self.trusted_share * len(inside))), len(inside) - 1)])
        if len(found) < LEAST_TRUSTED:
            raise DataError(
                f"{rows.name}: recipe hu2019 holds human rows out to trust; {len(human)} human rows are too few.",
                hint="Add human rows, or give validation rows.",
            )
        return np.sort(np.array(found, dtype=np.int64))

    def learned(self, rows: Dataset, settings: TrainSettings, seed: int) -> Weights:
        """Return 1 for every row, where learning starts."""
        return Weights(rows.ids, np.ones(len(rows)))
