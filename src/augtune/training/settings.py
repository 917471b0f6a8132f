"""TrainSettings: the keys of ``train:`` in an experiment file, and the keywords of ``train``. Loads without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from augtune.core.catalog import Catalog
from augtune.core.encoders import DEFAULT_ENCODER
from augtune.core.errors import SettingsError
from augtune.core.settings import Settings
from augtune.core.task import TaskName, unfit
from augtune.model import HEADS, LOSSES, MIXINGS
from augtune.model.heads import Head, Mean
from augtune.model.lora import Lora
from augtune.model.losses import CrossEntropy, Loss
from augtune.model.mixing import Mixing
from augtune.training import OPTIMIZERS, RECIPES, SCHEDULES
from augtune.training.optimizers import AdamW, Optimizer
from augtune.training.recipes import Recipe, Vanilla
from augtune.training.schedules import Constant, Linear, ReduceOnPlateau, Schedule
from augtune.training.tracking import Tracker

if TYPE_CHECKING:
    from augtune.core.labels import Labels

__all__ = ["CheckerSettings", "TrainSettings"]


CATALOGS: Mapping[str, Catalog[Any]] = {
    "recipe": RECIPES,
    "loss": LOSSES,
    "head": HEADS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "mix": MIXINGS,
}

# Fields of TrainSettings that change nothing of what comes out.
WITHOUT_EFFECT = frozenset({"checkpoint_every", "checkpoints_kept", "tracker", "sharding"})


class CheckerSettings(Settings):
    """How the checkers of recipes that weigh rows are made, or where saved ones are."""

    quality: str | None = None
    """Folder of a saved classifier of the same labels, in any order, to be the quality checker as it is; None: made
    here, as the other keys say. What it was trained on it has seen: no folds keep it from scoring its own rows."""
    diversity: str | None = None
    """Folder of a saved classifier to be the diversity checker; None: made here."""
    model: Literal["probe", "encoder"] = "probe"
    """probe: softmax regression on the frozen encoder's sentence vectors, in a second; encoder: fine-tuning."""
    balanced: bool = True
    """Count every class the same in a checker's training, so that a rare label is not doubted for being rare."""
    encoder: str | None = None
    """Encoder of the checkers; None: the one that is trained."""
    steps: int | None = Field(default=None, ge=1)
    """Optimizer steps of each fine-tuned checker; None: train.steps."""
    folds: int = Field(default=3, ge=2)
    """Models per checker, each trained without one part of the rows, so that no row is scored by one that saw it."""
    calibrated: bool = True
    """Divide each checker's scores by the temperature that fits rows it did not see (Guo et al., ICML 2017)."""


class TrainSettings(Settings):
    """How a classifier is trained."""

    encoder: str = DEFAULT_ENCODER
    """A folder, bundled/minilm, or a name on the Hugging Face hub."""
    head: Annotated[
        Head,
        BeforeValidator(lambda value: HEADS.parse(value, where="head")),
        PlainSerializer(lambda value: value.to_json()),
    ] = Mean()
    """mean, cls, max or attention pooling, or own, the encoder's: a name, or a mapping with kind and its own keys.

    mean is the default for its macro-F1 after 200 steps of the bundled MiniLM on 150 to 220 human rows, against own at
    the same rates: trec6 0.858 and 0.812, hypo_l 0.635 and 0.631 (2 seeds), questionintimacy 0.429 and 0.419,
    tweet_emotion 0.626 and 0.582 (1 seed); on trec6 cls came to 0.813."""
    recipe: Annotated[
        Recipe,
        BeforeValidator(lambda value: RECIPES.parse(value, where="recipe")),
        PlainSerializer(lambda value: value.to_json()),
    ] = Vanilla()
    """How rows are used, e.g. vanilla, two_stage or dimp: a name, or a mapping with kind and the recipe's own keys."""
    loss: Annotated[
        Loss,
        BeforeValidator(lambda value: LOSSES.parse(value, where="loss")),
        PlainSerializer(lambda value: value.to_json()),
    ] = CrossEntropy()
    """What a row costs: a name, or a mapping with kind and the loss's own keys."""
    mix: Annotated[
        Mixing | None,
        BeforeValidator(lambda value: None if value is None else MIXINGS.parse(value, where="mix")),
        PlainSerializer(lambda value: None if value is None else value.to_json()),
    ] = None
    """tmix or mixup: train on mixes of two rows; a name, or a mapping with kind and its own keys. None: on rows.
    A row's partner is among the rows computed at once (micro_batch_size)."""
    steps: int = Field(default=300, ge=1)
    """Optimizer steps, over all stages; the same for every arm unless it says otherwise."""
    epochs: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Passes over the training rows, instead of steps."""
    batch_size: int = Field(default=16, ge=1)
    """Rows per optimizer step, over all processes."""
    micro_batch_size: int | None = Field(default=None, ge=1)
    """Rows computed at once, where memory is short: their gradients add up to exactly the whole batch's. None: all of
    the step's, and half as many whenever the memory does not do."""
    lr: float = Field(default=5e-5, gt=0, allow_inf_nan=False)
    """Highest learning rate."""
    head_lr: float | None = Field(default=1e-3, gt=0, allow_inf_nan=False)
    """Highest learning rate of the head, which starts from nothing; None: lr.

    After 200 steps 1e-3 gave trec6 a macro-F1 of 0.858, lr 0.821 and 5e-3 0.827 (mean pooling, 2 seeds); on hypo_l
    there was no difference."""
    weight_decay: float = Field(default=0.01, ge=0, allow_inf_nan=False)
    """Weight decay, of everything but biases and normalisation; whether it is decoupled says the optimizer."""
    warmup_share: float = Field(default=0.06, ge=0, lt=1)
    """Share of a stage's steps over which the learning rate rises from 0."""
    schedule: Annotated[
        Schedule,
        BeforeValidator(lambda value: SCHEDULES.parse(value, where="schedule")),
        PlainSerializer(lambda value: value.to_json()),
    ] = Linear()
    """How the learning rate falls after that, to the end of each stage: a name, or a mapping with kind and its keys."""
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    """Factor between the learning rates of a layer and the one below it; the embeddings come last. 1: none."""
    optimizer: Annotated[
        Optimizer,
        BeforeValidator(lambda value: OPTIMIZERS.parse(value, where="optimizer")),
        PlainSerializer(lambda value: value.to_json()),
    ] = AdamW()
    """How a gradient moves the weights: a name, or a mapping with kind and the optimizer's own keys."""
    max_grad_norm: float | None = Field(default=1.0, gt=0)
    """Longest gradient; a longer one is shortened to it. None: no limit."""
    dropout: float | None = Field(default=None, ge=0, lt=1)
    """Dropout in encoder and head; None: the encoder's own."""
    max_length: int | None = Field(default=None, ge=4)
    """Tokens read of a text; None: as many as the encoder takes."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """Number format of the forward pass; auto: bf16 where processor or GPU computes in it."""
    trainable: Literal["all", "head"] | Annotated[int, Field(ge=0)] = "all"
    """What is trained: all, the head alone, or head, pooler and so many top layers."""
    freeze_embeddings: bool = False
    """Leave the embeddings as they are: faster, and close in score on small data."""
    lora: Lora | None = None
    """Train low-rank updates instead of the encoder's weights, and merge them in at the end: {rank, alpha, dropout,
    targets}; null: train the weights."""
    gradient_checkpointing: bool = False
    """Compute layers a second time for the gradient: about a third slower, in a fraction of the memory."""
    compile: Literal["auto"] | bool = "auto"
    """Let torch compile the encoder's layers; auto: on a GPU where there are 2,000 steps or more, else not."""
    keep: Literal["last", "best"] = "last"
    """Weights to keep: of the last step, or the best by the validation rows; best where patience or target is given."""
    keep_by: Literal["macro_f1", "accuracy", "loss"] = "macro_f1"
    """What best means, and progress: macro-F1, accuracy or cross-entropy on the validation rows."""
    patience: int | None = Field(default=None, ge=1)
    """Evaluations without progress after which training ends; None: all steps are taken."""
    tolerance: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Progress has to be more than this to count against patience."""
    target: float | None = Field(default=None, allow_inf_nan=False)
    """Value of keep_by at which training ends."""
    threshold: Annotated[float, Field(gt=0, lt=1)] | Literal["tuned"] | None = None
    """Probability from which a label is predicted, where a row may have several; None: 0.5. tuned: for each label the
    one with the best F1 on the validation rows."""
    evaluate_every: int | None = Field(default=None, ge=1)
    """Steps between evaluations on the validation rows; None: a tenth of the steps."""
    checkpoint_every: int | None = Field(default=None, ge=1)
    """Steps between checkpoints; None: a tenth of the steps, and no sooner than half a minute after the one before, so
    that short trainings write none."""
    tracker: Tracker | None = None
    """Draw losses, rates and measures with tensorboard, wandb, mlflow or trackio while training runs; null: nowhere."""
    sharding: Literal["none", "optimizer", "parameters"] = "none"
    """What is shared out among several processes, so that each takes less memory: nothing; the optimizer's state; or
    parameters: weights, gradients and optimizer's state, for encoders that are too large otherwise (FSDP2)."""
    checkpoints_kept: int = Field(default=2, ge=1)
    """Newest checkpoints that are kept; each takes up to four times the room of the weights."""
    checkers: CheckerSettings = CheckerSettings()
    """How the checkers of imp and dimp are trained."""
    allow_missing: bool = False
    """Train although a class has no row; it can then never be predicted."""

    @model_validator(mode="before")
    @classmethod
    def _keep_the_best(cls, fields: Any) -> Any:
        if isinstance(fields, Mapping) and "keep" not in fields:
            if fields.get("patience") is not None or fields.get("target") is not None:
                return {**fields, "keep": "best"}
        return fields

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.epochs is not None and "steps" in self.model_fields_set:
            raise SettingsError("epochs: give steps or epochs, not both")
        if self.lora is not None and self.trainable in ("head", 0):
            raise SettingsError(f"lora: with trainable: {self.trainable} no update would be trained; leave one out")
        self._check_sharding()
        self.recipe.check(self)
        self._check_quality()
        if self.mix is not None:
            if self.compile is True:
                raise SettingsError(
                    "mix: reaches in between layers, which compiled ones do not take; leave compile out"
                )
            stages = self.recipe.plan(self, 1000)
            self._check_mix([stage.loss.kind for stage in stages if not stage.loss.takes_mixed])
        return self

    def _check_sharding(self) -> None:
        if self.sharding != "none" and self.recipe.kind == "hu2019":
            raise SettingsError("sharding: recipe hu2019 looks into the optimizer's whole state; leave it out")
        if self.sharding != "parameters":
            return
        if self.compile is True:
            raise SettingsError(
                "sharding: parameters are put together by hooks of the layers, which compiled ones do not take; leave "
                "compile out"
            )
        if not self.optimizer.elementwise:
            raise SettingsError(
                f"sharding: optimizer {self.optimizer.kind} moves a number by all of its row and column, and with "
                "parameters no process has them; take another optimizer, or sharding: optimizer"
            )

    def _check_quality(self) -> None:
        """Refuse a loss that weighs rows by a checker's opinion where no stage gives it one."""
        for stage in self.recipe.plan(self, 1000):
            if stage.loss.needs_quality and (stage.weighting is None or stage.weighting.own_loss is None):
                raise SettingsError(
                    f"loss: {stage.loss.kind} weighs rows by what a quality checker says of them, and recipe "
                    f"{self.recipe.kind} has no such checker; leave loss out and set recipe: {stage.loss.kind}, or "
                    f"weights: {stage.loss.kind} of a stage"
                )

    def _check_mix(self, refusing: list[str]) -> None:
        if refusing:
            raise SettingsError(
                f"mix: recipe {self.recipe.kind} trains with the loss {refusing[0]}, which weighs each row by what the "
                "model and a checker say of its label; a mix of two rows has no such label. Leave mix out, or use "
                "recipe: imp, whose weights are known before training"
            )

    @classmethod
    def parse(cls, value: Mapping[str, Any], *, where: str) -> Self:
        """Return the settings a mapping (as read from YAML) describes; all problems are told at once."""
        fields = dict(value)
        problems: list[str] = []
        for name, catalog in CATALOGS.items():
            if name not in fields or (name == "mix" and fields[name] is None):
                continue
            try:
                fields[name] = catalog.parse(fields[name], where=f"{where}.{name}")
            except SettingsError as error:
                problems.extend(error.problems)
                del fields[name]
        try:
            found = super().parse(fields, where=where)
        except SettingsError as error:
            problems.extend(error.problems)
        if problems:
            raise SettingsError(problems)
        return found

    def misfits(self, task: TaskName) -> list[str]:
        """Return what of these settings is not made for a task, a line each."""
        stages = self.recipe.plan(self, 1000)
        parts = [(f"recipe {self.recipe.kind}", self.recipe.tasks)]
        parts += [(f"loss {stage.loss.kind}", stage.loss.tasks) for stage in stages]
        itself: object = self.recipe
        weightings = [stage.weighting for stage in stages if stage.weighting is not itself]
        parts += [(f"weights {one.kind}", one.tasks) for one in weightings if one is not None]
        ordered = any(stage.order == "easiest_first" for stage in stages)
        parts += [("order easiest_first", ("single_label", "ordinal"))] if ordered else []
        problems = [unfit(who, tasks, task) for who, tasks in parts if task not in tasks]
        if self.threshold is not None and task != "multi_label":
            problems.append(unfit("threshold", ("multi_label",), task))
        return list(dict.fromkeys(problems))

    def unbound(self, labels: Labels) -> list[str]:
        """Return what the losses say against these labels, such as an alpha that names none of them, a line each."""
        problems: list[str] = []
        for stage in self.recipe.plan(self, 1000):
            try:
                stage.loss.bound(labels)
            except SettingsError as error:
                problems.extend(error.problems)
        return list(dict.fromkeys(problems))

    @property
    def is_selected(self) -> bool:
        """Whether validation rows are looked at while training runs."""
        asked = self.keep == "best" or self.patience is not None or self.target is not None
        return asked or isinstance(self.schedule, ReduceOnPlateau)

    def measured(self) -> str:
        """Return the first setting that needs validation rows, as it is written; empty where none does."""
        needs = {
            "patience": self.patience is not None,
            "target": self.target is not None,
            "schedule: reduce_on_plateau": isinstance(self.schedule, ReduceOnPlateau),
            "keep: best": self.keep == "best",
            "threshold: tuned": self.threshold == "tuned",
        }
        return next((name for name, needed in needs.items() if needed), "")

    def unmeasured(self) -> Self:
        """Return the same settings without what needs validation rows, for trainings that have none."""
        schedule = Constant() if isinstance(self.schedule, ReduceOnPlateau) else self.schedule
        threshold = None if self.threshold == "tuned" else self.threshold
        return self.changed(keep="last", patience=None, target=None, schedule=schedule, threshold=threshold)

    def to_key(self) -> dict[str, Any]:
        """Return the fields a training's result depends on, as plain JSON values."""
        return {name: value for name, value in self.to_json().items() if name not in WITHOUT_EFFECT}

    def steps_for(self, rows: int) -> int:
        """Return the optimizer steps of a training on so many rows: ``steps``, or ``epochs`` worked out."""
        if self.epochs is None:
            return self.steps
        return max(1, round(self.epochs * rows / self.batch_size))

    def changed(self, **fields: Any) -> Self:
        """Return the same settings but for the given fields, checked again."""
        kept = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self)(**{**kept, **fields})
