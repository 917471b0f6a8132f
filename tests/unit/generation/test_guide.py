"""The guide's blocks are right: every YAML block parses, the Python block prints what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from augtune.generation import GENERATORS

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "how-to" / "generators.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize("block", [block for block in blocks("yaml") if "generate:" in block])
def test_generators_in_the_guide_are_valid(block):
    given = YAML(typ="safe").load(block)["generate"]
    for value in given if isinstance(given, list) else [given]:
        assert GENERATORS.parse(value, where="generate").kind == value["kind"]


def test_the_python_block_prints_what_it_says(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    [block] = blocks("python")
    exec(compile(block, "generators.md", "exec"), {})
    said = [line.partition("   # ")[2] for line in block.splitlines() if "   # " in line]
    assert capsys.readouterr().out.splitlines() == said


def test_every_generator_is_in_the_guide():
    for name in GENERATORS:
        assert f"| `{name}` |" in GUIDE
