"""One model distilled out of the average of two: what it loses, how often both say the same, how much faster it is.

    python benchmarks/distill.py                                # trec6 and hypo_l, 3 seeds
    python benchmarks/distill.py trec6 --seeds 1 --steps 100

trec6: the average of two trainings on 200 human rows, with two seeds. hypo_l: the average of one on its 290 human rows
and one in which rows by GPT-4 count a quarter. The small model learns the average's probabilities of all these texts.
``one`` is the first member by itself. Times are those of the test rows, the best of three.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import augtune as at
from augtune.choosing.candidates.human_only import HumanOnly
from augtune.choosing.candidates.mix import Mix
from augtune.core.dataset import Dataset, HumanDataset
from augtune.generation.imported import Imported
from augtune.model.averaged import average
from augtune.model.fitted import Fitted
from augtune.training.distilled import distilled
from augtune.training.settings import TrainSettings

WAYS = {"trec6": (HumanOnly(), HumanOnly()), "hypo_l": (HumanOnly(), Mix(weight=0.25))}


def rows_of(name: str, data: Path) -> tuple[Dataset, HumanDataset]:
    """Return the training rows and the test rows."""
    splits = at.load(data / name, text="text", label="label")
    if name == "trec6":
        return at.sample(splits.train, "200", seed=0), splits.test
    human = at.load(data / name / "base.jsonl", text="text", label="label").train
    written = Imported(path=str(data / name / "synthetic_gpt4.jsonl"))
    return human + at.generate(human, written, llm=None, seed=0).dataset, splits.test


def seconds(fitted: Fitted, test: HumanDataset) -> float:
    """Return the time to predict the test rows, the best of three."""
    took = []
    for _ in range(3):
        started = time.perf_counter()
        fitted.predict(test)
        took.append(time.perf_counter() - started)
    return min(took)


def measured(name: str, options: argparse.Namespace) -> list[dict[str, float]]:
    """Return what each seed came to."""
    whole, test = rows_of(name, options.data)
    settings, found = TrainSettings(steps=options.steps), []
    for seed in range(options.seeds):
        members = []
        for copy, way in enumerate(WAYS[name]):
            rows = way.rows(whole, None)
            members.append(at.train(rows, seed=10 * seed + copy, settings=way.settings(settings, rows)))
        both = average(members, name="both")
        small = distilled(both, whole, settings, seed=10 * seed)
        said = {who: one.predict(test) for who, one in (("one", members[0]), ("average", both), ("distilled", small))}
        row = {who: 100 * at.evaluate(one, test, ["macro_f1"]).values["macro_f1"] for who, one in said.items()}
        tops = [said[who].probabilities.argmax(axis=1) for who in ("average", "distilled", "one")]
        row["same"], row["one same"] = (float((tops[0] == top).mean()) for top in tops[1:])
        row["faster"] = seconds(both, test) / seconds(small, test)
        print(name, seed, {key: round(value, 3) for key, value in row.items()}, flush=True)
        found.append(row)
    return found


def main() -> None:
    """Measure the tasks and print a line of Markdown for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", help="tasks; all by default")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=150)
    options = parser.parse_args()
    lines = []
    for name in options.tasks or WAYS:
        rows = measured(name, options)
        mean = {key: statistics.mean(row[key] for row in rows) for key in rows[0]}
        losses = ", ".join(f"{row['distilled'] - row['average']:+.1f}" for row in rows)
        lines.append(
            f"| {name} | {mean['one']:.1f} | {mean['average']:.1f} | {mean['distilled']:.1f} | {losses} | "
            f"{mean['same']:.1%} | {mean['one same']:.1%} | {mean['faster']:.2f} |"
        )
    print("| task | one | average | distilled | each seed | says the same | one does | times faster |")
    print("|---|--:|--:|--:|---|--:|--:|--:|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
