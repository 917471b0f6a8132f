"""Write the CSV files of the two-stage fine-tuning scripts from a finished run, for who reads those.

    python examples/two_stage/csvs.py runs/two-stage-sst2 [--out csvs]

For each ratio ``R`` and arm ``A`` of the run:

    OUT/R/train.csv, test.csv     text,label: the imbalanced training rows and the test rows
    OUT/R/aug.csv                 org_ind,text,label: rows made from them; org_ind is the source's place in train.csv
    OUT/A/R/results.csv           index,Seed,F1,F1_0,F1_1: one row a seed; F1 is micro-F1, which is accuracy
    OUT/A/R/ave_sst.csv           Seed,F1,F1_0,F1_1: the means over seeds, that of Seed too, which means nothing

Labels are their numbers, in the order of ``data.labels``; with more than two there are columns F1_2 and so on. Of a run
with several draws (``data_seeds``) the rows are those of the first.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from augtune.core.errors import AugtuneError, DataError
from augtune.core.files import read_jsonl
from augtune.data.grammar import parse
from augtune.experiment.arms import ArmPlan
from augtune.experiment.plan import Plan, read_plan
from augtune.experiment.results import Results
from augtune.experiment.rows import HumanRows, HumanSource

BASE = "base_arm"


def write_all(run: Path, out: Path) -> list[Path]:
    """Write the files of a run into a folder and return their paths.

    Raises:
        DataError: If the folder holds no finished run, or one without imbalance or accuracy.
    """
    results = Results.read(run)
    if "accuracy" not in results.details["metrics"]:
        raise DataError(f"{run}: the run has no accuracy, which F1 of the files is; add it to evaluate.metrics.")
    plan = read_plan(run / "experiment.yaml")
    source = HumanSource(plan)
    written: dict[Path, None] = {}
    for arm in plan.trained:
        ratio, human = _ratio(plan, arm), source.of(arm.human)
        scores = results.arms[arm.name]
        written |= dict.fromkeys(_rows(out / ratio, human, run / "data" / arm.folder / "synthetic.jsonl"))
        base = str(scores.get("axes", {}).get(BASE, arm.name))
        written |= dict.fromkeys(_scores(out / base / ratio, scores["per_seed"], list(human.train.labels)))
    return list(written)


def _ratio(plan: Plan, arm: ArmPlan) -> str:
    wanted = parse(plan.experiment.data.train if arm.human is None else arm.human)
    if wanted.imbalance is None:
        raise DataError(
            f"{arm.name}: expected training rows with an imbalance, got '{wanted}'.",
            hint="Write data.train: 'all of train, imbalance 0.2 minority=LABEL', or sweep such values.",
        )
    return f"{float(wanted.imbalance.ratio):g}"


def _rows(folder: Path, human: HumanRows, synthetic: Path) -> Iterable[Path]:
    """Write the rows of one ratio; ``aug.csv`` only for an arm that has rows made by a generator."""
    for name, rows in (("train", human.train), ("test", human.test)):
        cells = [(text, int(k)) for text, k in zip(rows.texts, rows.label_indices, strict=True)]
        yield _write(folder / f"{name}.csv", ["text", "label"], cells)
    if synthetic.is_file():
        place = {row_id: i for i, row_id in enumerate(human.train.ids)}
        made = [
            (next((place[one] for one in row.get("parents", ()) if one in place), ""), row["text"],
             human.train.labels.index(row["label"]))
            for row in read_jsonl(synthetic)
        ]  # fmt: skip
        yield _write(folder / "aug.csv", ["org_ind", "text", "label"], made)


def _scores(folder: Path, per_seed: Sequence[dict[str, Any]], labels: Sequence[str]) -> Iterable[Path]:
    """Write what an arm scored with each seed, and the means."""
    head = ["Seed", "F1", *(f"F1_{k}" for k in range(len(labels)))]
    rows = [[one["seed"], one["accuracy"], *(one["per_class"][label]["f1"] for label in labels)] for one in per_seed]
    yield _write(folder / "results.csv", ["index", *head], [[i, *row] for i, row in enumerate(rows)])
    means = [sum(column) / len(column) for column in zip(*rows, strict=True)]
    yield _write(folder / "ave_sst.csv", head, [means])


def _write(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(head)
        writer.writerows(rows)
    return path


def main() -> int:
    """Read the options, write the files, say how many."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a finished run, e.g. runs/two-stage-sst2")
    parser.add_argument("--out", type=Path, default=Path("csvs"), help="folder to write into (default: csvs)")
    options = parser.parse_args()
    try:
        written = write_all(options.run, options.out)
    except AugtuneError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(written)} files in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
