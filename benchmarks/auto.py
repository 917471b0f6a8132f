"""Choosing against every fixed recipe and SetFit: what it gains, its worst task, and its regret to the best arm.

    python benchmarks/auto.py                                   # every task, 5 seeds; run again, it carries on
    python benchmarks/auto.py hypo_l_gpt4 trec6_1to10 --seeds 1
    python benchmarks/auto.py --setfit                          # then SetFit (pip install setfit)
    python benchmarks/auto.py --others                          # tasks that no rule was tried on
    python benchmarks/auto.py --table                           # the table of what is done so far, as Markdown

The runs are those of ``benchmarks/methods.py``, in the same folder, so what one of the two has trained the other finds:
hypo_l, questionintimacy and crowdflower with rows by GPT-4 and by Llama 2, snips_intent at 10/class with rows by
ChatGPT, agnews_paraphrase at 100/class by ChatGPT and Llama 3, and trec6 and tweet_emotion, made unbalanced at 1:10,
on human rows alone. Each seed of ``auto`` chooses anew; its seconds are those of everything it tried. SetFit has its
package's defaults (20 pairs a row and sign, one epoch, logistic regression), the same encoder, all of it trained, and
the same rows; tasks that differ by their written rows only share it.
Regret is what the best arm in hindsight, by its mean over seeds, is better than ``auto``.
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

from methods import AUTO, BASELINE, HUMAN, SYNTHETIC, experiment, imported, parser_of, perform, tasks
from study_tasks import others

SETFIT = "SetFit"
# Ends the names of the files with its scores.
BESIDE = "-setfit.json"
# Tasks of pairs, and those that the question was not asked for.
ELSEWHERE = ("mrpc", "sst2_1to10")


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

    written = experiment(name, task, options)
    rows = HumanSource(read_plan(written)).of()
    place, told = options.out / f"{name}{BESIDE}", f"{rows.train.fingerprint} {rows.test.fingerprint}"
    done = shared(told, options.out)
    given = datasets.Dataset.from_dict({"text": list(rows.train.texts), "label": rows.train.label_indices.tolist()})
    for seed in range(options.seeds):
        if str(seed) not in done:
            started = time.monotonic()
            body = SentenceTransformer(locate(written["train"]["encoder"]), device="cpu")
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
        place.write_text(json.dumps({"rows": told, "seeds": done}, indent=1), encoding="utf-8")
        print(name, seed, done[str(seed)], flush=True)


def shared(told: str, out: Path) -> dict[str, Any]:
    """Return what is done on these very rows, for this task or another that differs by its written rows only."""
    found: dict[str, Any] = {}
    for path in sorted(out.glob(f"*{BESIDE}")):
        kept = json.loads(path.read_text(encoding="utf-8"))
        found |= kept["seeds"] if kept["rows"] == told else {}
    return found


def scores_of(folder: Path, *, has_synthetic: bool) -> dict[str, float]:
    """Return each arm's macro-F1 in points, its mean over seeds; nothing where ``auto`` is not done."""
    if not (folder / "results.json").is_file():
        return {}
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    arms = {*HUMAN, AUTO, *(SYNTHETIC if has_synthetic else ())}
    found = {arm: 100 * row["mean"]["macro_f1"] for arm, row in results["arms"].items() if arm in arms}
    if AUTO not in found:
        return {}
    beside = folder.parent / f"{folder.name}{BESIDE}"
    if beside.is_file():
        done = json.loads(beside.read_text(encoding="utf-8"))["seeds"]
        found[SETFIT] = 100 * statistics.mean(one["macro_f1"] for one in done.values())
    return found


def decisions(folder: Path) -> list[dict[str, Any]]:
    """Return what auto noted of its choice, for each seed."""
    models = sorted((folder / "models" / AUTO).glob("seed-*/augtune.json"))
    return [json.loads(path.read_text(encoding="utf-8"))["decision"] for path in models]


def cost(arm: str, folders: list[Path]) -> str:
    """Return what a seed of an arm took in trainings and seconds, on average over tasks and seeds."""
    if arm == AUTO:
        trainings = statistics.mean(one["trainings"] for folder in folders for one in decisions(folder))
        seconds = statistics.mean(one["seconds"] for folder in folders for one in decisions(folder))
        return f"{trainings:.1f} trainings, {seconds:.0f} s"
    if arm == SETFIT:
        places = [folder.parent / f"{folder.name}{BESIDE}" for folder in folders]
        told = [json.loads(place.read_text(encoding="utf-8"))["seeds"].values() for place in places]
        return f"{statistics.mean(one['seconds'] for seeds in told for one in seeds):.0f} s"
    results = [json.loads((folder / "results.json").read_text(encoding="utf-8")) for folder in folders]
    return f"1 training, {statistics.mean(one['arms'][arm]['train_seconds'] for one in results):.0f} s"


def table(found: dict[str, dict[str, float]], out: Path) -> str:
    """Return what is done as Markdown: a line per task, a line per arm over the tasks, the bars."""
    if not found:
        return "nothing is done yet"
    lines = ["| task | human only | auto | SetFit | best arm | regret | auto chose | cost of auto | of SetFit |"]
    lines.append("|---|--:|--:|--:|---|--:|---|---|--:|")
    regrets = []
    for name, scores in found.items():
        base = scores[BASELINE]
        best = max((arm for arm in scores if arm != SETFIT), key=lambda arm: scores[arm])
        regrets.append(scores[best] - scores[AUTO])
        names = [one["chosen"] for one in decisions(out / name)]
        told = ", ".join(f"{way} ×{names.count(way)}" for way in dict.fromkeys(names))
        beside = f"{scores[SETFIT] - base:+.1f}" if SETFIT in scores else ""
        times = cost(SETFIT, [out / name]) if beside else ""
        lines.append(
            f"| {name} | {base:.1f} | {scores[AUTO] - base:+.1f} | {beside} | {best} {scores[best] - base:+.1f} | "
            f"{regrets[-1]:.1f} | {told} | {cost(AUTO, [out / name])} | {times} |"
        )
    lines += ["", "| arm | tasks | mean difference | worst task | auto on the same tasks | cost of a seed |"]
    lines.append("|---|--:|--:|--:|--:|--:|")
    for arm in [*HUMAN, *SYNTHETIC, AUTO, SETFIT]:
        with_it = {name: scores for name, scores in found.items() if arm in scores}
        if not with_it:
            continue
        gains = [scores[arm] - scores[BASELINE] for scores in with_it.values()]
        mean = statistics.mean(scores[AUTO] - scores[BASELINE] for scores in with_it.values())
        lines.append(
            f"| {arm} | {len(gains)} | {statistics.mean(gains):+.2f} | {min(gains):+.1f} | {mean:+.2f} | "
            f"{cost(arm, [out / name for name in with_it])} |"
        )
    worst = min(scores[AUTO] - scores[BASELINE] for scores in found.values())
    return "\n".join([
        *lines, "",
        f"worst task of auto: {worst:+.2f} points (bar: -0.5)",
        f"mean regret of auto to the best arm in hindsight: {statistics.mean(regrets):.2f} points (bar: 1.0)",
    ])  # fmt: skip


def main() -> None:
    """Run the tasks asked for and print the table of all that are done."""
    here = Path(os.environ.get("AUGTUNE_DATA", Path(__file__).parents[1].parent / "shared" / "data"))
    known = {name: task for name, task in tasks(here).items() if name not in ELSEWHERE}
    unseen = {
        name: {**task, "generate": None if task["path"] is None else imported(task["path"])}
        for name, task in others(here).items()
    }
    parser = parser_of("choosing against every fixed recipe", known | unseen)
    parser.add_argument("--others", action="store_true", help="tasks that no rule was tried on while it was written")
    parser.add_argument("--setfit", action="store_true", help="train SetFit instead")
    options = parser.parse_args()
    known = unseen if options.others else known
    wrong = [name for name in options.tasks if name not in known]
    if wrong:
        parser.error(f"{', '.join(wrong)}: {'leave out' if options.others else 'goes with'} --others")
    for name in () if options.table else options.tasks or known:
        (setfit if options.setfit else perform)(name, known[name], options)
    every = {
        name: scores_of(options.out / name, has_synthetic=task["path"] is not None) for name, task in known.items()
    }
    print(table({name: scores for name, scores in every.items() if scores}, options.out))


if __name__ == "__main__":
    main()
