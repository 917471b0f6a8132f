"""The smallest run folder there is, made up on the spot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["small_run"]

LABELS = ("a", "b")


def small_run(folder: Path, part: str = "results.json") -> str:
    """Write a run of two arms and one seed; returns the text of one of its files."""
    arms = {"one": _arm(0), "two": _arm(2)}
    comparison = {"arm": "two", "baseline": "one", "metric": "macro_f1", "difference": 0.1, "interval": [0.0, 0.2]}
    results = {
        "schema": 1,
        "name": "small",
        "seeds": [0],
        "references": {"majority": {"macro_f1": 0.33}},
        "arms": arms,
        "comparisons": [{**comparison, "p": 0.04, "p_adjusted": 0.04, "test": "paired_bootstrap"}],
    }
    table = [[1, 1], [0, 2]]
    details = {
        "schema": 1,
        "name": "small",
        "labels": list(LABELS),
        "counts": {"train": {"a": 3, "b": 3}, "validation": None, "test": {"a": 2, "b": 2}},
        "arms": {name: {"confusion": table, "synthetic": {"a": 1, "b": 1}, "generated": 2} for name in arms},
        "verdict": ["two is better."],
        "baseline": "one",
        "metrics": ["macro_f1"],
    }
    rows = [{"id": f"made-{k}", "text": f"text {k}", "label": label} for k, label in enumerate(LABELS)]
    said = [{"id": "t", "label": "a", "predicted": "b", "probabilities": {"a": 0.25, "b": 0.75}}]
    _write(folder / "results.json", json.dumps(results))
    _write(folder / "details.json", json.dumps(details))
    _write(folder / "data" / "two" / "synthetic.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    for name in arms:
        _write(folder / "predictions" / name / "seed-0.jsonl", "".join(json.dumps(row) + "\n" for row in said))
    return (folder / part).read_text(encoding="utf-8")


def _arm(synthetic: int) -> dict[str, Any]:
    scores = {label: {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2} for label in LABELS}
    return {
        "per_seed": [{"seed": 0, "macro_f1": 0.5, "per_class": scores}],
        "mean": {"macro_f1": 0.5},
        "std": {"macro_f1": 0.0},
        "interval": {"macro_f1": [0.4, 0.6]},
        "rows": {"human": 6, "synthetic": synthetic},
        "cost": {"usd": 0.0, "calls": 0, "cached": 0, "tokens_in": 0, "tokens_out": 0},
        "train_seconds": 1.0,
    }


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
