"""How fast augtune trains, against transformers.Trainer with its defaults and dynamic padding, side by side.

    python benchmarks/training.py                     # 432 steps (one epoch), 3 seeds
    python benchmarks/training.py --steps 60 --seeds 1 --test 200

Same encoder (the bundled MiniLM with its own head), rows (SST-2 sentences of the data pack), batch size, number of
steps, learning rate and its schedule (linear, no warm-up), weight decay (none) and trained parameters (all of them).
The two take turns in one process, and each time is of everything from texts to trained weights: tokenising, loading,
training. Test accuracy of each stands beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

from augtune.core.dataset import Example, HumanDataset
from augtune.core.labels import Labels
from augtune.model.encoder import load_stock, load_tokenizer, quiet
from augtune.training.train import train

ENCODER = "bundled/minilm"
BATCH = 16
LABELS = Labels(("negative", "positive"))


def rows_of(path: Path, limit: int | None) -> HumanDataset:
    """Return the first rows of a JSON-lines file."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()][:limit]
    examples = [Example(f"{path.stem}-{i}", row["text"], row["label"]) for i, row in enumerate(rows)]
    return HumanDataset.from_examples(examples, LABELS, name=path.stem)


class Tokenised(torch.utils.data.Dataset[dict[str, Any]]):
    """Rows as Trainer takes them, tokenised once."""

    def __init__(self, rows: HumanDataset, tokenizer: Any) -> None:
        self.tokens = tokenizer(list(rows.texts), truncation=True)["input_ids"]
        self.labels = rows.label_indices.tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"input_ids": self.tokens[index], "labels": self.labels[index]}


def by_trainer(train_rows: HumanDataset, test: HumanDataset, steps: int, seed: int) -> tuple[float, float]:
    """Return seconds and test accuracy of transformers.Trainer."""
    started = time.perf_counter()
    torch.manual_seed(seed)
    tokenizer = load_tokenizer(ENCODER)
    model = load_stock(ENCODER, LABELS.names)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, max_steps=steps, per_device_train_batch_size=BATCH, per_device_eval_batch_size=64, seed=seed,
            report_to=[], save_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        trainer = Trainer(
            model, arguments, train_dataset=Tokenised(train_rows, tokenizer),
            data_collator=DataCollatorWithPadding(tokenizer), processing_class=tokenizer,
        )  # fmt: skip
        trainer.train()
        seconds = time.perf_counter() - started
        scores = trainer.predict(Tokenised(test, tokenizer)).predictions
    return seconds, float((np.asarray(scores).argmax(axis=1) == test.label_indices).mean())


def by_augtune(train_rows: HumanDataset, test: HumanDataset, steps: int, seed: int) -> tuple[float, float, str]:
    """Return seconds and test accuracy of augtune, and the precision it chose."""
    started = time.perf_counter()
    fitted = train(
        train_rows, seed=seed, encoder=ENCODER, head="own", steps=steps, batch_size=BATCH, lr=5e-5, head_lr=5e-5,
        warmup_share=0.0, weight_decay=0.0,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    return seconds, float((fitted.predict(test).indices == test.label_indices).mean()), fitted.precision


def main() -> None:
    """Run both in turn and print the ratio."""
    parser = argparse.ArgumentParser(description="augtune against transformers.Trainer")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[1].parent / "shared" / "data" / "sst2")
    parser.add_argument("--steps", type=int, default=432)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--test", type=int, default=None, help="test rows to use; all if not given")
    options = parser.parse_args()
    train_rows, test = rows_of(options.data / "train.jsonl", None), rows_of(options.data / "test.jsonl", options.test)
    print(f"SST-2, {len(train_rows)} training rows, {options.steps} steps of {BATCH}, {len(test)} test rows; ", end="")
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    found: dict[str, list[tuple[float, float]]] = {"transformers.Trainer": [], "augtune": []}
    with quiet():
        by_augtune(train_rows[:64], test[:8], 2, 0)  # neither pays for what only the first training of a process does
        for seed in range(options.seeds):
            found["transformers.Trainer"].append(by_trainer(train_rows, test, options.steps, seed))
            seconds, accuracy, precision = by_augtune(train_rows, test, options.steps, seed)
            found["augtune"].append((seconds, accuracy))
            for name, runs in found.items():
                speed = options.steps * BATCH / runs[-1][0]
                print(f"  seed {seed}  {name:22s} {speed:6.1f} examples/s  accuracy {runs[-1][1]:.4f}", flush=True)
    print(f"augtune computed in {precision}")
    speeds = {n: [options.steps * BATCH / seconds for seconds, _ in runs] for n, runs in found.items()}
    scores = {n: statistics.mean(accuracy for _, accuracy in runs) for n, runs in found.items()}
    ratios = [ours / theirs for ours, theirs in zip(speeds["augtune"], speeds["transformers.Trainer"], strict=True)]
    for name in found:
        print(f"{name:22s} {statistics.median(speeds[name]):6.1f} examples/s   accuracy {scores[name]:.4f}")
    print(f"ratio {statistics.median(ratios):.2f} (median over seeds; {min(ratios):.2f} to {max(ratios):.2f})")
    print(f"accuracy difference {100 * (scores['augtune'] - scores['transformers.Trainer']):+.2f} points")


if __name__ == "__main__":
    main()
