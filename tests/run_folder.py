"""A run folder as an experiment writes it, made up on the spot: numbers that agree with each other, rows that bite."""

from __future__ import annotations

import json
import math
import random
import re
from pathlib import Path

LABELS = ["account & login", "billing", "delivery", "refund", "technical fault", 'other "misc"']
ARMS = ["human only", 'human + "gpt" <b>4/5</b>', "two-stage", "dimp"]
SEEDS = [0, 1, 2]
TRAIN = [60, 24, 14, 10, 8, 6]
TEST = [80, 52, 40, 30, 22, 16]

NASTY = [
    "<script>document.title = 'hacked'; window.hacked = true; alert(1)</script>",
    "</script><script>window.hacked = true</script><!-- no end",
    '<img src=x onerror="window.hacked = true"> and \'quotes\' & "more" &amp; {{ 7 * 7 }} {% raw %}',
    "The lamp 💡 never came 🚚… and 👩‍👩‍👧 are waiting",
    "我的订单还没有到，客服电话也打不通，请帮我查一下。",
    "لم تصل الطلبية حتى الآن وأريد استرداد المبلغ",
    "w" * 700,
    "line one\u2028line two\u2029line three\nline four\nline five\nline six",
    "half a pair \ud83d and a control \u0007 character",
    "Long letter. " * 60,
]
OPENINGS = ["My parcel", "The invoice", "Your app", "The lamp I bought", "My account", "The refund", "Your driver"]
MIDDLES = ["has not arrived", "was charged twice", "shows an error", "is broken", "got lost", "cannot be opened"]
ENDINGS = ["since Monday.", "and nobody answers.", "again!", "— can you help?", "after the update.", "this week."]


def folder_of(arm: str) -> str:
    return re.sub(r"[^\w .+-]", "_", arm)


def _dump(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _rows(count: int, draw: random.Random) -> tuple[list[dict], list[dict]]:
    kept, dropped = [], []
    for i in range(count):
        text = f"{draw.choice(OPENINGS)} {draw.choice(MIDDLES)} {draw.choice(ENDINGS)} Ticket {1000 + i}."
        if i < len(NASTY):
            text = NASTY[i]
        row = {"id": f"gpt3mix-{i:04d}", "text": text, "label": draw.choice(LABELS), "origin": "generated"}
        row["parents"] = [f"train-{draw.randrange(122):04d}", f"train-{draw.randrange(122):04d}"]
        if i % 10 < 9:
            kept.append({**row, "probabilities": {label: 1 / len(LABELS) for label in LABELS}})
        elif i % 30 == 9:
            dropped.append({**row, "by": "dedup", "because": f"near gpt3mix-{i - 3:04d} (0.94)", "reason": "repeat"})
        elif i % 30 == 19:
            why = "repeats test-0012 'My parcel <b>never</b> came' (0.97)"
            dropped.append({**row, "by": "contamination", "because": why, "reason": "near test row"})
        else:
            row |= {"label": "", "parents": []}
            dropped.append({**row, "by": "gpt3mix", "because": "no label in the reply", "reason": "unreadable"})
    return kept, dropped


def _confusion(skill: float, draw: random.Random) -> list[list[int]]:
    table = [[0] * len(LABELS) for _ in LABELS]
    for truth, size in enumerate(TEST):
        for _ in range(size * len(SEEDS)):
            right = draw.random() < skill - 0.04 * truth
            table[truth][truth if right else draw.randrange(len(LABELS))] += 1
    return table


def _per_class(table: list[list[int]], draw: random.Random) -> dict:
    found = {}
    for k, label in enumerate(LABELS):
        recall = table[k][k] / sum(table[k])
        precision = table[k][k] / max(sum(row[k] for row in table), 1)
        wobble = draw.uniform(-0.01, 0.01)
        recall, precision = min(recall + wobble, 1.0), min(precision + wobble, 1.0)
        f1 = 2 * precision * recall / (precision + recall)
        found[label] = {"precision": precision, "recall": recall, "f1": f1, "support": TEST[k]}
    return found


def _arm(place: int, draw: random.Random, rows: int) -> tuple[dict, dict]:
    table = _confusion(0.82 + 0.035 * place, draw)
    per_seed = []
    for seed in SEEDS:
        scores = _per_class(table, draw)
        macro = sum(one["f1"] for one in scores.values()) / len(LABELS)
        per_seed.append({"seed": seed, "macro_f1": macro, "accuracy": macro + 0.04, "per_class": scores})
    mean = {m: sum(one[m] for one in per_seed) / len(SEEDS) for m in ("macro_f1", "accuracy")}
    std = {m: (sum((one[m] - mean[m]) ** 2 for one in per_seed) / 2) ** 0.5 for m in mean}
    synthetic = rows if place else 0
    result = {
        "per_seed": per_seed,
        "mean": mean,
        "std": std,
        "interval": {m: [mean[m] - 0.034, mean[m] + 0.031] for m in mean},
        "rows": {"human": sum(TRAIN), "synthetic": synthetic},
        "cost": {
            "usd": 0.0312 if place else 0.0,
            "calls": 412 if place else 0,
            "cached": 0,
            "tokens_in": 183_400 if place else 0,
            "tokens_out": 21_050 if place else 0,
        },
        "train_seconds": 21.4 + 18 * place,
    }
    return result, {
        "confusion": table,
        "model": f"all-MiniLM-L6-v2 · {['vanilla', 'vanilla', 'two_stage', 'dimp'][place]} · 300 steps",
    }


def _history(place: int, seed: int, draw: random.Random) -> list[dict]:
    steps = []
    for step in range(1, 301):
        stage = "synthetic" if place == 2 and step <= 150 else "human"
        level = 1.75 * math.exp(-step / (55 + 18 * place)) + 0.06 * (place + 1)
        loss = max(level + draw.gauss(0, 0.12) * (0.3 + level), 0.01)
        row = {"step": step, "stage": stage, "loss": loss, "lr": 5e-5}
        if step % 30 == 0:
            score = 0.4 + 0.12 * place + step / 1000 + draw.gauss(0, 0.01)
            row |= {"macro_f1": score, "accuracy": score + 0.02, "validation_loss": level}
        steps.append(row)
    return steps


def _predictions(place: int, draw: random.Random) -> list[dict]:
    rows, number = [], 0
    for truth, size in enumerate(TEST):
        for _ in range(size):
            sure = draw.uniform(0.3, 0.999)
            right = draw.random() < sure - 0.1 * (3 - place)
            said = truth if right else (truth + draw.randrange(1, len(LABELS))) % len(LABELS)
            rest = (1 - sure) / (len(LABELS) - 1)
            shares = {label: sure if k == said else rest for k, label in enumerate(LABELS)}
            row = {"id": f"test-{number:04d}", "label": LABELS[truth], "predicted": LABELS[said]}
            rows.append({**row, "probabilities": shares})
            number += 1
    return rows


def routing_details() -> dict:
    """What ``details.json`` holds of an arm that routes."""
    shares = [k / 20 for k in range(21)]
    values = [0.78 + 0.2 * share - 0.12 * share**2 for share in shares]
    curve = {"metric": "macro_f1", "rows": 122, "share": shares, "value": values, "threshold": shares}
    curve |= {"usd_per_1000": [0.4 * share for share in shares], "chosen": {"share": 0.4, "value": values[8]}}
    return {
        "share": 0.37,
        "per_seed": [],
        "curve": curve,
        "checked": {"value": 0.83, "share": 0.4, "thresholds": [0.5]},
    }


def _write_results(folder: Path, arms: dict) -> None:
    base = arms[ARMS[0]]["mean"]
    comparisons = []
    for place, arm in enumerate(ARMS[1:], start=1):
        for metric in base:
            gain = arms[arm]["mean"][metric] - base[metric]
            p = [0.21, 0.012, 0.0004][place - 1]
            row = {"arm": arm, "baseline": ARMS[0], "metric": metric, "difference": gain}
            row |= {"interval": [gain - [0.09, 0.058, 0.04][place - 1], gain + [0.08, 0.05, 0.03][place - 1]], "p": p}
            row["interval_adjusted"] = [row["interval"][0] - 0.02, row["interval"][1] + 0.02]
            comparisons.append({**row, "p_adjusted": min(2 * p, 1.0), "test": "paired_bootstrap"})
        row = {
            "arm": arm,
            "baseline": ARMS[0],
            "metric": "accuracy",
            "difference": gain,
            "interval": comparisons[-1]["interval"],
        }
        comparisons.append({**row, "p": 0.02, "p_adjusted": 0.06, "test": "mcnemar"})
    results = {
        "schema": 1,
        "name": "helpdesk",
        "seeds": SEEDS,
        "references": {"majority": {"macro_f1": 0.083, "accuracy": 0.333}},
        "arms": arms,
        "comparisons": comparisons,
    }
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")


def _decisions() -> list[dict]:
    """Return what each seed chose: of three ways, one of which has a hostile name."""
    made = []
    for place, seed in enumerate(SEEDS):
        gain = 0.031 - 0.01 * place
        tried = [
            _tried("dimp", gain, 1, 0.97 - 0.1 * place),
            _tried(f"mix {NASTY[0]}", 0.004, 0, 0.58),
            _tried("two_stage", -0.012, 0, 0.22),
        ]
        taken = place < 2
        made.append({
            "seed": seed,
            "decision": {
                "chosen": "dimp" if taken else "human_only", "take": "alone" if taken else "human only",
                "members": ["dimp", "dimp"] if taken else ["human_only", "human_only"],
                "because": f"dimp gains with a probability of {0.97 - 0.1 * place:.2f}", "metric": "macro-F1",
                "gain": gain if taken else 0.0, "interval": [gain - 0.02, gain + 0.02] if taken else [0.0, 0.0],
                "probability": 0.97 - 0.1 * place if taken else 0.0, "human": 120, "synthetic": 2900, "held_back": 640.5,
                "folds": 5, "repeats": 2, "tried": tried, "left_out": [], "base_score": 0.71, "steps": 1700,
                "trainings": 5.7, "seconds": 312.0 + place, "usd": 0.41, "seed": seed,
            },
        })  # fmt: skip
    return made


def _tried(name: str, gain: float, rung: int, probability: float) -> dict:
    return {
        "name": name, "about": "A way of training", "rung": rung, "score": 0.71 + gain, "measured": 1.4 * gain,
        "gain": gain, "interval": [gain - 0.02, gain + 0.02], "probability": probability, "steps": 300, "seconds": 31.5,
    }  # fmt: skip


def _write_details(folder: Path, arms: dict, details: dict, made: tuple[list[dict], list[dict]]) -> None:
    kept, dropped = made
    synthetic = {label: sum(row["label"] == label for row in kept) for label in LABELS}
    by: dict[str, dict[str, int]] = {}
    for row in dropped:
        reasons = by.setdefault(row["by"], {})
        reasons[row["reason"]] = reasons.get(row["reason"], 0) + 1
    weights = {"effective_share": 0.61, "minimum": 0.02, "median": 0.91, "maximum": 6.4}
    for place, arm in enumerate(ARMS):
        used = place > 0
        details[arm] |= {
            "settings": {"generate": None, "curate": None, "train": {"steps": 300}},
            "synthetic": synthetic if used else {},
            "generated": len(kept) + len(dropped) if used else 0,
            "dropped": by if used else {},
            "shortfall": {"refund": 3} if used else {},
            "weights": weights if arm == "dimp" else None,
            "routing": routing_details() if arm == "two-stage" else None,
            "decisions": _decisions() if arm == "dimp" else [],
        }
    best, base = arms["dimp"], arms[ARMS[0]]
    gain = 100 * (best["mean"]["macro_f1"] - base["mean"]["macro_f1"])
    value = {
        "schema": 1,
        "name": "helpdesk",
        "created": "2026-10-04T09:12:44+00:00",
        "labels": LABELS,
        "counts": {
            "train": dict(zip(LABELS, TRAIN, strict=True)),
            "validation": None,
            "test": dict(zip(LABELS, TEST, strict=True)),
        },
        "arms": details,
        "verdict": [
            f"Highest macro-F1: dimp, {best['mean']['macro_f1']:.3f} "
            f"[{best['interval']['macro_f1'][0]:.3f}, {best['interval']['macro_f1'][1]:.3f}] (mean of 3 seeds); "
            "always answering the commonest label gives 0.083.",
            f"Better than human only (macro-F1 {base['mean']['macro_f1']:.3f}): dimp {gain:+.1f} points, p < 0.001; two-stage +8.6 points, p = 0.024.",
            f"Not shown to differ from human only beyond chance at the 5 % level: {ARMS[1]} +7.8 points, p = 0.420.",
        ],
        "warnings": ["refund: 3 rows fewer than asked for were delivered.", "The label <i>billing</i> has 24 human rows."],
        "environment": {"augtune": "0.1.0", "python": "3.11.9", "torch": "2.8.0", "transformers": "5.3.0", "platform": "Linux-6.1-x86_64", "processor": "x86_64", "threads": 2, "precision": "bfloat16"},
        "baseline": ARMS[0],
        "metrics": ["macro_f1", "accuracy"],
    }  # fmt: skip
    (folder / "details.json").write_text(json.dumps(value), encoding="utf-8")


def write_run_folder(folder: Path, *, rows: int = 3000, seed: int = 0) -> Path:
    """Write a run of 4 arms and 3 seeds whose three arms with synthetic rows share them; returns the folder."""
    draw = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    kept, dropped = _rows(rows, draw)
    arms, details = {}, {}
    for place, arm in enumerate(ARMS):
        arms[arm], details[arm] = _arm(place, draw, len(kept))
        for one in SEEDS:
            _dump(folder / "history" / folder_of(arm) / f"seed-{one}.jsonl", _history(place, one, draw))
            _dump(
                folder / "predictions" / folder_of(arm) / f"seed-{one}.jsonl", _predictions(place, random.Random(one))
            )
        if place:
            _dump(folder / "data" / folder_of(arm) / "synthetic.jsonl", kept)
            _dump(folder / "data" / folder_of(arm) / "dropped.jsonl", dropped)
    weights = [
        {"id": row["id"], "seed": one, "weight": min(max(math.exp(draw.gauss(-0.1, 0.8)), 0.02), 6.4),
         "quality": draw.random(), "diversity": draw.random()}
        for row in kept for one in SEEDS
    ]  # fmt: skip
    _dump(folder / "data" / "dimp" / "weights.jsonl", weights)
    page = folder / "models" / "dimp" / "seed-0" / "decision.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("<!DOCTYPE html><title>why</title>", encoding="utf-8")
    _write_results(folder, arms)
    _write_details(folder, arms, details, (kept, dropped))
    text = "name: helpdesk\nseeds: [0, 1, 2]\narms:\n  human only: {generate: null}\n  'a </code><script>': {}\n"
    (folder / "experiment.yaml").write_text(text, encoding="utf-8")
    (folder / "events.jsonl").write_text('{"time": "2026-10-04T09:12:44+00:00", "event": "run-started"}\n')
    return folder
