"""Choosing: which way of using the rows there are makes the best classifier, judged on human rows alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augtune.core.catalog import Catalog, Row

if TYPE_CHECKING:
    from augtune.choosing.candidates.base import Candidate

__all__ = ["CANDIDATES"]

_HOME = "augtune.choosing.candidates"

CANDIDATES: Catalog[Candidate] = Catalog(
    "candidate",
    {
        "human_only": Row(f"{_HOME}.human_only:HumanOnly", "Human rows alone: what every way is compared with."),
        "probe": Row(f"{_HOME}.probe:Probe", "Regression on the frozen encoder's sentence vectors."),
        "contrastive": Row(f"{_HOME}.contrastive:Contrastive", "Pairs of rows tune the encoder; few rows only."),
        "mix": Row(f"{_HOME}.mix:Mix", "All rows, a synthetic one counting a part of a human one."),
        "two_stage": Row(f"{_HOME}.recipes:TwoStage", "The top on synthetic rows first, then all on human ones."),
        "curriculum": Row(f"{_HOME}.recipes:Curriculum", "Synthetic rows first, human ones last."),
        "quality": Row(f"{_HOME}.recipes:Quality", "Synthetic rows by how likely a checker finds their labels."),
        "imp": Row(f"{_HOME}.recipes:Imp", "Synthetic rows by quality over diversity."),
        "dimp": Row(f"{_HOME}.recipes:Dimp", "Synthetic rows by quality over own confidence."),
        "best_quality": Row(f"{_HOME}.best_quality:BestQuality", "The synthetic rows with the likeliest labels."),
        "balanced": Row(f"{_HOME}.imbalance:Balanced", "Human rows, classes by the inverse of their size."),
        "logit_adjusted": Row(f"{_HOME}.imbalance:LogitAdjusted", "Human rows, class shares added to the scores."),
        "own": Row(f"{_HOME}.own:Own", "Training settings of your own."),
    },
)
