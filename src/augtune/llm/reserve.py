"""Room on the disk for replies that are out, set aside before the calls are made that are paid for."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import IO

from augtune.core.errors import StorageError

__all__ = ["ROOM", "Reserve"]

ROOM = 4 << 20
"""Bytes. A short reply takes a page or two of 4 KiB in the file, and as much in its log; by default 32 are out."""


class Reserve:
    """A file without a name that takes up room until it is needed; it is gone with its process, however that ends.

    Args:
        folder: On the disk in question.
        room: Bytes.

    Raises:
        StorageError: If there is no such room, so that nothing is paid for that cannot be kept.
    """

    def __init__(self, folder: Path, room: int = ROOM) -> None:
        self._file: IO[bytes] | None = None
        file = None
        try:
            file = tempfile.TemporaryFile(dir=folder)
            _fill(file, room)
        except OSError as error:
            if file is not None:
                file.close()
            raise StorageError(
                f"{folder}: no room of {room >> 20} MiB for replies: {error.strerror or error}. No call was made.",
                hint="Free some space or name another file in llm.cache, then run the same command again.",
            ) from error
        self._file = file

    def release(self) -> bool:
        """Give the room back, once; return whether there was any."""
        if self._file is None:
            return False
        self._file.close()
        self._file = None
        return True


def _fill(file: IO[bytes], room: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, room)
        return
    for _ in range(0, room, 1 << 16):  # macOS
        file.write(bytes(1 << 16))
    file.flush()
