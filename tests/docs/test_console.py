"""Every console block of the docs is run and prints what the page says; ``…`` stands for what a page leaves out."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCKS = [
    pytest.param(command, told, id=f"{page.relative_to(ROOT)}: {command[:40]}")
    for page in PAGES
    for command, told in re.findall(r"```console\n\$ (.+)\n([\s\S]*?)```", page.read_text(encoding="utf-8"))
]


def pattern(told: str) -> str:
    lines = [
        r"(?:.*\n)*" if line == "…" else re.escape(line).replace("…", ".*") + r"\s*\n" for line in told.splitlines()
    ]
    return "".join(lines)


def test_there_are_blocks():
    assert len(BLOCKS) >= 4


@pytest.mark.parametrize(("command", "told"), BLOCKS)
def test_block_prints_what_the_page_says(command, told, tmp_path):
    for folder in ("helpdesk", "labels"):
        for file in (ROOT / "examples" / folder).iterdir():
            if file.is_file():
                shutil.copy(file, tmp_path)
    program, *arguments = shlex.split(command)
    assert program == "augtune"
    done = subprocess.run(
        [sys.executable, "-m", "augtune", *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={**os.environ, "COLUMNS": "200", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(pattern(told), done.stdout + "\n"), done.stdout
