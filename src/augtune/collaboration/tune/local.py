"""Fine-tuning on this machine: LoRA updates of any causal model, by peft, then merged into weights one can ask."""

from __future__ import annotations

import math
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augtune.collaboration.tune.data import Record
from augtune.collaboration.tune.settings import TuneSettings
from augtune.collaboration.tune.state import TuneState
from augtune.core.errors import InputError, StorageError, TrainingError
from augtune.core.extras import need
from augtune.core.files import append_jsonl, read_jsonl, sync, system_errors
from augtune.core.foreign import told
from augtune.core.seeds import derive, generator

__all__ = ["LocalTuner"]

EPOCHS, BATCH_SIZE, LEARNING_RATE = 3, 8, 2e-4
WARM_UP_SHARE = 0.05
IGNORED = -100
OnStep = Callable[[int, int, float], None]


class LocalTuner:
    """Tunes a model of a folder or the hub. A training that was cut off starts again from the beginning.

    Args:
        settings: The model and how it is tuned.
        path: File of the state.
    """

    def __init__(self, settings: TuneSettings, path: Path) -> None:
        self.settings, self.path = settings, path

    def submit(self, state: TuneState, files: dict[str, Path], name: str, on_step: OnStep | None = None) -> TuneState:
        """Train, merge and save the model; return when it is done.

        Args:
            state: How it stands.
            files: Path of the training file as ``train``.
            name: Our name of the job.
            on_step: Called after each step with the step (from 1), the number of steps and the loss.

        Raises:
            InputError: If the model cannot be loaded, or a row is longer than it can read.
            TrainingError: If the loss is not finite.
            ExtraError: If torch, transformers or peft is not installed.
        """
        state = state.save(self.path, status="running", job=name)
        began = time.monotonic()
        folder = self.path.parent / "model"
        made: list[Record] = read_jsonl(files["train"])
        try:
            trained = _Run.of(self.settings, made).train(self.path.with_name("history.jsonl"), on_step)
            _save(trained, folder)
        except StorageError:  # no fault of the tuning: it is begun again once there is room
            raise
        except (InputError, TrainingError) as error:
            state.save(self.path, status="failed", problem=error.message)
            raise
        seconds = time.monotonic() - began
        return state.save(
            self.path, status="succeeded", model=str(folder), trained_tokens=trained.tokens, seconds=seconds
        )

    def poll(self, state: TuneState) -> TuneState:
        """Return the state: a local training is under way only while ``submit`` runs."""
        return state

    def cancel(self, state: TuneState) -> TuneState:
        """Give up a training that was cut off."""
        return state.save(self.path, status="cancelled")

    def close(self) -> None:
        """Nothing is kept open."""


@dataclass(frozen=True, slots=True, eq=False)
class _Tuned:
    model: Any
    tokenizer: Any
    tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """A model with updates to train, and the rows as tokens: prompt, then label and end."""

    settings: TuneSettings
    model: Any
    tokenizer: Any
    rows: list[tuple[list[int], int]]

    @classmethod
    def of(cls, settings: TuneSettings, made: Sequence[Record]) -> _Run:
        torch = need("torch", extra="train", to="fine-tune a model on this machine")
        from augtune.model.encoder import quiet

        peft = need("peft", extra="tune", to="fine-tune a model on this machine")
        transformers = need("transformers", extra="train", to="fine-tune a model on this machine")
        name, lora = settings.model.removeprefix("local/"), settings.lora
        device = lora.device if lora.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        try:
            with quiet():
                tokenizer = transformers.AutoTokenizer.from_pretrained(name, trust_remote_code=False)
                model = transformers.AutoModelForCausalLM.from_pretrained(
                    name, dtype=lora.dtype, trust_remote_code=False
                )
        except Exception as error:  # the loaders of other libraries raise what they like; the cause stays attached
            raise InputError(
                f"finetune.model: {settings.model}: no causal language model could be loaded ({told(error)}).",
                hint="It has to be a folder with config.json, weights and tokenizer, or a name on the hub.",
            ) from error
        rows = [_tokens(tokenizer, record) for record in made]
        _fit_in(model, rows, settings)
        config = peft.LoraConfig(
            task_type="CAUSAL_LM",
            r=lora.rank,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=lora.targets if isinstance(lora.targets, str) else list(lora.targets),
            modules_to_save=list(lora.whole) or None,
        )
        with torch.random.fork_rng(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers for things by their older names
            torch.manual_seed(derive(settings.seed, "lora"))
            try:
                wrapped = peft.get_peft_model(model, config)
            except ValueError as error:
                raise InputError(f"finetune.lora.targets: {' '.join(str(error).split())[:200]}") from error
        return cls(settings, wrapped.to(device), tokenizer, rows)

    def train(self, history: Path, on_step: OnStep | None) -> _Tuned:
        torch = need("torch", extra="train", to="fine-tune a model on this machine")
        asked, size = self.settings, self.settings.batch_size or BATCH_SIZE
        batches = list(self._batches(asked.epochs or EPOCHS, size))
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=asked.learning_rate or LEARNING_RATE, weight_decay=0.0)
        warm_up = max(1, round(WARM_UP_SHARE * len(batches)))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / warm_up, max(0.0, 1 - step / len(batches)))
        )
        history.unlink(missing_ok=True)
        tokens = 0
        with torch.random.fork_rng():
            torch.manual_seed(derive(asked.seed, "lora dropout"))
            self.model.train()
            for step, batch in enumerate(batches, start=1):
                loss = self._loss(batch)
                value = float(loss.detach())
                if not math.isfinite(value):
                    raise TrainingError(f"finetune: the loss is {value} at step {step} of {len(batches)}.")
                loss.backward()
                torch.nn.utils.clip_grad_norm_(parameters, 1.0)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
                tokens += sum(len(self.rows[i][0]) for i in batch)
                append_jsonl(history, {"step": step, "of": len(batches), "loss": value})
                if on_step is not None:
                    on_step(step, len(batches), value)
        return _Tuned(self.model, self.tokenizer, tokens)

    def _batches(self, epochs: int, size: int) -> Iterator[list[int]]:
        for epoch in range(epochs):
            order = generator(self.settings.seed, "finetune", epoch).permutation(len(self.rows)).tolist()
            for start in range(0, len(order), size):
                yield order[start : start + size]

    def _loss(self, batch: Sequence[int]) -> Any:
        """Return the mean cross-entropy of the labels' tokens, those of a prompt not counted."""
        torch = need("torch", extra="train", to="fine-tune a model on this machine")
        rows = [self.rows[i] for i in batch]
        width, device = max(len(ids) for ids, _ in rows), self.model.device
        ids = torch.tensor([[*ids, *[0] * (width - len(ids))] for ids, _ in rows], device=device)
        mask = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in rows], device=device)
        wanted = ids.clone()
        for row, (own, start) in enumerate(rows):
            wanted[row, :start] = IGNORED
            wanted[row, len(own) :] = IGNORED
        return self.model(input_ids=ids, attention_mask=mask, labels=wanted, use_cache=False).loss


def _tokens(tokenizer: Any, record: Record) -> tuple[list[int], int]:
    """Return a row's tokens and where the label begins; as a model is asked, so it is tuned."""
    turns, label = record["messages"][:-1], record["messages"][-1]["content"]
    if tokenizer.chat_template:
        prompt, special = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False), False
    else:
        prompt, special, label = "\n\n".join(turn["content"] for turn in turns), True, f" {label}"
    before = list(tokenizer(prompt, add_special_tokens=special)["input_ids"])
    whole = list(tokenizer(prompt + label, add_special_tokens=special)["input_ids"])
    end = tokenizer.eos_token_id
    if end is not None:
        before, whole = ([*ids[:-1]] if ids and ids[-1] == end else ids for ids in (before, whole))
        whole = [*whole, end]
    shared = next((i for i, (a, b) in enumerate(zip(before, whole, strict=False)) if a != b), len(before))
    return whole, shared


def _fit_in(model: Any, rows: Sequence[tuple[list[int], int]], settings: TuneSettings) -> None:
    config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    context = min(getattr(config, "max_position_embeddings", None) or settings.most_tokens, settings.most_tokens)
    too_long = [len(ids) for ids, _ in rows if len(ids) > context]
    if too_long:
        raise InputError(
            f"finetune: {len(too_long)} rows are longer than the {context} tokens the model reads, the longest has "
            f"{max(too_long)}; they would lose their label.",
            hint="Leave them out, show fewer examples, or take a model that reads more.",
        )


def _save(trained: _Tuned, folder: Path) -> None:
    """Write the updates to ``adapter`` and the whole model, updates merged in, to ``model``."""
    from augtune.model.encoder import quiet

    part = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        with quiet(), system_errors():
            trained.model.save_pretrained(folder.with_name("adapter"))
            trained.model.merge_and_unload().save_pretrained(part)
            trained.tokenizer.save_pretrained(part)
        for path in [*part.rglob("*"), part]:
            sync(path)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
        sync(folder.parent)
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be written: {error.strerror or error}",
            hint="Free some space, then run the same command again.",
        ) from error
