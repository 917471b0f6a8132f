"""Find the tables of a source: which files of a folder are which split, and which are none."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from augtune.core.errors import DataError
from augtune.data import hub, split_names, tables
from augtune.data.tables import NotATableError, Table

__all__ = ["Source", "read_source"]

LONGEST_PATH = 4096


@dataclass(frozen=True, slots=True)
class Source:
    """The tables of a source by split: train, validation, test, then the others by name.

    Args:
        name: What the source is called in prints.
        tables: Split to table, at least one.
        may_lack_labels: True if a split without any label is left out instead of an error (hub datasets).
    """

    name: str
    tables: Mapping[str, Table]
    may_lack_labels: bool = False


def read_source(source: str | Path) -> Source:
    """Return the tables of a file, a folder or a hub dataset.

    Raises:
        DataError: If there is no such file or folder, a folder has no tables or two for one split, or a file is
            damaged or written by a model.
        InputError: If a hub dataset cannot be loaded.
    """
    if isinstance(source, str) and source.startswith(hub.PREFIX):
        name = hub.parse_name(source)
        short = ":".join([name.path.rstrip("/").split("/")[-1], *([name.config] if name.config else [])])
        return Source(short, _by_split(hub.read_hub(source), source), may_lack_labels=True)
    path = Path(source).expanduser()
    if len(str(path)) > LONGEST_PATH:
        raise DataError(f"{str(path)[:60]}…: a path of {len(str(path)):,} characters names no file.")
    if path.is_dir():
        name_of_folder = path.resolve().name
        if hub.is_saved(path):
            return Source(name_of_folder, _by_split(hub.read_saved(path), str(path)), may_lack_labels=True)
        return Source(name_of_folder, _read_folder(path))
    if not path.exists():
        raise DataError(
            f"{path}: no such file or folder{_nearest(path)}", hint="A dataset of the hub is named hf:owner/name."
        )
    if split_names.is_synthetic(path.stem):
        raise DataError(
            f"{path}: a file of this name holds rows that a model wrote, and only human rows are loaded as data.",
            hint="To train on it use generate: {kind: imported, path: ...}; if people wrote it, rename it.",
        )
    return Source(path.stem, {"train": tables.read(path)})


def _nearest(path: Path) -> str:
    if not path.parent.is_dir():
        return "."
    close = difflib.get_close_matches(path.name, [other.name for other in path.parent.iterdir()], n=1)
    return f"; did you mean {str(path.parent / close[0])!r}?" if close else "."


def _by_split(found: Mapping[str, Table], source: str) -> dict[str, Table]:
    """Return tables under their splits' proper names, main splits first."""
    named: dict[str, Table] = {}
    for name, table in found.items():
        split = split_names.canonical(name)
        if split in named:
            raise DataError(
                f"{source}: two tables are the split {split!r}: {named[split].source} and {table.source}.",
                hint="Remove or rename one of them.",
            )
        if len(table.rows):
            named[split] = table
    if not named:
        raise DataError(f"{source}: has no rows.")
    order = [*[split for split in split_names.MAIN if split in named], *sorted(set(named) - set(split_names.MAIN))]
    return {split: named[split] for split in order}


def _read_folder(folder: Path) -> dict[str, Table]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in tables.EXTENSIONS or path.name.startswith(".") or not path.is_file():
            continue
        if split_names.is_synthetic(path.stem):
            continue
        split = split_names.canonical(path.stem)
        if split in found:
            raise DataError(
                f"{folder}: two files are the split {split!r}: {found[split].name} and {path.name}.",
                hint="Remove or rename one of them.",
            )
        found[split] = path
    read = {split: table for split, path in found.items() if (table := _read_split(split, path)) is not None}
    if not read:
        raise DataError(
            f"{folder}: holds no table; expected train, validation or test as one of: {', '.join(tables.EXTENSIONS)}.",
            hint="Name a file, or a folder with for example train.csv and test.csv; "
            "hf:FOLDER reads one as the hub lays it out.",
        )
    return _by_split(read, str(folder))


def _read_split(split: str, path: Path) -> Table | None:
    """Return a file's table; None for a JSON file beside the splits that is no table, such as a dataset card."""
    try:
        return tables.read(path)
    except NotATableError:
        if split in split_names.MAIN:
            raise
        return None
