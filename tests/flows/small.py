"""A small task that a tiny encoder learns in seconds: rows, synthetic rows and an experiment over them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GOOD = "good great love fun really very quite people story film".split()
BAD = "bad awful hate boring late broken works never plot acting".split()


def _text(words: list[str], number: int) -> str:
    """Return a text that differs from that of every other number below 1,000."""
    return f"the {words[number % 10]} {words[number // 10 % 10]} {words[number // 100]} movie made {number % 7} times"


def write_task(folder: Path) -> Path:
    """Write train, test and synthetic rows into a folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = {
        "train.jsonl": [(_text(GOOD, i), "positive") for i in range(24)]
        + [(_text(BAD, i), "negative") for i in range(8)],
        "test.jsonl": [(_text(GOOD, i), "positive") for i in range(100, 120)]
        + [(_text(BAD, i), "negative") for i in range(100, 120)],
        "synthetic_model.jsonl": [(f"a {_text(GOOD, i)}", "positive") for i in range(200, 212)]
        + [(f"a {_text(BAD, i)}", "negative") for i in range(200, 220)]
        + [(_text(BAD, 105), "negative"), (_text(GOOD, 3), "positive")],
    }
    for name, content in rows.items():
        lines = [json.dumps({"text": text, "label": label}) for text, label in content]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def experiment(folder: Path, encoder: str, **changes: Any) -> dict[str, Any]:
    """Return an experiment over the task with every recipe."""
    return {
        "name": "small",
        "seeds": [0, 1],
        "data": {"source": str(folder)},
        "generate": {"kind": "imported", "path": str(folder / "synthetic_model.jsonl")},
        "curate": [{"kind": kind, "measure": "jaccard", "threshold": 0.99} for kind in ("dedup", "contamination")],
        "train": {
            "encoder": encoder, "steps": 6, "batch_size": 8, "lr": 1e-3, "precision": "fp32",
            "checkers": {"steps": 4, "folds": 2},
        },
        "arms": {
            "human only": {"generate": None, "curate": None},
            "human + model": {},
            "two/stage": {"train": {"recipe": "two_stage"}},
            "dimp": {"train": {"recipe": "dimp"}},
            "imp": {"train": {"recipe": "imp"}},
        },
        "evaluate": {"metrics": ["macro_f1", "accuracy", "ece"], "baseline": "human only", "resamples": 500},
        **changes,
    }  # fmt: skip
