"""What every loss shares: the batch it may look at, class weights, and the sum that parts of a batch add up to.

Shapes: ``B`` rows of a batch, ``K`` classes. torch is imported when a loss is computed, so settings load without it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from augtune.core.errors import SettingsError
from augtune.core.settings import Settings, suggestion
from augtune.core.task import TaskName, unfit
from augtune.model.losses.classes import class_weights

if TYPE_CHECKING:
    from torch import Tensor

    from augtune.core.labels import Labels

__all__ = ["ClassWeighting", "Loss", "LossBatch", "LossSum", "loss_sum", "mean_loss"]

ClassWeighting = Literal["none", "inverse", "effective"]


@dataclass(frozen=True, slots=True)
class LossBatch:
    """What a loss may know of a batch besides its logits.

    Args:
        targets: ``(B, K)`` rows that sum to 1.
        weights: ``(B,)`` how much each row counts, or None: every row counts 1.
        quality: ``(B,)`` probability a checker gives the row's label, NaN for a row that is not to be weighed; or None.
        class_counts: ``(K,)`` rows of each class in the training set, on any device (the processor is best), or None.
        progress: Share of the stage's steps that were taken before this one, in [0, 1).
    """

    targets: Tensor
    weights: Tensor | None = None
    quality: Tensor | None = None
    class_counts: Tensor | None = None
    progress: float = 0.0


@dataclass(frozen=True, slots=True)
class LossSum:
    """A batch's loss before the division, so that parts of a batch add up to the whole.

    Args:
        total: Scalar, the sum over rows of weight times loss; carries the gradient.
        share: Scalar, what to divide by: the number of rows, or the sum of their class weights.
    """

    total: Tensor
    share: Tensor

    @property
    def mean(self) -> Tensor:
        """The mean loss, a scalar."""
        return self.total / self.share


class Loss(Settings):
    """Base of the losses; by itself it is cross-entropy."""

    takes_mixed: ClassVar[bool] = True
    """False if it needs to know of each row something that a mix of two rows has not."""
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal")
    """The tasks it can be trained on."""
    needs_quality: ClassVar[bool] = False
    """True if it weighs each row by what a quality checker says of its label."""

    class_weights: ClassWeighting = "none"
    """Weigh classes by their training rows: none, inverse (count^-power) or effective (Cui et al., CVPR 2019)."""
    power: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """Exponent of the inverse class weights: 1 evens classes out, 0.5 does so half-way, 0 is no weight."""
    beta: float = Field(default=0.9999, ge=0, lt=1)
    """Of the effective class weights (1 - beta) / (1 - beta^count); 0 is no weight, near 1 the inverse count."""
    deferred: float = Field(default=0.0, ge=0, lt=1)
    """Share of a stage's steps before the class weights enter: deferred re-weighting (Cao et al., NeurIPS 2019, with
    ldam: 0.8). 0: they count from the start."""
    alpha: Mapping[str, float] | tuple[float, ...] | None = None
    """What a row of each class counts besides, by the label's name (one not named counts 1) or a number for each label
    in order. Unlike class weights it does not enter the divisor of the mean. None: 1 for all."""

    @model_validator(mode="after")
    def _weighs(self) -> Self:
        if self.deferred > 0 and self.class_weights == "none":
            raise SettingsError("deferred: there are no class weights to defer; set class_weights")
        if self.alpha is not None:
            values = list(self.alpha.values()) if isinstance(self.alpha, Mapping) else list(self.alpha)
            if not all(0 <= value < math.inf for value in values) or not any(values):
                raise SettingsError(f"alpha: expected numbers of 0 or more, not all 0; got {values}")
        return self

    def bound(self, labels: Labels) -> Loss:
        """Return the loss as it is trained on rows of these labels, knowing of them what it needs.

        Raises:
            SettingsError: If it is no loss for their task, or ``alpha`` is not about these labels.
        """
        if labels.task not in self.tasks:
            raise SettingsError(unfit(f"loss {self.kind}", self.tasks, labels.task))
        return self if self.alpha is None else self.model_copy(update={"alpha": self._alpha_of(labels)})

    def _alpha_of(self, labels: Labels) -> tuple[float, ...]:
        given = self.alpha or ()
        if not isinstance(given, Mapping):
            if len(given) != len(labels):
                raise SettingsError(
                    f"loss {self.kind}: alpha: expected {len(labels)} numbers, one for each of {labels}; "
                    f"got {list(given)}"
                )
            return given
        unknown = [name for name in given if name not in labels.names]
        if unknown:
            known = suggestion(unknown[0], labels.names)
            raise SettingsError(f"loss {self.kind}: alpha: no label is called {unknown[0]!r}{known}")
        return tuple(float(given.get(name, 1.0)) for name in labels.names)

    def per_class(self, logits: Tensor, batch: LossBatch) -> Tensor:
        """Return ``(B, K)`` float32: what each row would cost if class ``k`` were its label."""
        return -logits.float().log_softmax(dim=-1)

    def targets(self, batch: LossBatch) -> Tensor:
        """Return the ``(B, K)`` distribution the loss is averaged under."""
        return batch.targets.float()

    def row_weights(self, logits: Tensor, batch: LossBatch) -> Tensor | None:
        """Return the ``(B,)`` weights that depend on the model's own logits, without gradient; None for all 1."""
        return None

    def per_row(self, logits: Tensor, batch: LossBatch) -> Tensor:
        """Return the loss of each row, class weights included, ``batch.weights`` not.

        Args:
            logits: ``(B, K)``, of any float type.
            batch: Targets and whatever else the loss needs.

        Returns:
            ``(B,)`` float32.

        Raises:
            SettingsError: If the batch lacks what the loss needs, or its shape is not that of the logits.
        """
        self._check_shapes(logits, batch)
        scores = self.targets(batch) * self.per_class(logits, batch)
        by_class = self._class_factors(batch)
        if by_class is not None:
            scores = scores * by_class
        losses = scores.sum(dim=-1)
        weights = self.row_weights(logits, batch)
        return losses if weights is None else losses * weights

    def shares(self, logits: Tensor, batch: LossBatch) -> Tensor:
        """Return what each row adds to the divisor of the mean: its class weight, or 1; ``(B,)`` float32.

        Args:
            logits: ``(B, K)``; none of what is returned carries a gradient to them.
            batch: As in ``per_row``.
        """
        by_class = self._class_weights(batch)
        targets = batch.targets.float()
        return targets.new_ones(len(targets)) if by_class is None else (targets * by_class).sum(dim=-1)

    def _check_shapes(self, logits: Tensor, batch: LossBatch) -> None:
        if logits.shape != batch.targets.shape:
            raise SettingsError(
                f"loss {self.kind}: expected targets of the shape of the logits {tuple(logits.shape)}, "
                f"got {tuple(batch.targets.shape)}."
            )

    def _class_weights(self, batch: LossBatch) -> Tensor | None:
        if self.class_weights == "none" or batch.progress < self.deferred:
            return None
        weights = class_weights(self._counts(batch), self.class_weights, power=self.power, beta=self.beta)
        return weights.to(batch.targets.device)

    def _class_factors(self, batch: LossBatch) -> Tensor | None:
        """Return ``(K,)`` what a class's loss is multiplied by: class weights times alpha; None for all 1."""
        weights = self._class_weights(batch)
        if self.alpha is None:
            return weights
        if isinstance(self.alpha, Mapping):
            raise SettingsError(f"loss {self.kind}: alpha by name needs the labels; call bound(labels) first.")
        own = batch.targets.new_tensor(self.alpha).float()
        return own if weights is None else own * weights

    def _counts(self, batch: LossBatch) -> Tensor:
        if batch.class_counts is None:
            raise SettingsError(f"loss {self.kind}: the batch carries no class counts, which it needs.")
        return batch.class_counts


def loss_sum(loss: Loss, logits: Tensor, batch: LossBatch) -> LossSum:
    """Return a batch's loss before the division: sums of micro-batches or processes add up to the whole batch's.

    Args:
        loss: The loss.
        logits: ``(B, K)``.
        batch: Its targets, weights and so on.
    """
    losses = loss.per_row(logits, batch)
    if batch.weights is not None:
        losses = losses * batch.weights.float()
    return LossSum(losses.sum(), loss.shares(logits.detach(), batch).sum())


def mean_loss(loss: Loss, logits: Tensor, batch: LossBatch) -> Tensor:
    """Return the batch's loss, a float32 scalar: the mean over its rows of weight times loss.

    Row weights do not enter the divisor, so weight 1 equals no weight and a weight of 2 counts twice. Class weights
    do enter it, as in a weighted mean.
    """
    return loss_sum(loss, logits, batch).mean
