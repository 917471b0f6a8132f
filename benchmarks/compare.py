"""How fast 10,000 resamples of a paired comparison are, against a plain loop over rows, and whether p is the same.

    OMP_NUM_THREADS=1 python benchmarks/compare.py [--loop 1000]

Both sides compare macro-F1 of predictions that a published study made of the same 6,530 rows. The loop is what the
study did: draw rows, call scikit-learn's ``f1_score`` on both models' predictions of them, take the difference. It is
run for some resamples only and its time is extrapolated to 10,000; the table says so. Sides take turns in one process.
Times are of the processor, so that other work on the machine does not count; labels are numbers on both sides already.
p of the loop is compared with ours in units of its Monte-Carlo error.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score

from augtune.core.dataset import Example, HumanDataset
from augtune.core.files import read_jsonl
from augtune.core.labels import Labels
from augtune.core.seeds import generator
from augtune.core.tables import Predictions
from augtune.evaluation.comparisons import Runs, compare
from augtune.evaluation.settings import EvaluateSettings
from augtune.evaluation.significance import bootstrap_p

RESAMPLES, TURNS = 10_000, 5
LABELS = Labels(("negative", "neutral", "positive"))
PAIRS = (
    ("B4-G4O", "E7-G4O-ELFT"),
    ("E13-G4OM-ELFT", "E18-G4OM-ELFT-EX-PR2"),
    ("E2-ELFT", "E7-G4O-ELFT"),
    ("E4-G4OMFT", "E12-G4OFT-M"),
    ("E7-G4O-ELFT", "E22-G4O-ELFT-PR"),
)
TESTS = ("paired_bootstrap", "permutation", "mcnemar")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loop", type=int, default=1000, help="resamples of the plain loop, for each pair")
    asked = parser.parse_args()
    folder = Path(os.environ.get("AUGTUNE_DATA", "../shared/data")) / "electra_gpt_results"
    print(f"{RESAMPLES:,} resamples of macro-F1; the loop ran {asked.loop:,} and is extrapolated\n")
    print("| pair | loop, extrapolated | augtune | times faster | p, loop | p, augtune | apart, in standard errors |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    ratios = []
    for first, second in PAIRS:
        truth, base = read(folder, first)
        _, other = read(folder, second)
        slow, fast, differences = [], [], []
        for turn in range(TURNS):
            part = plain_loop(truth, base, other, asked.loop // TURNS, turn)
            slow.append(part[0])
            differences.append(part[1])
            seconds, p_fast = ours(truth, base, other, "paired_bootstrap")
            fast.append(seconds)
        p_slow = bootstrap_p(np.concatenate(differences))
        extrapolated = statistics.median(slow) / (asked.loop // TURNS) * RESAMPLES
        ratios.append(extrapolated / statistics.median(fast))
        p_values = f"{p_slow:.4f} | {p_fast:.4f} | {apart(p_slow, asked.loop, p_fast):.1f}"
        times = f"{extrapolated:.1f} s | {1000 * statistics.median(fast):.1f} ms | {ratios[-1]:,.0f}"
        print(f"| {first}, {second} | {times} | {p_values} |")
    print(f"\nleast {min(ratios):,.0f} times faster, median {statistics.median(ratios):,.0f}\n")
    truth, base = read(folder, PAIRS[0][0])
    _, other = read(folder, PAIRS[0][1])
    for test in TESTS:
        times = [ours(truth, base, other, test)[0] for _ in range(TURNS)]
        print(f"{test}: {1000 * statistics.median(times):.1f} ms with its interval")


def read(folder: Path, name: str) -> tuple[HumanDataset, Predictions]:
    rows = read_jsonl(folder / f"{name}.jsonl")
    truth = HumanDataset.from_examples([Example(str(r["index"]), "text", r["true"]) for r in rows], LABELS)
    made = Predictions.from_rows([{"id": str(r["index"]), "predicted": r["pred"]} for r in rows], LABELS, made_by=name)
    return truth, made


def ours(truth: HumanDataset, base: Predictions, other: Predictions, test: str) -> tuple[float, float]:
    """Return the seconds of a whole comparison, from tables of predictions to p, and p."""
    metric = "accuracy" if test == "mcnemar" else "macro_f1"
    settings = EvaluateSettings(metrics=(metric,), test=test, resamples=RESAMPLES)
    started = time.process_time()
    (found,) = compare(truth, Runs("other", (other,)), Runs("base", (base,)), settings)
    return time.process_time() - started, found.p


def plain_loop(
    truth: HumanDataset, base: Predictions, other: Predictions, resamples: int, turn: int
) -> tuple[float, np.ndarray]:
    """Return the seconds of a loop over resamples, and its differences."""
    random = generator(1, "plain loop", turn)
    true = truth.label_indices
    first, second = (one.aligned(truth.ids).probabilities.argmax(axis=1) for one in (base, other))
    differences = np.empty(resamples)
    started = time.process_time()
    for i in range(resamples):
        drawn = random.integers(len(true), size=len(true))
        differences[i] = f1_score(true[drawn], second[drawn], average="macro") - f1_score(
            true[drawn], first[drawn], average="macro"
        )
    return time.process_time() - started, differences


def apart(p_loop: float, resamples: int, p: float) -> float:
    """Return how far two p are from each other, in standard errors of their difference."""
    tail = max(p, 2 / RESAMPLES) / 2
    error = 2 * math.sqrt(tail * (1 - tail) * (1 / resamples + 1 / RESAMPLES))
    floor = 2 / (resamples + 1)  # a p cannot come out under this
    return abs(max(p, floor) - max(p_loop, floor)) / error


if __name__ == "__main__":
    main()
