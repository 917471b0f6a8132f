"""What a terminal would obey instead of showing it, shown: texts that others wrote may hold anything."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

__all__ = ["plainly_shown", "visible"]

# Control characters but tab and line end, and the marks that turn the direction of reading.
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    r"""Return a text with control characters written out.

    >>> visible("red \x1b[31m")
    'red \\x1b[31m'
    """
    return OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)


class _Shown:
    """A stream to a terminal that writes control characters out."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text."""
        self._stream.write(visible(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def plainly_shown() -> Iterator[None]:
    """Have what the block prints on a terminal shown and not obeyed; files and pipes get it as it is."""
    before = sys.stdout
    if not before.isatty():
        yield
        return
    sys.stdout = _Shown(before)
    try:
        yield
    finally:
        sys.stdout = before
