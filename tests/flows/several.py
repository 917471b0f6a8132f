"""Two small tasks that a tiny encoder runs in seconds: rows with several labels, and stars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from augtune.core.seeds import generator

WORDS = {"joy": ("love", "fun"), "anger": ("hate", "awful"), "fear": ("broken", "late")}


def _rows(count: int, stream: str) -> list[tuple[str, list[str]]]:
    random = generator(0, "several", stream)
    rows = []
    for number in range(count):
        names = [name for name in WORDS if random.random() < 0.45]
        words = [WORDS[name][int(random.integers(2))] for name in names] or ["people"]
        rows.append((f"the {' and '.join(words)} film of day {number} {stream}", names))
    return rows


def write_tags(folder: Path) -> Path:
    """Write rows with several labels: csv files with a separator, and synthetic rows with lists."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", 40), ("validation", 30), ("test", 40)):
        lines = [f"{text},{'|'.join(names)}" for text, names in _rows(count, split)]
        (folder / f"{split}.csv").write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    rows = [json.dumps({"text": text, "label": names}) for text, names in _rows(24, "model")]
    (folder / "synthetic_model.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def write_stars(folder: Path) -> Path:
    """Write rows with 1, 2 or 5 stars, as numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    words = {1: "awful", 2: "boring", 5: "great"}
    for split, count in (("train", 36), ("test", 30)):
        random = generator(0, "stars", split)
        stars = [int(random.choice([1, 2, 5])) for _ in range(count)]
        rows = [json.dumps({"text": f"the {words[n]} film {i} {split}", "label": n}) for i, n in enumerate(stars)]
        (folder / f"{split}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def tags_experiment(folder: Path, encoder: str, **changes: Any) -> dict[str, Any]:
    """Return an experiment over the rows with several labels, with everything that is made for them."""
    return {
        "name": "tags",
        "seeds": [0, 1],
        "data": {
            "source": str(folder), "task": "multi_label", "separator": "|", "validation": "all of validation",
        },
        "generate": {"kind": "imported", "path": str(folder / "synthetic_model.jsonl")},
        "curate": [{"kind": kind, "measure": "jaccard", "threshold": 0.99} for kind in ("dedup", "contamination")],
        "train": {"encoder": encoder, "steps": 6, "batch_size": 8, "lr": 1e-3, "precision": "fp32", "head": "own"},
        "arms": {
            "human only": {"generate": None, "curate": None},
            "mix": {"train": {"mix": "tmix"}},
            "two-stage": {"train": {"recipe": "two_stage"}},
            "tuned": {"train": {"loss": {"kind": "bce", "class_weights": "inverse"}, "threshold": "tuned", "keep": "best"}},
        },
        "evaluate": {
            "metrics": ["macro_f1", "micro_f1", "accuracy", "hamming_loss", "auroc"], "resamples": 300,
            "baseline": "human only",
        },
        **changes,
    }  # fmt: skip


def stars_experiment(folder: Path, encoder: str, **changes: Any) -> dict[str, Any]:
    """Return an experiment over the stars: cross-entropy against squared error, and quality weights."""
    return {
        "name": "stars",
        "seeds": [0],
        "data": {"source": str(folder), "task": "ordinal"},
        "train": {"encoder": encoder, "steps": 8, "batch_size": 8, "lr": 1e-3, "precision": "fp32"},
        "arms": {
            "cross-entropy": {},
            "squared error": {"train": {"loss": "mse"}},
            "ranked": {"train": {"loss": {"kind": "mse", "squared": "cdf", "class_weights": "inverse"}}},
        },
        "evaluate": {"metrics": ["mae", "rmse", "qwk", "spearman", "macro_f1"], "resamples": 300},
        **changes,
    }
