"""API keys: read from the environment or from ``.env`` when a call is made, and kept out of everything else."""

from __future__ import annotations

import os
from pathlib import Path

from augtune.core.errors import InputError

__all__ = ["find_key", "read_key"]


def find_key(name: str) -> str | None:
    """Return the value of an environment variable or, if there is none, of that line of ``.env`` in this folder."""
    value = os.environ.get(name) or _dotenv(Path(".env")).get(name)
    return value.strip() or None if value else None


def read_key(name: str) -> str:
    """Return the key of that name.

    Raises:
        InputError: If there is none, or it is no key; what it is, is not shown.
    """
    key = find_key(name)
    if key is None:
        raise InputError(
            f"{name} is not set; it has to hold the API key.",
            hint=f"export {name}=... or put that line into a file .env in this folder, and .env into .gitignore.",
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise InputError(f"{name} holds no usable API key: it has spaces or characters that no key has.")
    return key


def _dotenv(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            found[name.strip()] = value.strip().strip("'\"")
    return found
