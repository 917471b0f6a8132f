"""Read datasets of the Hugging Face hub, and folders that its library ``datasets`` saved, to tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augtune.core.errors import InputError
from augtune.core.extras import need
from augtune.data.tables import Table, from_arrow

__all__ = ["PREFIX", "HubName", "is_saved", "parse_name", "read_hub", "read_saved"]

PREFIX = "hf:"
NAME = re.compile(r"(?P<path>[^:@]+)(?::(?P<config>[^:@]+))?(?:@(?P<revision>[^:@]+))?")
LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class HubName:
    """A dataset of the hub, which of its configurations and which revision; None for the default."""

    path: str
    config: str | None = None
    revision: str | None = None


def parse_name(source: str) -> HubName:
    """Return the dataset that ``hf:owner/name[:config][@revision]`` names.

    Raises:
        InputError: If it is not of that form.
    """
    match = NAME.fullmatch(source.removeprefix(PREFIX))
    if match is None:
        raise InputError(
            f"{source!r}: expected hf:owner/name, hf:owner/name:config or hf:owner/name:config@revision.",
            hint="For example hf:stanfordnlp/sst2 or hf:nyu-mll/glue:sst2@main.",
        )
    return HubName(**match.groupdict())


def read_hub(source: str) -> dict[str, Table]:
    """Return one table per split of a hub dataset.

    Args:
        source: ``hf:owner/name[:config][@revision]``; ``hf:FOLDER`` reads a folder of data files the way the hub would.

    Raises:
        InputError: If it cannot be loaded: no network, no such dataset, configuration or revision, no access.
        ExtraError: If the library ``datasets`` is not installed.
    """
    name = parse_name(source)
    datasets = need("datasets", extra="train", to=f"load '{source}'")
    try:
        loaded = datasets.load_dataset(name.path, name.config, revision=name.revision)
    # The library passes on whatever its network client, its builders and its file readers raise.
    except Exception as error:
        reason = " ".join(str(error).split())
        reason = reason if len(reason) <= LONGEST_REASON else reason[: LONGEST_REASON - 1] + "…"
        raise InputError(
            f"{source}: could not be loaded from the Hugging Face hub ({type(error).__name__}: {reason}).",
            hint="Check the spelling, the configuration, the network and, for a gated dataset, `hf auth login`; "
            "or download its files and name their folder.",
        ) from error
    return _tables(loaded, source)


def is_saved(folder: Path) -> bool:
    """Return whether a folder was written by ``save_to_disk`` of the library ``datasets``."""
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def read_saved(folder: Path) -> dict[str, Table]:
    """Return one table per split of a folder that ``save_to_disk`` wrote; a single dataset is the split ``train``.

    Raises:
        InputError: If the folder is damaged.
        ExtraError: If the library ``datasets`` is not installed.
    """
    datasets = need("datasets", extra="train", to=f"load the saved dataset '{folder}'")
    try:
        loaded = datasets.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: not a readable saved dataset ({type(error).__name__}: {error}).") from error
    return _tables(loaded if isinstance(loaded, Mapping) else {"train": loaded}, str(folder))


def _tables(splits: Mapping[str, Any], source: str) -> dict[str, Table]:
    tables = {}
    for split, dataset in splits.items():
        rows = from_arrow(dataset.with_format("arrow")[:], source=f"{source}/{split}")
        each = {column: getattr(feature, "feature", feature) for column, feature in dataset.features.items()}
        names = {
            column: tuple(feature.names)
            for column, feature in each.items()
            if getattr(feature, "names", None) is not None
        }
        tables[str(split)] = Table(rows.source, rows.rows, None, names)
    return tables
