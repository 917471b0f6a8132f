"""Files that are either whole or absent: written beside their place, synced, then renamed onto it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from augtune.core.errors import DataError, StorageError
from augtune.core.json_text import decoded

__all__ = [
    "append_jsonl",
    "atomic_path",
    "atomic_write",
    "read_json",
    "read_jsonl",
    "read_text",
    "write_json",
    "write_jsonl",
]


@contextmanager
def atomic_write(path: Path, *, binary: bool = False) -> Iterator[IO[Any]]:
    """Open a file for writing that replaces ``path`` only once it is complete and on disk.

    Raises:
        StorageError: If the system cannot write it (disk full, no permission); ``path`` is as it was before.
    """
    with atomic_path(path) as part:
        stream: IO[Any]
        stream = part.open("wb") if binary else part.open("w", encoding="utf-8", newline="\n")
        with stream:
            yield stream


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Name a file beside ``path``, to be written by whatever the block calls; it then replaces ``path``, synced.

    Raises:
        StorageError: If the system cannot write it (disk full, no permission); ``path`` is as it was before.
    """
    name: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
        os.close(handle)
        yield Path(name)
        _sync(name)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except OSError as error:
        _remove(name)
        raise StorageError(
            f"{path}: cannot be written: {error.strerror or error}",
            hint="Free some space or choose another folder, then run the same command again; nothing was lost.",
        ) from error
    except BaseException:
        _remove(name)
        raise


def _sync(name: str) -> None:
    handle = os.open(name, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(name: str | None) -> None:
    if name is not None and os.path.exists(name):
        os.unlink(name)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically."""
    with atomic_write(path) as stream:
        json.dump(value, stream, indent=2, ensure_ascii=False, allow_nan=False)
        stream.write("\n")


def write_jsonl(path: Path, values: Iterable[Any]) -> None:
    """Write one JSON object per line, atomically."""
    with atomic_write(path) as stream:
        for value in values:
            stream.write(json.dumps(value, ensure_ascii=False, allow_nan=False))
            stream.write("\n")


def append_jsonl(path: Path, value: Any) -> None:
    """Append one JSON object as one line in a single system call."""
    line = json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        DataError: If it is missing, unreadable or not UTF-8 (with the byte's place).
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file.") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}: line {line}: not UTF-8 (byte 0x{error.object[error.start]:02x} at offset {error.start}).",
            hint=f"Convert it, e.g. iconv -f LATIN1 -t UTF-8 {path.name} > {path.stem}.utf8{path.suffix}",
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a path with a NUL character
        raise DataError(f"{str(path)!r}: cannot be read: {error}.") from error


def read_json(path: Path) -> Any:
    """Return the value a JSON file holds; a damaged file is a DataError with its place."""
    try:
        return decoded(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: line {error.lineno}: not JSON: {error.msg}") from error


def read_jsonl(path: Path, *, lenient_tail: bool = False) -> list[Any]:
    """Return the values of a JSON-lines file; blank lines are skipped.

    Args:
        path: The file.
        lenient_tail: Ignore a last line that was cut off in mid-write (append-only logs).
    """
    values = []
    lines = read_text(path).split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            values.append(decoded(line))
        except json.JSONDecodeError as error:
            if lenient_tail and number == len(lines):
                break
            raise DataError(f"{path}: line {number}: not JSON: {error.msg}") from error
    return values
