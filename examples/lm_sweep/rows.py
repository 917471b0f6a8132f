"""Write the rows that the notebook of 2021 used: 30 tweets to train on, 797 to test on, and validation tweets.

It took the tweets of joy, anger and surprise that are shorter than 30 tokens (the two special ones counted), the first
ten of each to train on, and all of the test split to measure on. The rows come from the folder ``emotion6`` of the data
pack, which is looked for at ``AUGTUNE_DATA`` and beside the project.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from transformers import AutoTokenizer

from augtune.core.encoders import locate

HERE = Path(__file__).resolve().parent
LABELS = ("joy", "anger", "surprise")
"""In the order of the notebook's prompt comes surprise second; the order here is that of its class numbers."""
TRAIN_PER_CLASS = 10
TOKENS = 30
"""A tweet is shorter than this. The vocabulary is that of uncased BERT, which the bundled encoder shares."""


def short_rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the short rows of the three labels, in the file's order."""
    tokenizer = AutoTokenizer.from_pretrained(locate("bundled/minilm"))
    with path.open(encoding="utf-8") as stream:
        for row in map(json.loads, stream):
            if row["label"] in LABELS and len(tokenizer(row["text"])["input_ids"]) < TOKENS:
                yield {"text": row["text"], "label": row["label"]}


def first_of_each(rows: Iterator[dict[str, str]]) -> list[dict[str, str]]:
    """Return the first rows of each label, label by label."""
    found: dict[str, list[dict[str, str]]] = {label: [] for label in LABELS}
    for row in rows:
        if len(found[row["label"]]) < TRAIN_PER_CLASS:
            found[row["label"]].append(row)
    return [row for label in LABELS for row in found[label]]


def main() -> None:
    """Write train.jsonl, validation.jsonl and test.jsonl, and say how many rows each has."""
    beside = HERE.parents[2] / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AUGTUNE_DATA", beside)), help="the data pack")
    parser.add_argument("--out", type=Path, default=HERE / "rows", help="folder to write to")
    asked = parser.parse_args()
    source = asked.data / "emotion6"
    if not (source / "train.jsonl").is_file():
        sys.exit(f"error: no {source / 'train.jsonl'}; name the data pack with --data or AUGTUNE_DATA.")
    asked.out.mkdir(parents=True, exist_ok=True)
    for split in ("train", "validation", "test"):
        found = short_rows(source / f"{split}.jsonl")
        rows = first_of_each(found) if split == "train" else list(found)
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (asked.out / f"{split}.jsonl").write_text(text, encoding="utf-8")
        shares = ", ".join(f"{label} {sum(row['label'] == label for row in rows)}" for label in LABELS)
        print(f"{split}: {len(rows)} rows ({shares})")


if __name__ == "__main__":
    main()
