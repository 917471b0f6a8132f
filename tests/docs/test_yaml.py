"""Every yaml block of the pages is read by the code that reads experiment files; a wrong key or value fails."""

from __future__ import annotations

import pytest

from augtune.core.errors import SettingsError
from augtune.experiment.document import value_of
from augtune.experiment.plan import read_plan
from augtune.experiment.rows import checked_source
from doc_blocks import Block, blocks, pages

BLOCKS = [block for page in pages() for block in blocks(page) if block.language == "yaml"]
LEAST = {
    "name": "page",
    "seeds": [0, 1, 2, 3, 4, 5],
    "llm": {"replay": "replies.jsonl"},
    "arms": {"human only": {"generate": None, "curate": None}, "all": {}},
}
DATA = {"source": ".", "columns": {"text": "message", "label": "intent"}, "validation": "10% of train"}


def whole(block: Block) -> dict:
    """Return a block as an experiment: what it leaves out is that of a small helpdesk experiment."""
    found = value_of(block.text)
    data = found.get("data") or {}
    if "source" not in data:
        data = {**DATA, **data}
    elif data["source"].endswith(".csv"):
        data = {"test": "20% of train", **data}
    return {**LEAST, **found, "data": data}


def test_there_are_blocks():
    assert len(BLOCKS) >= 15


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_block_is_an_experiment_or_part_of_one(block, workplace):
    plan = read_plan(whole(block))
    assert checked_source(plan).of().train


def test_wrong_key_in_a_block_fails(workplace):
    block = Block("page", 1, "yaml", "train: {stesp: 3}\n")
    with pytest.raises(SettingsError, match="stesp: unknown key; did you mean 'steps'"):
        read_plan(whole(block))
