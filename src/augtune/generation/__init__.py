"""Generation: rows that a language model writes from the human rows, or wrote elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augtune.core.catalog import Catalog, Row

if TYPE_CHECKING:
    from augtune.generation.base import Generator

__all__ = ["GENERATORS"]

GENERATORS: Catalog[Generator] = Catalog(
    "generator",
    {
        "gpt3mix": Row(
            "augtune.generation.gpt3mix:Gpt3Mix",
            "Show the model a few rows, have it write a new one and its label, read the label's probabilities.",
        ),
        "rephrase": Row(
            "augtune.generation.rephrase:Rephrase",
            "Have the model reword each row, small classes more often; the label stays.",
        ),
        "fewshot": Row(
            "augtune.generation.conditioned:Fewshot",
            "Have the model write a text of each label after reading some rows of that label.",
        ),
        "zeroshot": Row(
            "augtune.generation.conditioned:Zeroshot",
            "Have the model write a text of each label from the label's name and description alone.",
        ),
        "attributes": Row(
            "augtune.generation.attributes:Attributes",
            "The same with a topic, length, tone ... for each text; the model proposes them, or you do.",
        ),
        "backtranslate": Row(
            "augtune.generation.backtranslate:Backtranslate",
            "Have the model translate each row to another language and back; the label stays.",
        ),
        "eda": Row(
            "augtune.generation.eda:Eda",
            "Insert, swap, delete or replace a few words of each row at random; no model is asked.",
        ),
        "notebook": Row(
            "augtune.generation.notebook:Notebook",
            "gpt3mix as a notebook of 2021 used it: pairs of tweets, a plain list, hard labels.",
        ),
        "imported": Row(
            "augtune.generation.imported:Imported",
            "Take rows from a file that a model wrote elsewhere.",
        ),
    },
)
