"""The generators' prompts: files of ``prompts/``."""

from __future__ import annotations

import functools
from pathlib import Path

from augtune.core.prompts import Prompt, folded, listed, read

__all__ = ["Prompt", "folded", "listed", "load"]

FOLDER = Path(__file__).parent / "prompts"


@functools.cache
def load(name: str, folder: Path = FOLDER) -> Prompt:
    """Return the prompt in ``<name>.jinja2``.

    Args:
        name: The file's name without its ending.
        folder: Where it is; by default the prompts of the generators.

    Raises:
        InputError: If the file's front matter is not ``id``, ``version`` and ``language``.
    """
    return read(folder / f"{name}.jinja2")
