"""The settings that the training page shows are settings there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from augtune.experiment.document import read
from augtune.model import HEADS
from augtune.training import OPTIMIZERS, RECIPES, SCHEDULES, WEIGHTINGS
from augtune.training.settings import TrainSettings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "training.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n([\s\S]*?)```", PAGE)


def test_there_are_blocks():
    assert len(BLOCKS) == 5


@pytest.mark.parametrize("block", BLOCKS)
def test_block_is_read_whole(block, tmp_path):
    path = tmp_path / "block.yaml"
    path.write_text(block, encoding="utf-8")
    fields = read(path)["train"]
    found = TrainSettings.parse(fields, where="train")
    assert set(fields) <= found.model_fields_set


def test_page_names_every_head_optimizer_schedule_recipe_and_weighting():
    for catalog in (HEADS, OPTIMIZERS, SCHEDULES, RECIPES, WEIGHTINGS):
        for name in catalog:
            assert f"`{name}`" in PAGE, name
