"""Choosing against every fixed recipe and SetFit: what it gains, its worst task, and its regret to the best arm.

    python benchmarks/auto.py                                   # every task, 5 seeds; run again, it carries on
    python benchmarks/auto.py hypo_l_gpt4 trec6_1to10 --seeds 1
    python benchmarks/auto.py --setfit                          # SetFit beside it (pip install setfit)
    python benchmarks/auto.py --table                           # the table of what is done so far, as Markdown

Each task is one ``augtune run`` on human rows alone or with rows that a language model wrote for a published study:
hypo_l, questionintimacy and crowdflower (GPT-4, Llama-2), snips_intent at 10/class, agnews_paraphrase at 100/class
(ChatGPT, Llama-3), and without written rows trec6 and tweet_emotion, made unbalanced at 1:10. Each seed of ``auto``
chooses anew; its seconds are those of everything it tried. SetFit has its own package's defaults (20 pairs a row and
sign, one epoch), the same encoder and rows. Regret is what the best arm in
hindsight, by its mean over seeds, is better.
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

from study_tasks import studies, study, unbalanced

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

BASELINE, AUTO, SETFIT = "human only", "auto", "SetFit"
NONE = {"generate": None, "curate": None}
ENCODER = "bundled/minilm"

HUMAN: dict[str, dict[str, Any]] = {
    BASELINE: {**NONE},
    "class weights": {**NONE, "train": {"loss": {"kind": "cross_entropy", "class_weights": "inverse"}}},
    "logit adjustment": {**NONE, "train": {"loss": "logit_adjustment"}},
}
SYNTHETIC: dict[str, dict[str, Any]] = {
    "mix": {},
    "two-stage": {"train": {"recipe": "two_stage"}},
    "curriculum": {"train": {"recipe": "curriculum"}},
    "imp": {"train": {"recipe": "imp"}},
    "dimp": {"train": {"recipe": "dimp"}},
    "quality": {"train": {"recipe": "quality"}},
}


def tasks(data: Path) -> dict[str, dict[str, Any]]:
    """Return the tasks by name: where the rows are, which to take, which file of written rows."""
    found = studies(data)
    found["agnews_paraphrase_llama3_8b"] = study(data / "agnews_paraphrase", "all of train", "600 of test", "llama3_8b")
    return found | {f"{name}_1to10": unbalanced(data, name) for name in ("trec6", "tweet_emotion")}


def experiment(name: str, task: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Return the experiment of a task, as its file would hold it."""
    arms = {**HUMAN, **({} if task["path"] is None else SYNTHETIC)}
    arms = {arm: dict(changes) for arm, changes in arms.items() if arm in (BASELINE, *(options.arms or arms))}
    arms[AUTO] = {"train": {"recipe": {"kind": "auto", **json.loads(options.choose)}}}
    written: dict[str, Any] = {
        "name": name,
        "seeds": list(range(options.seeds)),
        "data": {
            "source": str(task["source"]), "columns": {"text": "text", "label": "label"}, "train": task["train"],
            "validation": "none", "test": task["test"],
        },
        "train": {"encoder": ENCODER, "steps": options.steps, "batch_size": 16, "lr": 5e-5},
        "arms": arms,
        "inspect": None,
        "evaluate": {"metrics": ["macro_f1", "accuracy"], "baseline": BASELINE, "correction": "holm"},
    }  # fmt: skip
    if task["path"] is None:
        for arm in arms.values():
            for key in NONE:
                arm.pop(key, None)
    else:
        written["generate"] = {"kind": "imported", "path": str(task["path"])}
        written["curate"] = [{"kind": "dedup", "threshold": 0.9}, {"kind": "contamination", "against": "test"}]
    return written


def setfit(name: str, task: dict[str, Any], options: argparse.Namespace) -> None:
    """Train SetFit on the human rows of a task, once per seed, and write its scores beside the run."""
    import datasets
    from sentence_transformers import SentenceTransformer
    from setfit import SetFitModel, Trainer, TrainingArguments
    from sklearn.linear_model import LogisticRegression

    from augtune.core.encoders import locate
    from augtune.core.tables import Predictions
    from augtune.evaluation.scores import evaluate
    from augtune.experiment.plan import read_plan
    from augtune.experiment.rows import HumanSource

    place = options.out / name / "setfit.json"
    done: dict[str, Any] = json.loads(place.read_text(encoding="utf-8")) if place.is_file() else {}
    rows = HumanSource(read_plan(experiment(name, task, options))).of()
    given = datasets.Dataset.from_dict({"text": list(rows.train.texts), "label": rows.train.label_indices.tolist()})
    for seed in range(options.seeds):
        if str(seed) in done:
            continue
        started = time.monotonic()
        body = SentenceTransformer(locate(ENCODER), device="cpu")
        model = SetFitModel(model_body=body, model_head=LogisticRegression(max_iter=1000))
        with tempfile.TemporaryDirectory() as scratch:
            arguments = TrainingArguments(
                output_dir=scratch, batch_size=16, num_epochs=1, num_iterations=20, seed=seed, report_to="none",
                save_strategy="no",
            )  # fmt: skip
            Trainer(model=model, args=arguments, train_dataset=given).train()
        seconds = time.monotonic() - started
        table = model.predict_proba(list(rows.test.texts), as_numpy=True)
        scores = evaluate(Predictions(rows.test.ids, table, rows.test.labels), rows.test, resamples=0)
        done[str(seed)] = {"macro_f1": scores["macro_f1"], "accuracy": scores["accuracy"], "seconds": seconds}
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(done, indent=1), encoding="utf-8")


def scores_of(folder: Path) -> dict[str, list[float]] | None:
    """Return each arm's macro-F1 by seed in points; None where the run is not done."""
    if not (folder / "results.json").is_file():
        return None
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    found = {arm: [100 * one["macro_f1"] for one in row["per_seed"]] for arm, row in results["arms"].items()}
    if (folder / "setfit.json").is_file():
        done = json.loads((folder / "setfit.json").read_text(encoding="utf-8"))
        found[SETFIT] = [100 * one["macro_f1"] for _, one in sorted(done.items())]
    return found


def chosen(folder: Path) -> tuple[str, str]:
    """Return what auto chose for each seed, and what that cost on average in trainings and seconds."""
    models = sorted((folder / "models" / AUTO).glob("seed-*/augtune.json"))
    decisions = [json.loads(path.read_text(encoding="utf-8"))["decision"] for path in models]
    names = [one["chosen"] for one in decisions]
    told = ", ".join(f"{name} ×{names.count(name)}" for name in dict.fromkeys(names))
    trainings = statistics.mean(one["trainings"] for one in decisions)
    seconds = statistics.mean(one["seconds"] for one in decisions)
    return told, f"{trainings:.1f} trainings, {seconds:.0f} s"


def table(out: Path, names: list[str]) -> str:
    """Return what is done so far as Markdown: a line per task, a line per arm over the tasks."""
    found = {name: scores for name in names if (scores := scores_of(out / name)) is not None}
    if not found:
        return "nothing is done yet"
    arms = [*HUMAN, *SYNTHETIC, AUTO, SETFIT]
    lines = [f"| task | {' | '.join(arms)} | regret | chosen | cost |", f"|---|{'--:|' * (len(arms) + 1)}---|---|"]
    regrets = []
    for name, scores in found.items():
        means = {arm: statistics.mean(values) for arm, values in scores.items()}
        base = means[BASELINE]
        cells = [f"{base:.1f}", *(f"{means[arm] - base:+.1f}" if arm in means else "" for arm in arms[1:])]
        regrets.append(max(means[arm] for arm in means if arm != SETFIT) - means[AUTO])
        told, cost = chosen(out / name)
        lines.append(f"| {name} | {' | '.join(cells)} | {regrets[-1]:.1f} | {told} | {cost} |")
    lines += ["", "| arm | tasks | mean difference to human only | worst task |", "|---|--:|--:|--:|"]
    for arm in arms[1:]:
        off = [
            statistics.mean(scores[arm]) - statistics.mean(scores[BASELINE])
            for scores in found.values()
            if arm in scores
        ]
        if off:
            lines.append(f"| {arm} | {len(off)} | {statistics.mean(off):+.2f} | {min(off):+.1f} |")
    lines += ["", f"mean regret of auto to the best arm in hindsight: {statistics.mean(regrets):.2f}"]
    return "\n".join(lines)


def main() -> None:
    """Run the tasks asked for and print the table of all that are done."""
    here = Path(os.environ.get("AUGTUNE_DATA", Path(__file__).parents[1].parent / "shared" / "data"))
    known = tasks(here)
    parser = argparse.ArgumentParser(description="choosing against every fixed recipe")
    parser.add_argument("tasks", nargs="*", choices=[*known, []], help=f"of {', '.join(known)}; all if none is named")
    parser.add_argument("--steps", type=int, default=100, help="optimizer steps of every arm")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--arms", nargs="+", choices=[*HUMAN, *SYNTHETIC], help="these beside human only and auto")
    parser.add_argument("--choose", default="{}", metavar="JSON", help="how auto chooses, e.g. '{\"trainings\": 4}'")
    parser.add_argument("--setfit", action="store_true", help="train SetFit too")
    parser.add_argument("--out", type=Path, default=Path("runs/auto"))
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args()
    if not options.table:
        from augtune.experiment.run import run

        for name in options.tasks or known:
            print(name, flush=True)
            run(experiment(name, known[name], options), out=options.out)
            if options.setfit:
                setfit(name, known[name], options)
    print(table(options.out, list(known)))


if __name__ == "__main__":
    main()
