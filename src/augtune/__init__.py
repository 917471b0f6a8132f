"""augtune: from a few labelled texts, any language model and a budget to a small text classifier, with proof.

>>> import augtune as at
>>> splits = at.load("tickets.csv", text="message", label="intent")  # doctest: +SKIP

Names are resolved on first use, so ``import augtune`` loads nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset, Example, HumanDataset, Splits
    from augtune.core.errors import AugtuneError
    from augtune.core.labels import Labels
    from augtune.core.outcomes import Cost, Curation, Dropped, Generation
    from augtune.core.tables import Predictions, Weights
    from augtune.curation import Contamination, Dedup, curate
    from augtune.data import load, sample
    from augtune.embedding import embed
    from augtune.evaluation import Scores, compare, evaluate
    from augtune.experiment import Results, run
    from augtune.generation import Gpt3Mix, Imported, Rephrase, generate
    from augtune.llm import LLM
    from augtune.model import Fitted
    from augtune.reporting import report
    from augtune.training import Dimp, Imp, TrainSettings, TwoStage, Vanilla, train

__version__ = "0.1.0"

_HOME = {
    "AugtuneError": "core.errors",
    "Contamination": "curation.contamination",
    "Cost": "core.outcomes",
    "Curation": "core.outcomes",
    "Dataset": "core.dataset",
    "Dedup": "curation.dedup",
    "Dimp": "training.recipes",
    "Dropped": "core.outcomes",
    "Example": "core.dataset",
    "Fitted": "model.fitted",
    "Generation": "core.outcomes",
    "Gpt3Mix": "generation.gpt3mix",
    "HumanDataset": "core.dataset",
    "Imp": "training.recipes",
    "Imported": "generation.imported",
    "LLM": "llm.client",
    "Labels": "core.labels",
    "Predictions": "core.tables",
    "Rephrase": "generation.rephrase",
    "Results": "experiment.results",
    "Scores": "evaluation.scores",
    "Splits": "core.dataset",
    "TrainSettings": "training.settings",
    "TwoStage": "training.recipes",
    "Vanilla": "training.recipes",
    "Weights": "core.tables",
    "compare": "evaluation.comparisons",
    "curate": "curation.base",
    "embed": "embedding.encode",
    "evaluate": "evaluation.scores",
    "generate": "generation.base",
    "load": "data.load",
    "report": "reporting.html",
    "run": "experiment.run",
    "sample": "data.sample",
    "train": "training.train",
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    """Import a public name from where it lives, the first time it is asked for."""
    if name not in _HOME:
        raise AttributeError(f"module 'augtune' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"augtune.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
