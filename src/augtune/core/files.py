"""Files that are either whole or absent: written beside their place, synced, then renamed onto it."""

from __future__ import annotations

import errno
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from augtune.core.errors import AugtuneError, DataError, StorageError
from augtune.core.json_text import decoded

__all__ = [
    "append_jsonl",
    "atomic_path",
    "atomic_write",
    "cut_tail",
    "each_jsonl",
    "make_folder",
    "read_json",
    "read_jsonl",
    "read_text",
    "sync",
    "system_errors",
    "text_lines",
    "write_json",
    "write_jsonl",
]


HINT = "Free some space or choose another folder, then run the same command again; nothing was lost."
# What a file system answers that cannot sync a folder, or takes no folder to be read.
CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EISDIR}


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

    Its content is on disk before it has the name, and its name is on disk before this returns: what is written after
    it, such as the stamp of a stage, is never there without it, also when the power fails.

    Raises:
        StorageError: If the system cannot write it (disk full, no permission); ``path`` is as it was before.
    """
    name: str | None = None
    try:
        make_folder(path.parent)
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
        os.close(handle)
        yield Path(name)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        sync(name)
        os.replace(name, path)
        sync(path.parent)
    except OSError as error:
        _remove(name)
        raise StorageError(f"{path}: cannot be written: {error.strerror or error}", hint=HINT) from error
    except BaseException:
        _remove(name)
        raise


def sync(path: Path | str) -> None:
    """Return once a file's content, or the list of names in a folder, is on the disk.

    Raises:
        OSError: If it cannot be put there. A file system that cannot sync folders at all is taken as it is.
    """
    is_folder = os.path.isdir(path)
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if not (is_folder and error.errno in CANNOT_SYNC):
            raise


@contextmanager
def system_errors() -> Iterator[None]:
    """Raise as an OSError what libraries written in Rust tell in words only: ``... (os error 28)``.

    tokenizers raises a bare ``Exception`` where the disk is full, safetensors one of its own.
    """
    try:
        yield
    except Exception as error:
        number = None if isinstance(error, OSError | AugtuneError) else re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, and have each of their names on the disk.

    Raises:
        OSError: If it cannot be made.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync(path.parent)


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
    """Append one JSON object as one line, whole or not at all.

    Raises:
        StorageError: If the system cannot write it; what a full disk took of the line is taken away again.
    """
    line = json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            _append(handle, line.encode())
        finally:
            os.close(handle)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror or error}", hint=HINT) from error


def _append(handle: int, line: bytes) -> None:
    """Write all of a line; a disk that fills up takes a part of it first and refuses the rest."""
    before, rest = os.fstat(handle).st_size, line
    try:
        while rest:
            rest = rest[os.write(handle, rest) :]
    except OSError:
        os.ftruncate(handle, before)
        raise


def cut_tail(path: Path) -> None:
    """Take away a last line without an end, which a process left that was killed while it wrote; others stay.

    Raises:
        StorageError: If the file is there and cannot be written.
    """
    try:
        with path.open("r+b") as stream:
            end = place = stream.seek(0, os.SEEK_END)
            newline = -1
            while place > 0 and newline < 0:
                start = max(0, place - (1 << 16))
                stream.seek(start)
                newline = stream.read(place - start).rfind(b"\n")
                place = start
            whole = place + newline + 1
            if whole < end:
                stream.truncate(whole)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror or error}", hint=HINT) from error


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
        raise _not_utf8(path, line, error, 0) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a path with a NUL character
        raise DataError(f"{str(path)!r}: cannot be read: {error}.") from error


def text_lines(path: Path) -> Iterator[str]:
    """Yield a file's lines, ends and all, one at a time; raises like ``read_text``, once it gets there."""
    offset = 0
    try:
        with path.open("rb") as stream:
            for number, raw in enumerate(stream, start=1):
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise _not_utf8(path, number, error, offset) from error
                offset += len(raw)
                yield line
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file.") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a path with a NUL character
        raise DataError(f"{str(path)!r}: cannot be read: {error}.") from error


def _not_utf8(path: Path, line: int, error: UnicodeDecodeError, offset: int) -> DataError:
    return DataError(
        f"{path}: line {line}: not UTF-8 (byte 0x{error.object[error.start]:02x} at offset {offset + error.start}).",
        hint=f"Convert it, e.g. iconv -f LATIN1 -t UTF-8 {path.name} > {path.stem}.utf8{path.suffix}",
    )


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
    return list(each_jsonl(path, lenient_tail=lenient_tail))


def each_jsonl(path: Path, *, lenient_tail: bool = False) -> Iterator[Any]:
    """Yield the values of a JSON-lines file one at a time; see ``read_jsonl``."""
    for number, line in enumerate(text_lines(path), start=1):
        if not line.strip():
            continue
        try:
            yield decoded(line.removesuffix("\n"))
        except json.JSONDecodeError as error:
            if lenient_tail and not line.endswith("\n"):
                break
            raise DataError(f"{path}: line {number}: not JSON: {error.msg}") from error
