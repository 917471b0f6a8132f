"""How fast augtune trains and predicts, and that it does so as well: each part measured side by side in one run.

    python benchmarks/training.py                       # every part
    python benchmarks/training.py full                  # full fine-tuning: one epoch, 3 seeds, test accuracy beside it
    python benchmarks/training.py embeddings stage1 dimp padding predict

``full`` and ``embeddings`` (frozen) go against transformers.Trainer with its defaults and dynamic padding: same
encoder (the bundled MiniLM with its own head), rows (SST-2 sentences of the data pack), batch size, steps, learning
rate and its schedule (linear, no warm-up), weight decay (none) and trained parameters. The two take turns in one
process, and each time is of everything from texts to trained weights: tokenising, loading, training. ``stage1`` is the
first stage of two-stage fine-tuning (top layer, pooler and head; 3 epochs) against a loop in the same number format
that computes the frozen layers anew in every step and pads to 128, as the original does. ``dimp`` is a DIMP step
against a cross-entropy step. ``padding`` counts the tokens of a step that are padding, which is all that packing rows
of different lengths into one could save. ``predict`` goes against padding to 512 and against sentence-transformers'
encode. With a GPU there, ``gpu`` gives examples per second and the share of the card's peak.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

from augtune.core.dataset import Dataset, Example, HumanDataset
from augtune.core.encoders import locate
from augtune.core.labels import Labels
from augtune.model.batching import encode, training_batches
from augtune.model.encoder import load_stock, load_tokenizer, quiet
from augtune.model.fitted import Fitted
from augtune.model.precision import choose
from augtune.training.checkers import make_checkers
from augtune.training.settings import TrainSettings
from augtune.training.train import train

ENCODER = "bundled/minilm"
BATCH = 16
LR = 5e-5
LABELS = Labels(("negative", "positive"))
TRAINER = "transformers.Trainer"


def rows_of(path: Path, limit: int | None = None) -> HumanDataset:
    """Return the first rows of a JSON-lines file."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()][:limit]
    examples = [Example(f"{path.stem}-{i}", row["text"], row["label"]) for i, row in enumerate(rows)]
    return HumanDataset.from_examples(examples, LABELS, name=path.stem)


def seconds(work: Callable[[], Any]) -> float:
    """Return how long a piece of work takes."""
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def said(name: str, ratios: list[float], bar: str) -> None:
    """Print a ratio: its median and its spread over rounds."""
    print(f"{name}: ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}); {bar}", flush=True)


class Tokenised(torch.utils.data.Dataset[dict[str, Any]]):
    """Rows as Trainer takes them, tokenised once."""

    def __init__(self, rows: HumanDataset, tokenizer: Any) -> None:
        self.tokens = tokenizer(list(rows.texts), truncation=True)["input_ids"]
        self.labels = rows.label_indices.tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"input_ids": self.tokens[index], "labels": self.labels[index]}


def by_trainer(rows: HumanDataset, test: HumanDataset, steps: int, seed: int, *, freeze: bool) -> tuple[float, float]:
    """Return seconds and test accuracy of transformers.Trainer."""
    started = time.perf_counter()
    torch.manual_seed(seed)
    tokenizer = load_tokenizer(ENCODER)
    model = load_stock(ENCODER, LABELS.names)
    model.bert.embeddings.requires_grad_(not freeze)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, max_steps=steps, per_device_train_batch_size=BATCH, per_device_eval_batch_size=64, seed=seed,
            report_to=[], save_strategy="no", disable_tqdm=True, dataloader_pin_memory=torch.cuda.is_available(),
        )  # fmt: skip
        trainer = Trainer(
            model, arguments, train_dataset=Tokenised(rows, tokenizer),
            data_collator=DataCollatorWithPadding(tokenizer), processing_class=tokenizer,
        )  # fmt: skip
        trainer.train()
        taken = time.perf_counter() - started
        scores = trainer.predict(Tokenised(test, tokenizer)).predictions
    return taken, float((np.asarray(scores).argmax(axis=1) == test.label_indices).mean())


def by_augtune(rows: Dataset, test: HumanDataset, steps: int, seed: int, **settings: Any) -> tuple[float, float, str]:
    """Return seconds and test accuracy of augtune, and the precision it chose."""
    started = time.perf_counter()
    fitted = plain(rows, steps, seed=seed, **settings)
    taken = time.perf_counter() - started
    return taken, float((fitted.predict(test).indices == test.label_indices).mean()), fitted.precision


def plain(rows: Dataset, steps: int, *, seed: int = 0, checkers: Any = None, **settings: Any) -> Fitted:
    """Return what augtune trains with Trainer's learning rate, schedule and head."""
    chosen = {"lr": LR, "head": "own", "head_lr": LR, "warmup_share": 0.0, "weight_decay": 0.0, **settings}
    return train(rows, seed=seed, checkers=checkers, encoder=ENCODER, steps=steps, batch_size=BATCH, **chosen)


def against_trainer(options: argparse.Namespace, *, freeze: bool, bar: str) -> None:
    """Train by both in turn; print speeds, accuracies, ratio and difference."""
    rows, test = rows_of(options.data / "train.jsonl"), rows_of(options.data / "test.jsonl", options.test)
    what = "embeddings frozen in both" if freeze else "everything trained"
    print(f"SST-2, {len(rows)} training rows, {options.steps} steps of {BATCH}, {len(test)} test rows; {what}")
    found: dict[str, list[tuple[float, float]]] = {TRAINER: [], "augtune": []}
    for seed in range(options.seeds):
        found[TRAINER].append(by_trainer(rows, test, options.steps, seed, freeze=freeze))
        taken, accuracy, precision = by_augtune(rows, test, options.steps, seed, freeze_embeddings=freeze)
        found["augtune"].append((taken, accuracy))
        for name, runs in found.items():
            speed = options.steps * BATCH / runs[-1][0]
            print(f"  seed {seed}  {name:22s} {speed:6.1f} examples/s  accuracy {runs[-1][1]:.4f}", flush=True)
    scores = {name: statistics.mean(accuracy for _, accuracy in runs) for name, runs in found.items()}
    for name, runs in found.items():
        speed = statistics.median(options.steps * BATCH / taken for taken, _ in runs)
        print(f"{name:22s} {speed:6.1f} examples/s   accuracy {scores[name]:.4f}")
    print(f"augtune computed in {precision}")
    ratios = [theirs[0] / ours[0] for ours, theirs in zip(found["augtune"], found[TRAINER], strict=True)]
    said("embeddings frozen" if freeze else "full fine-tuning", ratios, bar)
    print(f"accuracy difference {100 * (scores['augtune'] - scores[TRAINER]):+.2f} points; within 0.5 is aimed at")


def full(options: argparse.Namespace) -> None:
    """Full fine-tuning against Trainer."""
    against_trainer(options, freeze=False, bar="at least 2.5 is aimed at on a bf16 processor")


def embeddings(options: argparse.Namespace) -> None:
    """Frozen embeddings against Trainer, with its embeddings frozen too."""
    against_trainer(options, freeze=True, bar="at least 4 is aimed at")


def recomputing(rows: HumanDataset, epochs: int) -> None:
    """Train pooler, head and top layer by a plain loop: pad to 128, every layer computed in every step."""
    torch.manual_seed(0)
    tokenizer, model = load_tokenizer(ENCODER), load_stock(ENCODER, LABELS.names)
    model.bert.requires_grad_(False)
    for part in (model.bert.pooler, model.bert.encoder.layer[-1]):
        part.requires_grad_(True)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    tokens = tokenizer(
        list(rows.texts), padding="max_length", max_length=128, truncation=True, return_tensors="pt"
    )  # fmt: skip
    truth = torch.from_numpy(rows.label_indices)
    precision = choose("auto", truth.device)
    model.train()
    for _ in range(epochs):
        for at in torch.randperm(len(rows)).split(BATCH):
            with precision.active(truth.device):
                loss = model(**{name: tensor[at] for name, tensor in tokens.items()}, labels=truth[at]).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            optimizer.zero_grad()


def stage1(options: argparse.Namespace) -> None:
    """Stage 1 of two-stage fine-tuning, 3 epochs, with and without what is computed once."""
    rows = rows_of(options.data / "train.jsonl", options.rows)
    steps = 3 * len(rows) // BATCH
    ratios = []
    for seed in range(options.seeds):
        slow = seconds(lambda: recomputing(rows, 3))
        fast = seconds(lambda seed=seed: plain(rows, steps, seed=seed, trainable=1, lr=1e-4, head_lr=1e-4))
        ratios.append(slow / fast)
        print(f"  {len(rows)} rows, 3 epochs: recomputing at pad-128 {slow:.1f} s, augtune {fast:.1f} s", flush=True)
    said("stage 1", ratios, "at least 10 is aimed at")


def dimp(options: argparse.Namespace) -> None:
    """A DIMP step against a cross-entropy step, on the same rows, scores of the checker being there."""
    human = rows_of(options.data / "train.jsonl", 2 * options.rows)
    half = len(human) // 2
    made = [
        Example(f"made-{row.id}", row.text, row.label, origin="generated") for row in human[half:]
    ]  # half of the rows pass for synthetic ones
    rows: Dataset = Dataset.from_examples([*human[:half], *made], LABELS, name="rows")
    checkers = make_checkers(rows, TrainSettings(encoder=ENCODER, recipe="dimp"))
    times: dict[str, list[float]] = {"vanilla": [], "dimp": []}
    for turn in range(2 * options.seeds):
        for recipe in sorted(times, reverse=bool(turn % 2)):
            ready = checkers if recipe == "dimp" else None
            times[recipe].append(plain(rows, 60, recipe=recipe, checkers=ready).seconds)
    ratios = [weighed / even for weighed, even in zip(times["dimp"], times["vanilla"], strict=True)]
    said("DIMP step against cross-entropy step", ratios, "at most 1.10 is aimed at")


def padding(options: argparse.Namespace) -> None:
    """Share of a step's tokens that is padding: in batches as augtune forms them, and of rows drawn at random."""
    tokenizer = load_tokenizer(ENCODER)
    print("padding, batches of 16 | tokens a row | by length | the same in multiples of 8 (GPU) | at random")
    for name in ("sst2", "trec6", "mrpc", "agnews_paraphrase", "banking77"):
        path = options.data.parent / name / "train.jsonl"
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()][:7000]
        texts, pairs = [row["text"] for row in rows], [row.get("text_pair") for row in rows]
        lengths = encode(tokenizer, texts, pairs, max_length=256).lengths
        chance = np.random.default_rng(0)
        order = chance.permutation(len(lengths) // BATCH * BATCH).reshape(-1, BATCH)
        formed = list(training_batches(lengths, batch_size=BATCH, steps=3 * len(order), generator=chance))
        shares = [_padding(lengths, formed, 1), _padding(lengths, formed, 8), _padding(lengths, order, 1)]
        print(f"  {name:20} | {lengths.mean():.1f} | " + " | ".join(f"{share:.1%}" for share in shares), flush=True)


def _padding(lengths: np.ndarray, batches: Sequence[np.ndarray] | np.ndarray, multiple: int) -> float:
    computed = sum(len(rows) * (-(-lengths[rows].max() // multiple) * multiple) for rows in batches)
    return 1 - sum(lengths[rows].sum() for rows in batches) / computed


def padded(fitted: Fitted, texts: list[str]) -> np.ndarray:
    """Return class scores of texts in the order they come, each padded to 512."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(texts), 64):
            tokens = fitted.tokenizer(
                texts[start : start + 64], padding="max_length", max_length=512, truncation=True, return_tensors="pt"
            )
            inputs = {name: tensor.to(fitted.classifier.device) for name, tensor in tokens.items()}
            found.append(fitted.classifier(inputs).cpu().numpy())
    return np.concatenate(found)


def predict(options: argparse.Namespace) -> None:
    """Prediction against padding to 512, and against sentence-transformers' encode."""
    from sentence_transformers import SentenceTransformer

    test = rows_of(options.data / "test.jsonl")
    fitted = plain(test[:64], 2, head="mean")
    few = test[: min(options.rows, 256)]
    assert np.array_equal(padded(fitted, list(few.texts)).argmax(1), fitted.predict(few).indices)
    ratios = [
        seconds(lambda: padded(fitted, list(few.texts))) / seconds(lambda: fitted.predict(few))
        for _ in range(options.seeds)
    ]
    said(f"prediction against padding to 512 ({len(few)} rows)", ratios, "at least 8 is aimed at")
    encoder = SentenceTransformer(locate(ENCODER), device=str(fitted.classifier.device))
    theirs, ours = [], []
    encoder.encode(list(test.texts)[:64])
    for _ in range(2 * options.seeds):
        theirs.append(seconds(lambda: encoder.encode(list(test.texts), show_progress_bar=False)))
        ours.append(seconds(lambda: fitted.predict(test)))
    ratios = [slow / fast for slow, fast in zip(theirs, ours, strict=True)]
    said(f"prediction against sentence-transformers' encode ({len(test)} rows)", ratios, "at least 1 is aimed at")


def gpu(options: argparse.Namespace) -> None:
    """Examples per second on a GPU, and the share of the peak that a large matrix product reaches on it."""
    device = torch.device("cuda")
    square = torch.randn(8192, 8192, device=device, dtype=torch.bfloat16)
    product = min(seconds(lambda: square @ square) for _ in range(20))
    peak = 2 * 8192**3 / product
    rows = rows_of(options.data / "train.jsonl")
    fitted = plain(rows, options.steps)
    body = sum(p.numel() for p in fitted.classifier.parameters())
    body -= sum(p.numel() for p in fitted.classifier.encoder.embeddings.parameters())
    tokens = np.mean([len(row) for row in fitted.tokenizer(list(rows.texts))["input_ids"]])
    speed = options.steps * BATCH / fitted.seconds
    print(f"{torch.cuda.get_device_name(device)}: {speed:.0f} examples/s in {fitted.precision}")
    print(f"{6 * body * tokens * speed / peak:.1%} of the {peak / 1e12:.0f} TFLOP/s a matrix product reaches")


PARTS = {
    "full": full, "embeddings": embeddings, "stage1": stage1, "dimp": dimp, "padding": padding, "predict": predict,
    "gpu": gpu,
}  # fmt: skip


def main() -> None:
    """Run the parts asked for."""
    here = Path(os.environ.get("AUGTUNE_DATA", Path(__file__).parents[1].parent / "shared" / "data"))
    parser = argparse.ArgumentParser(description="how fast augtune trains and predicts")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all where none is named")
    parser.add_argument("--data", type=Path, default=here / "sst2")
    parser.add_argument("--steps", type=int, default=432, help="of full and embeddings")
    parser.add_argument("--seeds", type=int, default=3, help="rounds of every part")
    parser.add_argument("--rows", type=int, default=400, help="of the parts that need no accuracy")
    parser.add_argument("--test", type=int, default=None, help="test rows to use; all if not given")
    options = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    with quiet():
        plain(rows_of(options.data / "train.jsonl", 64), 2)  # what only the first training of a process pays for
        for name in options.parts or [part for part in PARTS if part != "gpu" or torch.cuda.is_available()]:
            PARTS[name](options)


if __name__ == "__main__":
    main()
