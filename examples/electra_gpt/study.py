"""The published study's files, read: gold labels, predictions of 28 experiments, and what its authors report.

Numbers that are in no file of the data pack (tokens billed, hours, prices) stand here as constants with their source.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import augtune as at
from augtune.core.files import read_json, read_jsonl
from augtune.evaluation.cost import Bill, Item, Machine, token_usd

LABELS = at.Labels(("negative", "neutral", "positive"))
# source column, section of metrics.json, prefix in the published table
PARTS = (
    ("", "merged_local", "merged"),
    ("dynasent_r1", "dynasent_r1", "dyn1"),
    ("dynasent_r2", "dynasent_r2", "dyn2"),
    ("sst_local", "sst_local", "sst"),
)

# The article's own ids of the experiments that files name otherwise.
PAPER = {
    "B1-EB": "B1", "B2-EL": "B2", "B3-G4OM": "B3", "B4-G4O": "B4", "E1-EBFT": "E1", "E2-ELFT": "E2",
    "E3-G4OM-EBFT": "E3", "E13-G4OM-ELFT": "E4", "E15-G4OM-ELFT-EX": "E5", "E19-G4OM-ELFT-BEX": "E6",
    "E16-G4OM-ELFT-PR": "E7", "E17-G4OM-ELFT-PR2": "E8", "E18-G4OM-ELFT-EX-PR2": "E9", "E4-G4OMFT": "E10",
    "E11-G4OMFT-M": "E12", "E5-G4OMFT-EBFT-P": "E13", "E6-G4OMFT-EBFT-FT": "E14", "E7-G4O-ELFT": "E19",
    "E20-G4O-ELFT-EX": "E20", "E21-G4O-ELFT-BEX": "E21", "E22-G4O-ELFT-PR": "E22", "E23-G4O-ELFT-PR2": "E23",
    "E24-G4O-ELFT-EX-PR2": "E24", "E8-G4OFT": "E25", "E12-G4OFT-M": "E26", "E9-G4OFT-ELFT-P": "E27",
    "E10-G4OFT-ELFT-FT": "E28", "E14-G4OMFT-ELFT-P-M": "-",
}  # fmt: skip

# Tokens billed for one epoch over 102,097 rows, by the prompt of the fine-tuning data (the article's table 10).
TRAINED_TOKENS = {"minimal": 5_534_849, "prompt": 11_049_720, "label": 13_193_757}
TRAINING_ROWS = 102_097
TUNING_PRICE = {"mini": 3.00, "4o": 25.00}  # $/million tokens, autumn 2024
# $/million tokens in and out, autumn 2024; fine-tuned models cost more
ASKING_PRICE = {"mini": (0.15, 0.60), "4o": (2.50, 10.00), "mini tuned": (0.30, 1.20), "4o tuned": (3.75, 15.00)}
TOKENS_OUT = 3  # a label and the end of the turn

V100, A100 = Machine("8 x V100", 4.40), Machine("8 x A100", 10.32)
# Training up to the epoch in use: dollars as published, seconds. Hours times rate give the same for Base, and 53.21
# for Large: the rate was published with its last digit cut off.
ENCODERS: Mapping[str, Item] = {
    "Base": Item("training the encoder", 9.73, seconds=7_964),
    "Large": Item("training the encoder", 53.26, seconds=18_563),
}
MACHINES: Mapping[str, Machine] = {"Base": V100, "Large": A100}
HEADS_ONLY = {"B1-EB": 0.65, "B2-EL": 2.51}
# Three passes of Large over the 6,530 test texts took 7 min 19 s; Base is taken as faster by the ratio of its epochs.
PASS_SECONDS = {"Large": 439 / 3, "Base": 439 / 3 * 568 / 1427}
EXAMPLES_SHOWN = {"EX": 5, "BEX": 6}
PROBABILITY_TOKENS = 45  # three lines of a name and a percentage
CHARACTERS_PER_TOKEN = 4


def data_folder() -> Path:
    """Return the folder of the data pack: ``AUGTUNE_DATA``, or ``shared/data`` beside the project."""
    folder = Path(os.environ.get("AUGTUNE_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
    if not (folder / "electra_gpt_results" / "card.json").is_file():
        sys.exit(f"error: the study's files are not at {folder}; set AUGTUNE_DATA to the folder that holds them.")
    return folder


@dataclass(frozen=True)
class Experiment:
    """One published experiment.

    Args:
        id: Name of its files.
        rows: Its rows as the file has them.
        predictions: What it predicted.
        table: Its row in the published table; empty if it has none.
        metrics: Its published report; empty if it has none.
    """

    id: str
    rows: list[dict[str, Any]]
    predictions: at.Predictions
    table: Mapping[str, str]
    metrics: Mapping[str, Any]

    @property
    def encoder(self) -> str | None:
        """The encoder whose output the prompt shows, or which is the experiment: Base or Large."""
        for mark, name in (("EBFT", "Base"), ("ELFT", "Large")):
            if mark in self.id:
                return name
        return None

    @functools.cached_property
    def electra(self) -> at.Predictions | None:
        """What the encoder behind the prompt predicted, with its probabilities where the file has them."""
        if "electra_pred" not in self.rows[0]:
            return None
        if "electra_probs" in self.rows[0]:
            table = np.array([row["electra_probs"] for row in self.rows])
            return at.Predictions(self.predictions.ids, table, LABELS, f"encoder inside {self.id}")
        rows = [{"id": str(row["index"]), "predicted": row["electra_pred"]} for row in self.rows]
        return at.Predictions.from_rows(rows, LABELS, made_by=f"encoder inside {self.id}")

    @property
    def published_bill(self) -> Bill:
        """What the authors count: tokens of fine-tuning and hours of training the encoder."""
        items = []
        if self.id in HEADS_ONLY:
            items.append(Item("training the head", HEADS_ONLY[self.id]))
        if self.encoder is not None:
            items.append(ENCODERS[self.encoder])
        if self.tuned is not None:
            items.append(Item("fine-tuning the LLM", token_usd(TRAINED_TOKENS[self.tuned], TUNING_PRICE[self.size])))
        return Bill(tuple(items))

    @property
    def size(self) -> str:
        """Which LLM: mini or 4o; empty for an encoder alone."""
        return "mini" if "G4OM" in self.id else "4o" if "G4O" in self.id else ""

    @property
    def tuned(self) -> str | None:
        """The prompt of its fine-tuning data, None for an LLM as it comes."""
        if "FT" not in self.id.split("-")[1] or not self.size:
            return None
        if self.id.endswith("-M"):
            return "minimal"
        return "label" if self.id.endswith("-FT") else "prompt"

    def running_bill(self, example_tokens: float) -> Bill:
        """Return an estimate of what the table leaves out: the calls, and the encoder's pass over the test texts.

        Args:
            example_tokens: Tokens of one labelled example in a prompt.
        """
        rows, items = len(self.rows), []
        read = "Base" if "-EB" in self.id else "Large" if "-EL" in self.id else None
        if read is not None:
            items.append(Item.of_time("encoder's pass", PASS_SECONDS[read], MACHINES[read], "running"))
        if self.size:
            price_in, price_out = ASKING_PRICE[self.size + (" tuned" if self.tuned else "")]
            tokens_in = rows * self._prompt_tokens(example_tokens)
            usd = token_usd(tokens_in, price_in) + token_usd(rows * TOKENS_OUT, price_out)
            items.append(Item("asking", usd, "running"))
        return Bill(tuple(items), rows)

    def _prompt_tokens(self, example_tokens: float) -> float:
        marks = self.id.split("-")[2:]
        form = "minimal" if self.tuned == "minimal" else "label" if self.encoder is not None else "prompt"
        tokens = TRAINED_TOKENS[form] / TRAINING_ROWS
        tokens += sum(EXAMPLES_SHOWN.get(mark, 0) for mark in marks) * example_tokens
        return tokens + (PROBABILITY_TOKENS if {"PR", "PR2"} & set(marks) else 0)


@dataclass(frozen=True)
class Study:
    """Everything in the pack about the study.

    Args:
        test: The 6,530 test rows.
        parts: The same by the source of the text; ``""`` is all of them.
        experiments: By the name of their files.
        validation: The 5,421 validation rows.
        validation_large: What round 1 of Large predicted of them.
    """

    test: at.HumanDataset
    parts: Mapping[str, at.HumanDataset]
    experiments: Mapping[str, Experiment]
    validation: at.HumanDataset
    validation_large: at.Predictions

    def __getitem__(self, name: str) -> Experiment:
        return self.experiments[name]


def read_study(data: Path) -> Study:
    """Return the study as the data pack holds it."""
    results = data / "electra_gpt_results"
    test, sources = _human(data / "merged_sentiment" / "test.jsonl")
    parts = {name: test.take(np.flatnonzero(sources == name)) if name else test for name, _, _ in PARTS}
    found = {}
    for card in read_json(results / "card.json")["experiments"]:
        rows = read_jsonl(results / card["file"])
        if [row["true"] for row in rows] != list(test.label_names):
            sys.exit(f"error: {card['file']}: its gold labels are not those of the test set.")
        own = [{"id": str(row["index"]), "predicted": row["pred"]} for row in rows]
        made = at.Predictions.from_rows(own, LABELS, made_by=card["id"])
        metrics = read_json(results / card["metrics_file"]) if card.get("metrics_file") else {}
        found[card["id"]] = Experiment(card["id"], rows, made, card.get("published_table_row") or {}, metrics)
    validation, _ = _human(data / "merged_sentiment" / "validation.jsonl")
    rows = read_jsonl(results / "val_electra.jsonl")
    table = np.array([row["electra_large_probs"] for row in rows])
    large = at.Predictions(tuple(str(row["index"]) for row in rows), table, LABELS, "Large, round 1")
    return Study(test, parts, found, validation, large)


def _human(path: Path) -> tuple[at.HumanDataset, np.ndarray]:
    rows = read_jsonl(path)
    examples = [at.Example(str(row["index"]), row["text"], row["label"]) for row in rows]
    return at.HumanDataset.from_examples(examples, LABELS, name=path.stem), np.array([row["source"] for row in rows])
