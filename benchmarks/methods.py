"""What helps a small classifier: every method on every task, 5 seeds, equal optimizer steps, in one table.

    python benchmarks/methods.py                             # every task; run again, it carries on
    python benchmarks/methods.py hypo_l_gpt4 trec6 --steps 200
    python benchmarks/methods.py --table                     # the table of what is done so far, as Markdown

Each task is one ``augtune run``: human rows, rows that a language model wrote for a published study (hypo_l,
questionintimacy, crowdflower, snips_intent, agnews_paraphrase) or that EDA made (trec6, sst2 and tweet_emotion, made
unbalanced at 1:10), duplicates and near-test rows dropped, and the arms below. MRPC, a task of pairs, has the arms that
need no synthetic rows. Every arm trains the top three of six layers for the same number of steps; ``auto`` chooses anew
for each seed, from human rows alone where EDA would write the others, and takes up to six such trainings. Difference
and p are against human rows only: paired bootstrap over seeds and test rows, Holm's correction over the arms of a task.
``benchmarks/auto.py`` reads these runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from pathlib import Path
from typing import Any

from study_tasks import UNBALANCED, studies, unbalanced

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

BASELINE, AUTO = "human only", "auto"
NONE = {"generate": None, "curate": None}

# Arms that train on human rows alone.
HUMAN: dict[str, dict[str, Any]] = {
    BASELINE: {**NONE},
    "class weights": {**NONE, "train": {"loss": {"kind": "cross_entropy", "class_weights": "inverse"}}},
    "ldam": {**NONE, "train": {"loss": "ldam"}},
    "focal": {**NONE, "train": {"loss": "focal"}},
    "logit adjustment": {**NONE, "train": {"loss": "logit_adjustment"}},
    "tmix": {**NONE, "train": {"mix": "tmix"}},
}
# Arms that use synthetic rows; "generated" in a name means: on those alone, human rows train the checkers at most.
SYNTHETIC: dict[str, dict[str, Any]] = {
    "generated only": {"train": {"recipe": {"kind": "stages", "stages": [{"rows": "synthetic"}]}}},
    "mix": {},
    "two-stage (augmented)": {"train": {"recipe": "two_stage"}},
    "two-stage (both)": {"train": {"recipe": {"kind": "two_stage", "variant": "both"}}},
    "curriculum": {"train": {"recipe": "curriculum"}},
    "imp, generated": {"train": {"recipe": {"kind": "imp", "rows": "synthetic"}}},
    "dimp, generated": {"train": {"recipe": {"kind": "dimp", "rows": "synthetic"}}},
    "imp, mix": {"train": {"recipe": "imp"}},
    "dimp, mix": {"train": {"recipe": "dimp"}},
    "quality, mix": {"train": {"recipe": "quality"}},
}


def tasks(data: Path) -> dict[str, dict[str, Any]]:
    """Return the tasks by name: where the rows are, which to take, where synthetic rows come from."""
    found = {name: {**task, "generate": imported(task["path"])} for name, task in studies(data).items()}
    for name in UNBALANCED:
        found[f"{name}_1to10"] = {**unbalanced(data, name), "generate": {"kind": "eda", "balance": "max"}}
    found["mrpc"] = {"source": data / "mrpc", "train": "150/class of train", "test": "600 of test"}
    found["mrpc"] |= {"path": None, "generate": None}
    return found


def imported(path: Path) -> dict[str, str]:
    """Return the settings of rows that a language model wrote elsewhere."""
    return {"kind": "imported", "path": str(path)}


def experiment(name: str, task: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Return the experiment of a task, as its file would hold it."""
    chosen = {"train": {"recipe": "auto"}} | ({} if task["path"] else NONE)
    arms = {**HUMAN, **({} if task["generate"] is None else SYNTHETIC), AUTO: chosen}
    arms = {arm: changes for arm, changes in arms.items() if arm in (BASELINE, *(options.arms or arms))}
    columns = {"text": "text", "label": "label"} | ({"text_pair": "text_pair"} if name == "mrpc" else {})
    written: dict[str, Any] = {
        "name": name,
        "seeds": list(range(options.seeds)), "keep_models": False,
        "data": {
            "source": str(task["source"]), "columns": columns, "train": task["train"], "validation": "none",
            "test": task["test"],
        },
        "train": {
            "encoder": "bundled/minilm", "steps": options.steps, "batch_size": 16, "lr": options.lr,
            "trainable": options.trainable,
        },
        "arms": {arm: {**changes} for arm, changes in arms.items()},
        "evaluate": {"metrics": ["macro_f1", "accuracy"], "baseline": BASELINE, "correction": "holm"},
    }  # fmt: skip
    if task["generate"] is not None:
        written["generate"] = task["generate"]
        written["curate"] = [{"kind": "dedup", "threshold": 0.9}, {"kind": "contamination", "against": "test"}]
    else:
        for arm in written["arms"].values():
            for key in NONE:
                arm.pop(key, None)
    return written


def rows_of(results: dict[str, Any]) -> list[str]:
    """Return a task's part of the table, a line per arm."""
    against = {row["arm"]: row for row in results["comparisons"] if row["metric"] == "macro_f1"}
    lines = []
    for arm, found in results["arms"].items():
        low, high = found["interval"]["macro_f1"]
        line = f"| {results['name']} | {arm} | {found['mean']['macro_f1']:.3f} [{low:.3f}, {high:.3f}] | "
        versus = against.get(arm)
        line += f"{100 * versus['difference']:+.1f} | {versus['p_adjusted']:.3f} | " if versus else " |  | "
        lines.append(line + f"{found['rows']['human']}+{found['rows']['synthetic']} | {found['train_seconds']:.1f} |")
    return lines


def summary(everything: list[dict[str, Any]]) -> list[str]:
    """Return, for each arm, its difference to human rows only on each task, in points, and their mean."""
    tasks = [results["name"] for results in everything]
    lines = [f"| arm | {' | '.join(tasks)} | mean |", f"|---|{'--:|' * (len(tasks) + 1)}"]
    for arm in [BASELINE, *HUMAN, *SYNTHETIC, AUTO]:
        cells, gains = [], []
        for results in everything:
            found = [row for row in results["comparisons"] if row["arm"] == arm and row["metric"] == "macro_f1"]
            gains += [100 * row["difference"] for row in found]
            cells.append(f"{gains[-1]:+.1f}{'*' if found[0]['p_adjusted'] < 0.05 else ''}" if found else "")
        if gains:
            lines.append(f"| {arm} | {' | '.join(cells)} | {statistics.mean(gains):+.1f} |")
        elif arm == BASELINE and len(lines) == 2:
            scores = [f"{100 * results['arms'][arm]['mean']['macro_f1']:.1f}" for results in everything]
            lines.append(f"| {arm} | {' | '.join(scores)} | |")
    return lines


def parser_of(about: str, known: dict[str, dict[str, Any]]) -> argparse.ArgumentParser:
    """Return the options of a benchmark that runs these tasks."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("tasks", nargs="*", choices=[*known, []], help=f"of {', '.join(known)}; all if none is named")
    parser.add_argument("--steps", type=int, default=100, help="optimizer steps of every arm")
    parser.add_argument("--lr", type=float, default=1e-4, help="learning rate of every arm")
    parser.add_argument(
        "--trainable", default=3, type=lambda word: word if word == "all" else int(word),
        help="layers from the top that are trained, or all, which takes longer",
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--arms", nargs="+", choices=[*HUMAN, *SYNTHETIC, AUTO], help="these, beside human only; all if not given"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/methods"))
    parser.add_argument("--table", action="store_true", help="run nothing")
    return parser


def perform(name: str, task: dict[str, Any], options: argparse.Namespace) -> None:
    """Run a task, or what of it is not done."""
    from augtune.experiment.run import run

    print(name, flush=True)
    run(experiment(name, task, options), out=options.out)


def main() -> None:
    """Run the tasks asked for and print the table of all that are done."""
    here = Path(os.environ.get("AUGTUNE_DATA", Path(__file__).parents[1].parent / "shared" / "data"))
    known = tasks(here)
    options = parser_of("every method on every task", known).parse_args()
    for name in () if options.table else options.tasks or known:
        perform(name, known[name], options)
    paths = [options.out / name / "results.json" for name in known]
    done = [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]
    print("| task | arm | macro-F1 | difference | p | rows | seconds |\n|---|---|---|--:|--:|--:|--:|")
    for results in done:
        print("\n".join(rows_of(results)))
    print("\nMacro-F1 of human rows only, differences to it in points; *: beyond chance (p < 0.05 after correction)\n")
    print("\n".join(summary(done)))


if __name__ == "__main__":
    main()
