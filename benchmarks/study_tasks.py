"""Tasks of the data pack that several benchmarks measure: where the rows are, which to take, who wrote more of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["UNBALANCED", "studies", "unbalanced"]

# Labels that are made rare, a tenth of the others.
UNBALANCED = {"trec6": "abbreviation+human+location", "sst2": "negative", "tweet_emotion": "optimism+sadness"}


def study(source: Path, train: str, test: str, model: str) -> dict[str, Any]:
    """Return a task with rows that a language model wrote for a published study."""
    return {"source": source, "train": train, "test": test, "path": source / f"synthetic_{model}.jsonl"}


def studies(data: Path) -> dict[str, dict[str, Any]]:
    """Return the tasks with rows by GPT-4, ChatGPT, Llama 2 and Llama 3, by name."""
    found: dict[str, dict[str, Any]] = {}
    for name in ("hypo_l", "questionintimacy", "crowdflower"):
        for model in ("gpt4", "llama2_70b"):
            test = "600 of test" if name == "crowdflower" else "all of test"
            found[f"{name}_{model}"] = study(data / name, "all of base", test, model)
    found["snips_intent_chatgpt"] = study(data / "snips_intent", "10/class of train", "all of test", "chatgpt")
    for model in ("chatgpt", "llama3_8b"):
        found[f"agnews_paraphrase_{model}"] = study(data / "agnews_paraphrase", "all of train", "600 of test", model)
    return found


def unbalanced(data: Path, name: str) -> dict[str, Any]:
    """Return a task of human rows alone in which some labels have a tenth of the others' rows."""
    return {
        "source": data / name, "train": f"80/class of train, imbalance 0.1 minority={UNBALANCED[name]}",
        "test": "all of test" if name == "trec6" else "600 of test", "path": None,
    }  # fmt: skip
