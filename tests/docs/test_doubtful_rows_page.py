"""The settings that the page on doubtful rows shows are settings there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from augtune.curation.base import parse_steps
from augtune.experiment.document import read
from augtune.model import MIXINGS
from augtune.training.settings import TrainSettings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "doubtful-rows.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n([\s\S]*?)```", PAGE)


def test_there_are_blocks():
    assert len(BLOCKS) == 4


@pytest.mark.parametrize("block", BLOCKS)
def test_block_is_read_whole(block, tmp_path):
    path = tmp_path / "block.yaml"
    path.write_text(block, encoding="utf-8")
    fields = read(path)
    assert set(fields) <= {"train", "curate"}
    if "curate" in fields:
        assert [step.kind for step in parse_steps(fields["curate"])] == ["dedup", "confidence"]
    else:
        assert set(fields["train"]) <= TrainSettings.parse(fields["train"], where="train").model_fields_set


def test_page_names_every_mixing():
    for name in MIXINGS:
        assert f"`{name}`" in PAGE or f"kind: {name}" in PAGE
