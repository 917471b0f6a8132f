"""The code blocks of the README and of the pages under docs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NUMBER = re.compile(r"(?:\\[-+])?[0-9]+(?:[.,][0-9]+)*")
FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block: its page and line, its language and its text, its indentation taken off."""

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """Return the pages that people wrote, as paths from the root; those made from the code are left out."""
    found = [path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")]
    return ["README.md", *sorted(name for name in found if "generated/" not in name and "_build/" not in name)]


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page in their order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        indent, language, body = match.groups()
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(page, line, language, re.sub(f"^{indent}", "", body, flags=re.MULTILINE)))
    return found


def commands(text: str) -> list[str]:
    """Return the commands of an ``sh`` block: comments and empty lines left out, continued lines joined."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def sessions(text: str) -> list[tuple[str, str]]:
    """Return each command of a ``console`` block, continued lines joined, with what it prints."""
    return re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n?)*)", text.replace("\\\n", " "), re.MULTILINE)


def pattern(told: str, *, numbers: bool = True) -> str:
    """Return the expression that output has to match: ``…`` stands for what is left out.

    Args:
        told: What the page says.
        numbers: Whether numbers have to be those of the page.
    """
    parts = [r"(?:.*\n)*" if line.strip() == "…" else _line(line, numbers) for line in told.splitlines()]
    return "".join(parts)


def _line(line: str, numbers: bool) -> str:
    if numbers:
        return re.escape(line.rstrip()).replace("…", ".*") + r"\s*\n"
    words = re.sub(r"[ ─]+", " ", line.strip()).split(" ")
    shown = (NUMBER.sub(r"[-+]?[0-9.,]+(?:e-[0-9]+)?", re.escape(word).replace("\\.", ".")) for word in words)
    return r"\s*" + r"[\s─]+".join(shown).replace("…", ".*") + r"\s*\n"
