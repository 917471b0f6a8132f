"""What a run folder holds, without what depends on the clock, so that two runs can be compared to the last byte."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

# What two runs of one experiment may differ in, and why. Nothing else is left out, costs and calls least of all.
CLOCK = {
    "seconds": "how long a training, a search or a step took",
    "train_seconds": "the mean of these over the seeds, in results.json",
    "search_seconds": "a column of results.csv",
    "created": "when details.json was written",
    "datetime_start": "in optuna's journal of a search",
    "datetime_complete": "the same",
    "worker_id": "the same: which process wrote a line",
}
# The same in a sentence of details.json, and where the run folder is, which state.json of a fine-tuning says.
SECONDS = re.compile(r"\d+ s of training")
# Files that say when something happened; they are checked, not compared.
OWN = {"events.jsonl", "report.html", ".lock"}


def contents(folder: Path) -> dict[str, Any]:
    """Return what every file of a run folder says, by its path."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir():
            found[f"{name}/"] = None
        elif name in OWN or name.startswith("cache.sqlite-") or name == "cache.sqlite.senders":
            continue
        else:
            found[name] = _content(path, folder)
    return found


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return the names of files that differ, or that only one of two folders has."""
    return sorted(name for name in {*one, *other} if name not in one or name not in other or one[name] != other[name])


def _content(path: Path, folder: Path) -> Any:
    if path.name == "cache.sqlite":
        return cached(path)
    if path.name == "stamp.json":
        stamp = json.loads(path.read_bytes())
        return {**_timeless(stamp, folder), "files": sorted(stamp["files"])}  # whose content is compared itself
    if path.suffix == ".json":
        return _timeless(json.loads(path.read_bytes()), folder)
    if path.suffix in (".jsonl", ".journal"):
        return [_timeless(json.loads(line), folder) for line in path.read_text(encoding="utf-8").splitlines()]
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as stream:
            return [_timeless(row, folder) for row in csv.DictReader(stream)]
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _timeless(value: Any, folder: Path) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(one, folder) for key, one in value.items() if key not in CLOCK}
    if isinstance(value, str):
        return SECONDS.sub("some s of training", value.replace(str(folder), "RUN"))
    return [_timeless(one, folder) for one in value] if isinstance(value, list) else value


def cached(path: Path) -> dict[str, list[Any]]:
    """Return replies and payments of a cache, and the calls that are on record as out."""
    with closing(sqlite3.connect(path)) as file:
        select = {
            "whole": "PRAGMA integrity_check",
            "replies": "SELECT key, request, reply FROM replies ORDER BY key",
            "payments": "SELECT key, usd, tokens_in, tokens_out FROM payments ORDER BY key",
            "claims": "SELECT key FROM claims",
        }
        return {name: file.execute(query).fetchall() for name, query in select.items()}


def torn(folder: Path) -> Iterator[str]:
    """Yield what is no whole file though it has its name: what a reader would find at any moment of a run.

    Stages without a stamp are no one's to read, nor are files whose name begins with a dot.
    """
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if not path.is_file() or any(part.startswith(".") for part in parts) or path.name == "events.jsonl":
            continue
        if (
            parts[0] == "stages"
            and "checkpoints" not in parts
            and not (folder / parts[0] / parts[1] / "stamp.json").is_file()
        ):
            continue
        try:
            if path.suffix in (".json", ".jsonl"):
                _content(path, folder)
            elif path.suffix == ".html" and not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
                yield str(path)
        except ValueError:
            yield str(path)


def torn_events(folder: Path) -> list[str]:
    """Return the lines of ``events.jsonl`` that are no events."""
    wrong = []
    for line in (folder / "events.jsonl").read_text(encoding="utf-8").split("\n")[:-1]:
        try:
            json.loads(line)["event"]
        except (ValueError, KeyError, TypeError):
            wrong.append(line)
    return wrong
