"""API keys: read from the environment or from ``.env`` when a call is made, and kept out of everything else."""

from __future__ import annotations

import base64
import functools
import html
import json
import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

from augtune.core.errors import InputError

__all__ = ["find_key", "hidden", "hidden_in_reply", "holds_secret", "read_key"]

MARK = "[key]"
PART = 12  # characters of a key, in any spelling, that are hidden by themselves: a message may have been cut off
SECRET = re.compile(r"key|token|secret|passw|auth|sig", re.IGNORECASE)
TELLING = 16  # characters from which a key cannot be an ordinary word of a reply


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


def hidden(text: str, key: str) -> str:
    """Return what a provider said without the key, however it is spelt there and however little of it is left.

    Hidden are the key itself and its forms in addresses, headers, JSON, HTML and hexadecimal digits, base64 with
    whatever stands before it included, and of each any ``PART`` characters in a row.

    Args:
        text: What was said; of a long text give the beginning, this takes time.
        key: The key; empty if there is none.
    """
    if not key:
        return text
    for form in _forms(key):
        text = text.replace(form, MARK)
    is_hidden = [False] * len(text)
    for form in _forms(key):
        for start in range(len(form) - PART + 1):
            part, found = form[start : start + PART], -1
            while (found := text.find(part, found + 1)) >= 0:
                is_hidden[found : found + PART] = [True] * PART
    if not any(is_hidden):
        return text
    marked = zip([False, *is_hidden], is_hidden, text, strict=False)
    return "".join(letter if not now else "" if before else MARK for before, now, letter in marked)


def hidden_in_reply(text: str, key: str) -> str:
    """Return a reply without the key, which a server that repeats headers may have put there."""
    return text.replace(key, MARK) if len(key) >= TELLING else text


def holds_secret(address: str) -> bool:
    """Return whether an address holds a password or a key: addresses are shown, and kept with every reply.

    A name before the host counts: alone there, it is a token as a rule.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return "@" in parts.netloc or any(SECRET.search(name) for name, _ in parse_qsl(parts.query))


@functools.lru_cache(maxsize=8)
def _forms(key: str) -> tuple[str, ...]:
    """Return the spellings of a key, longest first."""
    content = key.encode()
    spelt = {key, quote(key, safe=""), quote_plus(key), json.dumps(key)[1:-1], html.escape(key), content.hex()}
    for before in range(3):
        # Three bytes make four letters: of each way the bytes can fall, the letters that are the key's alone.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            letters = encode(b"\0" * before + content).decode().rstrip("=")
            first, last = -(-before * 8 // 6), (before + len(content)) * 8 // 6
            spelt.add(letters[first:last])
    return tuple(sorted((form for form in spelt if len(form) >= min(len(key), PART)), key=len, reverse=True))


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
