"""The guide names every generator; its blocks are run by ``tests/docs``."""

from __future__ import annotations

from pathlib import Path

from augtune.generation import GENERATORS

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "generators.md"


def test_every_generator_is_in_the_guide():
    guide = GUIDE.read_text(encoding="utf-8")
    for name in GENERATORS:
        assert f"| `{name}` |" in guide
