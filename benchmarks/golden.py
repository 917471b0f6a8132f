"""Check a classifier against the probabilities that were written down when it was made: golden rows.

    python benchmarks/golden.py MODEL GOLDEN.jsonl --texts TEXTS.jsonl [--column electra_probs]

MODEL is a folder that augtune saved or, imported on the spot, one of another program. Every row of GOLDEN holds the
probabilities of the text of TEXTS with the same ``index``, in the order of the model's labels. Prints the largest
difference and how often the predicted class agrees; exit status 1 if a difference is above the tolerance.

With the weights of the published ELECTRA sentiment classifiers and the data pack in DATA (``$G`` is
``DATA/electra_gpt_results``, ``$M`` is ``DATA/merged_sentiment``; probabilities there are rounded to 6 decimals):

* Base: ``golden.py BASE $G/E3-G4OM-EBFT.jsonl --texts $M/test.jsonl`` and
  ``golden.py BASE $G/val_electra.jsonl --column electra_base_probs --texts $M/validation.jsonl``;
* Large as published since March 2025: ``golden.py LARGE $G/E7-G4O-ELFT.jsonl --texts $M/test.jsonl``;
* Large as first published: ``$G/E13-G4OM-ELFT.jsonl``, and ``electra_large_probs`` of ``$G/val_electra.jsonl``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from augtune.core.errors import AugtuneError, DataError
from augtune.core.files import read_jsonl
from augtune.model.fitted import Fitted

# Golden values have 6 decimals; what remains is how another processor rounds sums in float32.
TOLERANCE = 1e-4


def main(arguments: Sequence[str] | None = None) -> int:
    """Check and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("golden", type=Path)
    parser.add_argument("--texts", type=Path, required=True, help="jsonl with index and text")
    parser.add_argument("--column", default="electra_probs", help="column of the probabilities")
    parser.add_argument("--key", default="index", help="column by which rows of the two files are matched")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE)
    parser.add_argument("--limit", type=int, help="check the first rows only")
    asked = parser.parse_args(arguments)
    try:
        return check(asked)
    except AugtuneError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def check(asked: argparse.Namespace) -> int:
    """Return 0 if every probability is within the tolerance, else 1."""
    golden = read_jsonl(asked.golden)[: asked.limit]
    texts = {row[asked.key]: row["text"] for row in read_jsonl(asked.texts) if asked.key in row and "text" in row}
    fitted = load(asked.model)
    wanted = np.array([probabilities(row, asked, len(fitted.labels)) for row in golden])
    found = fitted.predict([text_of(row, texts, asked) for row in golden]).probabilities
    differences = np.abs(found - wanted).max(axis=1)
    worst = int(differences.argmax())
    same = int((found.argmax(axis=1) == wanted.argmax(axis=1)).sum())
    print(f"{fitted}: {len(golden)} rows, labels {fitted.labels}")
    print(f"largest difference  {differences[worst]:.2e} ({asked.key} {golden[worst][asked.key]})")
    print(f"mean difference     {differences.mean():.2e}")
    print(f"same class          {same} of {len(golden)}")
    beyond = int((differences > asked.tolerance).sum())
    if beyond:
        print(f"FAILED: {beyond} rows differ by more than {asked.tolerance:g}")
    return int(beyond > 0)


def load(place: Path) -> Fitted:
    """Return the classifier of a folder, augtune's or another program's."""
    if (place / "augtune.json").is_file():
        return Fitted.load(place)
    from augtune.model.importers import import_classifier

    made = import_classifier(place)
    print("\n".join(made.found))
    return made.fitted


def probabilities(row: dict[str, Any], asked: argparse.Namespace, classes: int) -> list[float]:
    """Return the golden probabilities of a row."""
    value = row.get(asked.column)
    if not isinstance(value, list) or len(value) != classes or asked.key not in row:
        raise DataError(
            f"{asked.golden}: expected {asked.key!r} and {classes} numbers in {asked.column!r}, got {str(row)[:100]}."
        )
    return [float(number) for number in value]


def text_of(row: dict[str, Any], texts: dict[Any, str], asked: argparse.Namespace) -> str:
    """Return the text a golden row is about."""
    if row[asked.key] not in texts:
        raise DataError(f"{asked.texts}: has no row with {asked.key} {row[asked.key]!r}.")
    return texts[row[asked.key]]


if __name__ == "__main__":
    sys.exit(main())
