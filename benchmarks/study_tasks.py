"""Tasks of the data pack that several benchmarks measure: where the rows are, which to take, who wrote more of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["UNBALANCED", "others", "studies", "unbalanced"]

# Labels that are made rare, a tenth of the others.
UNBALANCED = {"trec6": "abbreviation+human+location", "sst2": "negative", "tweet_emotion": "optimism+sadness"}
UNBALANCED_OTHERS = {"emotion6": "love+surprise", "subj": "objective", "tweet_irony": "irony"}


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


def others(data: Path) -> dict[str, dict[str, Any]]:
    """Return tasks of the same kinds on which no rule of augtune was tried while it was written, by name."""
    found = {f"{name}_1to10": unbalanced(data, name, rare) for name, rare in UNBALANCED_OTHERS.items()}
    found["hypo_l_20_gpt4"] = study(data / "hypo_l", "20/class of base", "all of test", "gpt4")
    found["questionintimacy_10_llama2_70b"] = study(
        data / "questionintimacy", "10/class of base", "all of test", "llama2_70b"
    )
    found["agnews_paraphrase_10_chatgpt"] = study(
        data / "agnews_paraphrase", "10/class of train", "600 of test", "chatgpt"
    )
    return found


def unbalanced(data: Path, name: str, rare: str = "") -> dict[str, Any]:
    """Return a task of human rows alone in which some labels have a tenth of the others' rows."""
    return {
        "source": data / name, "train": f"80/class of train, imbalance 0.1 minority={rare or UNBALANCED[name]}",
        "test": "all of test" if name == "trec6" else "600 of test", "path": None,
    }  # fmt: skip
