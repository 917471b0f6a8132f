"""Losses: what one row costs, for soft targets, in float32; each class is its settings.

Shapes: ``B`` rows of a batch, ``K`` classes. torch is imported when a loss is computed, so settings load without it.

Every loss scores each class as if it were the label, ``per_class`` ``(B, K)``, and a row costs the mean of that under
its target: for a one-hot row that is the loss of its label. Class weights multiply the class they belong to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from augtune.core.errors import SettingsError
from augtune.core.settings import Settings
from augtune.core.task import TaskName, unfit

if TYPE_CHECKING:
    from torch import Tensor

    from augtune.core.labels import Labels

__all__ = [
    "CrossEntropy",
    "Dimp",
    "Focal",
    "Ldam",
    "LogitAdjustment",
    "Loss",
    "LossBatch",
    "LossSum",
    "class_margins",
    "class_weights",
    "loss_sum",
    "mean_loss",
]

ClassWeighting = Literal["none", "inverse", "effective"]

# e^40 is 2e17: with it a weight, its gradient and the gradient's square all fit float32.
MAX_LOG_WEIGHT = 40.0


@dataclass(frozen=True, slots=True)
class LossBatch:
    """What a loss may know of a batch besides its logits.

    Args:
        targets: ``(B, K)`` rows that sum to 1.
        weights: ``(B,)`` how much each row counts, or None: every row counts 1.
        quality: ``(B,)`` probability a checker gives the row's label, NaN for a row that is not to be weighed; or None.
        class_counts: ``(K,)`` rows of each class in the training set, on any device (the processor is best), or None.
    """

    targets: Tensor
    weights: Tensor | None = None
    quality: Tensor | None = None
    class_counts: Tensor | None = None


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

    class_weights: ClassWeighting = "none"
    """Weigh classes by their training rows: none, inverse (count^-power) or effective (Cui et al., CVPR 2019)."""
    power: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """Exponent of the inverse class weights: 1 evens classes out, 0.5 does so half-way, 0 is no weight."""
    beta: float = Field(default=0.9999, ge=0, lt=1)
    """Of the effective class weights (1 - beta) / (1 - beta^count); 0 is no weight, near 1 the inverse count."""

    def bound(self, labels: Labels) -> Loss:
        """Return the loss as it is trained on rows of these labels, knowing of them what it needs.

        Raises:
            SettingsError: If it is no loss for their task.
        """
        if labels.task not in self.tasks:
            raise SettingsError(unfit(f"loss {self.kind}", self.tasks, labels.task))
        return self

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
        by_class = self._class_weights(batch)
        if by_class is not None:
            scores = scores * by_class
        losses = scores.sum(dim=-1)
        weights = self.row_weights(logits, batch)
        return losses if weights is None else losses * weights

    def shares(self, batch: LossBatch) -> Tensor:
        """Return what each row adds to the divisor of the mean: its class weight, or 1; ``(B,)`` float32."""
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
        if self.class_weights == "none":
            return None
        weights = class_weights(self._counts(batch), self.class_weights, power=self.power, beta=self.beta)
        return weights.to(batch.targets.device)

    def _counts(self, batch: LossBatch) -> Tensor:
        if batch.class_counts is None:
            raise SettingsError(f"loss {self.kind}: the batch carries no class counts, which it needs.")
        return batch.class_counts


class CrossEntropy(Loss):
    """Cross-entropy with soft targets; with weights from outside (IMP, quality only) it is those methods' loss."""

    kind: ClassVar[str] = "cross_entropy"

    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of each target that is spread evenly over all classes."""
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal", "multi_label")

    def bound(self, labels: Labels) -> Loss:
        """Return itself; where a row may have several labels, the cross-entropy of each by itself, ``bce``."""
        if not labels.has_many:
            return self
        from augtune.model.task_losses import Bce

        return Bce(**{name: getattr(self, name) for name in self.model_fields_set})

    def targets(self, batch: LossBatch) -> Tensor:
        """Return the targets after smoothing, ``(B, K)``."""
        targets = batch.targets.float()
        if self.label_smoothing == 0:
            return targets
        return (1 - self.label_smoothing) * targets + self.label_smoothing / targets.shape[-1]


class Focal(Loss):
    """Down-weigh rows the model finds easy by (1 - p)^gamma (Lin et al., ICCV 2017)."""

    kind: ClassVar[str] = "focal"

    gamma: float = Field(default=2.0, ge=0, allow_inf_nan=False)
    """How sharply easy rows fade; 0 is cross-entropy."""
    factor: Literal["attached", "detached"] = "attached"
    """Whether the gradient flows through (1 - p)^gamma, as in the paper, or takes it as a constant."""

    def per_class(self, logits: Tensor, batch: LossBatch) -> Tensor:
        """Return ``-(1 - p_k)^gamma log p_k``, ``(B, K)``."""
        logs = logits.float().log_softmax(dim=-1)
        # Below 1e-7 the factor is 0 for float32, and for gamma < 1 its slope would be infinite.
        factor = (-logs.expm1()).clamp_min(1e-7) ** self.gamma
        return -(factor.detach() if self.factor == "detached" else factor) * logs


class Ldam(Loss):
    """Ask rarer classes for a wider margin, m = max_margin (n_min / n)^(1/4) (Cao et al., NeurIPS 2019).

    The margin is taken off the label's logit, in a soft target off each logit by its share. Together with the
    effective-number weights, its default here, this is the stage-1 loss of two-stage fine-tuning.
    """

    kind: ClassVar[str] = "ldam"

    class_weights: ClassWeighting = "effective"
    """Weigh classes by their training rows: none, inverse (count^-power) or effective (Cui et al., CVPR 2019)."""
    max_margin: float = Field(default=0.5, gt=0, allow_inf_nan=False)
    """Margin of the rarest class, in units of a logit."""
    scale: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """What logits are multiplied by after the margin; 1 suits raw logits, 30 cosine ones."""

    def per_class(self, logits: Tensor, batch: LossBatch) -> Tensor:
        """Return ``-log softmax(scale (z - t m))``, ``(B, K)``."""
        margins = class_margins(self._counts(batch), self.max_margin).to(logits.device)
        return -(self.scale * (logits.float() - batch.targets.float() * margins)).log_softmax(dim=-1)


class LogitAdjustment(Loss):
    """Add tau times the log class shares to the logits in training (Menon et al., ICLR 2021).

    Prediction uses the bare logits, which then treat classes as if all were equally common.
    """

    kind: ClassVar[str] = "logit_adjustment"

    tau: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """Strength; 0 is cross-entropy, 1 aims at the best balanced accuracy."""

    def per_class(self, logits: Tensor, batch: LossBatch) -> Tensor:
        """Return ``-log softmax(z + tau log share)``, ``(B, K)``."""
        counts = _filled(self._counts(batch))
        priors = (counts / counts.sum()).log().float().to(logits.device)
        return -(logits.float() + self.tau * priors).log_softmax(dim=-1)


class Dimp(Loss):
    """Weigh each row by its quality over the model's own confidence (Kuo et al., ICLR 2025).

    A row counts more when a checker trained on trusted rows finds its label likely, and less once the model finds it
    easy: weight (q / p)^gamma, a constant to the gradient. Unbounded, this is the gradient of the mean of q / p, so
    one mislabelled row the model is sure about would own its batch; hence ``clamp``. For a soft target q and p are
    expected probabilities, sum_k t_k p_k. A row whose quality is NaN weighs 1.
    """

    kind: ClassVar[str] = "dimp"
    takes_mixed: ClassVar[bool] = False

    form: Literal["ratio", "additive"] = "ratio"
    """The weight: (q / p)^gamma, or the bounded 1 - p + q, to which gamma, floor and clamp do not apply."""
    gamma: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Exponent of the ratio; 1 is the paper's, below 1 evens weights out."""
    floor: float | None = Field(default=None, gt=0, lt=1)
    """Smallest model probability divided by; None for no floor."""
    clamp: Annotated[float, Field(gt=0)] | Literal["auto"] | None = "auto"
    """Largest weight. auto: 5 times the number of classes K, since a surely right row weighs K before the model knows
    anything, so a label has to be 5 times less likely than chance to be held back. None: the paper's, without bound
    (but for e^40, which keeps float32 finite)."""

    def row_weights(self, logits: Tensor, batch: LossBatch) -> Tensor:
        """Return the ``(B,)`` weights, without gradient.

        Raises:
            SettingsError: If the batch carries no quality.
        """
        import torch

        if batch.quality is None:
            raise SettingsError(
                "loss dimp: the batch carries no quality, the checker's probability of each row's label.",
                hint="Use recipe: dimp, which trains the checker.",
            )
        with torch.no_grad():
            quality = batch.quality.float()
            logs = logits.float().log_softmax(dim=-1)
            own = (logs + batch.targets.float().log()).logsumexp(dim=-1)
            weights = (
                1 - own.exp() + quality if self.form == "additive" else self._ratio(quality, own, logits.shape[-1])
            )
            return torch.where(quality.isnan(), torch.ones_like(weights), weights)

    def _ratio(self, quality: Tensor, own: Tensor, classes: int) -> Tensor:
        if self.floor is not None:
            own = own.clamp_min(math.log(self.floor))
        weights: Tensor = (self.gamma * (quality.log() - own)).clamp_max(MAX_LOG_WEIGHT).exp()
        bound = 5.0 * classes if self.clamp == "auto" else self.clamp
        return weights if bound is None else weights.clamp_max(bound)


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
    return LossSum(losses.sum(), loss.shares(batch).sum())


def mean_loss(loss: Loss, logits: Tensor, batch: LossBatch) -> Tensor:
    """Return the batch's loss, a float32 scalar: the mean over its rows of weight times loss.

    Row weights do not enter the divisor, so weight 1 equals no weight and a weight of 2 counts twice. Class weights
    do enter it, as in a weighted mean.
    """
    return loss_sum(loss, logits, batch).mean


def class_weights(
    counts: Tensor, how: Literal["inverse", "effective"], *, power: float = 1.0, beta: float = 0.9999
) -> Tensor:
    """Return ``(K,)`` float32 class weights; those of the classes that have rows sum to the number of such classes.

    A class without rows weighs as much as the rarest that has some (a soft target may still name it).

    Args:
        counts: ``(K,)`` rows of each class.
        how: ``inverse``, count^-power, or ``effective``, (1 - beta) / (1 - beta^count) (Cui et al., CVPR 2019).
        power: Of the inverse weights.
        beta: Of the effective weights, in [0, 1).
    """
    filled = _filled(counts)
    raw = filled**-power if how == "inverse" else (1 - beta) / (1 - beta**filled)
    present = counts > 0
    return (raw * present.sum() / raw[present].sum()).float()


def class_margins(counts: Tensor, max_margin: float = 0.5) -> Tensor:
    """Return ``(K,)`` float32 LDAM margins, max_margin (n_min / n)^(1/4) (Cao et al., NeurIPS 2019)."""
    filled = _filled(counts)
    return (max_margin * (filled.min() / filled) ** 0.25).float()


def _filled(counts: Tensor) -> Tensor:
    """Return the counts as float64, a class without rows counted as the rarest that has some."""
    numbers = counts.double()
    if not bool((numbers > 0).any()):
        raise SettingsError("class counts: no class has a row.")
    return numbers.where(numbers > 0, numbers[numbers > 0].min())
