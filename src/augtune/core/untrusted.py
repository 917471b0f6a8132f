"""A model's folder that somebody else made: what is out of proportion or leads out of it, told before it is read.

Configurations are small files that say how much memory to take and how many layers to build; the libraries that read
them believe every number. Weights cannot lie about their size, so the numbers are held against them.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from augtune.core.json_text import decoded

__all__ = ["archive_problem", "config_problem", "link_problem"]

CONFIG = "config.json"
LONGEST = 20_000_000  # bytes of a configuration
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf")
MOST = {  # what no model comes near, by the part of a name that tells what it counts
    **dict.fromkeys(("num_hidden_layers", "n_layers", "num_layers", "n_layer"), 1_000),
    **dict.fromkeys(("encoder_layers", "decoder_layers", "num_hidden_groups", "inner_group_num"), 1_000),
    **dict.fromkeys(("num_attention_heads", "n_heads", "n_head", "type_vocab_size", "num_labels"), 1_000_000),
    **dict.fromkeys(("max_position_embeddings", "n_positions"), 2**24),
}
HIDDEN = ("hidden_size", "dim", "d_model", "n_embd")
INNER = ("intermediate_size", "hidden_dim", "d_ff", "n_inner")
BLOCKS = ("num_hidden_groups", "num_hidden_layers", "n_layers", "num_layers", "n_layer")
PER_BYTE = 8  # weights that a byte can hold at most; four bits each are usual, one bit is not unheard of
LEAST = 1 << 20  # bytes of weights below which a model is too small to do harm
GROWTH = 100  # times its size that a file may grow to when it is unpacked


def config_problem(folder: Path, *, weights: int | None = None) -> str | None:
    """Return what is out of proportion in a folder's configuration, or None.

    Args:
        folder: A model's folder; nothing is wrong with one that has no configuration.
        weights: Bytes of the weights it is for; by default of those in the folder, if there are any.
    """
    path = folder / CONFIG
    if not path.is_file():
        return None
    if path.stat().st_size > LONGEST:
        return f"{CONFIG} has more than {LONGEST:,} bytes"
    try:
        config = decoded(path.read_bytes().decode())
    except json.JSONDecodeError as error:
        return f"{CONFIG} is no JSON: {error.msg}"
    except UnicodeDecodeError:
        return f"{CONFIG} is not UTF-8"
    if not isinstance(config, dict):
        return f"{CONFIG} is no JSON object"
    parts = [config, *(part for part in config.values() if isinstance(part, dict))]
    sizes = list(_sizes(folder)) if weights is None else [weights]
    room = PER_BYTE * max(LEAST, sum(sizes)) if sizes else None
    for part in parts:
        for name, most in MOST.items():
            if _number(part, (name,)) > most:
                return f"{CONFIG}: {name} is {part[name]}, and no model has more than {most:,}"
        hidden, blocks = _number(part, HIDDEN), max(_number(part, BLOCKS), 1)
        wanted = (
            _number(part, ("vocab_size",)) * max(_number(part, ("embedding_size",)) or hidden, 1),
            blocks * hidden * max(hidden, _number(part, INNER)),
        )
        if room is not None and max(wanted) > room:
            return f"{CONFIG} speaks of {max(wanted):,} weights, and there are files for {room:,} at most"
    return None


def _number(config: Mapping[str, Any], names: tuple[str, ...]) -> int:
    """Return the first of some numbers that a configuration has, 0 if it has none of them."""
    found = next((config[name] for name in names if name in config), 0)
    return found if isinstance(found, int) and found > 0 else 0


def _sizes(folder: Path) -> Iterator[int]:
    for path in folder.iterdir():
        if path.suffix in WEIGHTS and path.is_file():
            yield path.stat().st_size


def link_problem(folder: Path) -> str | None:
    """Return which file of a folder is a link to somewhere else, or None.

    A vocabulary that is a link to a private file would be read, and saved with every model that is trained on it. The
    hub's own cache, where files are links into a folder ``blobs`` beside the snapshots, is no such case.

    Args:
        folder: A model's folder.
    """
    inside = (folder.resolve(), (folder.resolve().parent.parent / "blobs"))
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and not any(path.resolve().is_relative_to(place) for place in inside):
            return f"{path.relative_to(folder)} is a link that leads out of the folder"
    return None


def archive_problem(path: Path) -> str | None:
    """Return what is wrong with a file of ``torch.save``, which is a zip archive, or None.

    ``torch`` packs nothing, so a file that grows as it is read was made to fill the memory.

    Args:
        path: The file.
    """
    if not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return "is a damaged archive"
    if unpacked > GROWTH * max(path.stat().st_size, LEAST):
        return f"would grow from {path.stat().st_size:,} to {unpacked:,} bytes as it is read, and was not opened"
    return None
