"""Curation: which synthetic rows are fit to train on. ``STEPS`` lists the steps there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augtune.core.catalog import Catalog, Row

if TYPE_CHECKING:
    from augtune.curation.base import Step

__all__ = ["STEPS"]

STEPS: Catalog[Step] = Catalog(
    "curation step",
    {
        "dedup": Row("augtune.curation.dedup:Dedup", "Drop rows that repeat, or nearly repeat, another row."),
        "contamination": Row(
            "augtune.curation.contamination:Contamination",
            "Drop rows that repeat a test or validation row, or were made from one.",
        ),
        "agree": Row(
            "augtune.curation.agree:Agree",
            "Drop, or relabel, rows whose label a language model or a trained classifier does not share.",
        ),
        "confidence": Row(
            "augtune.curation.confidence:Confidence",
            "Drop the rows whose label a classifier of other rows finds least likely.",
        ),
        "mislabel": Row(
            "augtune.curation.mislabel:Mislabel",
            "Give a share of the rows a wrong label on purpose, to study noise.",
        ),
    },
)
