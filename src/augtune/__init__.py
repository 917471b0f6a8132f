"""augtune: from a few labelled texts, any language model and a budget to a small text classifier, with proof.

>>> import augtune as at
>>> splits = at.load("tickets.csv", text="message", label="intent")  # doctest: +SKIP

Names are resolved on first use, so ``import augtune`` loads nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augtune.choosing.boost import BoostSettings
    from augtune.choosing.settings import ChooseSettings
    from augtune.collaboration.ask import ask
    from augtune.collaboration.evidence import Evidence
    from augtune.collaboration.guard import same_model
    from augtune.collaboration.route import RouteSettings, route
    from augtune.collaboration.routed import RoutedModel
    from augtune.collaboration.router import Router
    from augtune.collaboration.settings import AskSettings
    from augtune.collaboration.tune.data import out_of_fold
    from augtune.collaboration.tune.finetune import FineTune, finetune
    from augtune.collaboration.tune.settings import TuneSettings
    from augtune.core.dataset import Dataset, Example, HumanDataset, Splits
    from augtune.core.decision import Decision
    from augtune.core.errors import AugtuneError, BudgetError, DataError, InputError, ProviderError, SettingsError
    from augtune.core.labels import Labels
    from augtune.core.outcomes import Changed, Cost, Curation, Dropped, Generation
    from augtune.core.tables import Predictions, Weights
    from augtune.curation.agree import Agree
    from augtune.curation.base import curate
    from augtune.curation.confidence import Confidence
    from augtune.curation.contamination import Contamination
    from augtune.curation.dedup import Dedup
    from augtune.data.load import load
    from augtune.data.sample import sample
    from augtune.embedding.encode import embed
    from augtune.evaluation.comparisons import Runs, compare
    from augtune.evaluation.scores import Scores, evaluate
    from augtune.evaluation.settings import EvaluateSettings
    from augtune.experiment.fit import fit
    from augtune.experiment.results import Results
    from augtune.experiment.run import run
    from augtune.generation.attributes import Attributes
    from augtune.generation.backtranslate import Backtranslate
    from augtune.generation.base import generate
    from augtune.generation.conditioned import Fewshot, Zeroshot
    from augtune.generation.eda import Eda
    from augtune.generation.gpt3mix import Gpt3Mix
    from augtune.generation.imported import Imported
    from augtune.generation.notebook import Notebook
    from augtune.generation.rephrase import Rephrase
    from augtune.llm.client import LLM
    from augtune.model.fitted import Fitted
    from augtune.model.importers import import_classifier
    from augtune.reporting.html import report
    from augtune.training.calibrating import calibrate
    from augtune.training.checkers import make_checkers
    from augtune.training.recipes import Curriculum, Dimp, Imp, Quality, Stages, TwoStage, Vanilla
    from augtune.training.settings import TrainSettings
    from augtune.training.tables import Checkers
    from augtune.training.train import train
    from augtune.training.weigh import weigh

__version__ = "0.1.0"

_HOME = {
    "Agree": "curation.agree",
    "AskSettings": "collaboration.settings",
    "Attributes": "generation.attributes",
    "AugtuneError": "core.errors",
    "Backtranslate": "generation.backtranslate",
    "BoostSettings": "choosing.boost",
    "BudgetError": "core.errors",
    "Changed": "core.outcomes",
    "Checkers": "training.tables",
    "ChooseSettings": "choosing.settings",
    "Confidence": "curation.confidence",
    "Contamination": "curation.contamination",
    "Cost": "core.outcomes",
    "Curation": "core.outcomes",
    "Curriculum": "training.recipes",
    "DataError": "core.errors",
    "Dataset": "core.dataset",
    "Decision": "core.decision",
    "Dedup": "curation.dedup",
    "Dimp": "training.recipes",
    "Dropped": "core.outcomes",
    "Eda": "generation.eda",
    "EvaluateSettings": "evaluation.settings",
    "Evidence": "collaboration.evidence",
    "Example": "core.dataset",
    "Fewshot": "generation.conditioned",
    "FineTune": "collaboration.tune.finetune",
    "Fitted": "model.fitted",
    "Generation": "core.outcomes",
    "Gpt3Mix": "generation.gpt3mix",
    "HumanDataset": "core.dataset",
    "Imp": "training.recipes",
    "Imported": "generation.imported",
    "InputError": "core.errors",
    "LLM": "llm.client",
    "Labels": "core.labels",
    "Notebook": "generation.notebook",
    "Predictions": "core.tables",
    "ProviderError": "core.errors",
    "Quality": "training.recipes",
    "Rephrase": "generation.rephrase",
    "Results": "experiment.results",
    "RouteSettings": "collaboration.route",
    "RoutedModel": "collaboration.routed",
    "Router": "collaboration.router",
    "Runs": "evaluation.comparisons",
    "Scores": "evaluation.scores",
    "SettingsError": "core.errors",
    "Splits": "core.dataset",
    "Stages": "training.recipes",
    "TrainSettings": "training.settings",
    "TuneSettings": "collaboration.tune.settings",
    "TwoStage": "training.recipes",
    "Vanilla": "training.recipes",
    "Weights": "core.tables",
    "Zeroshot": "generation.conditioned",
    "ask": "collaboration.ask",
    "calibrate": "training.calibrating",
    "compare": "evaluation.comparisons",
    "curate": "curation.base",
    "embed": "embedding.encode",
    "evaluate": "evaluation.scores",
    "finetune": "collaboration.tune.finetune",
    "fit": "experiment.fit",
    "generate": "generation.base",
    "import_classifier": "model.importers",
    "load": "data.load",
    "make_checkers": "training.checkers",
    "out_of_fold": "collaboration.tune.data",
    "report": "reporting.html",
    "route": "collaboration.route",
    "run": "experiment.run",
    "same_model": "collaboration.guard",
    "sample": "data.sample",
    "train": "training.train",
    "weigh": "training.weigh",
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
