"""Weight files that somebody else wrote: what they are, told from their first bytes, before any library opens them.

Only safetensors files and plain ``torch`` weights are ever read, the latter by ``torch.load(weights_only=True)``. A
pickle can run whatever its author likes, so one that goes by another name is refused here, and nothing of it is run.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from augtune.core.errors import InputError

__all__ = ["check_folder", "reading_quietly", "told", "weights_problem"]

SAFETENSORS = ".safetensors"
# A pickle of protocol 2 or later, and the zip that torch.save writes around one.
PICKLE_MARKS = (b"\x80", b"PK\x03\x04")
LONGEST_HEADER = 100_000_000  # bytes; the limit of the library safetensors
RUNS_CODE = "holds more than weights: it is a pickle that would run code, and it was not run"


@contextmanager
def reading_quietly() -> Iterator[None]:
    """Keep torch's doubts about a pickle's version off the screen for as long as the block runs.

    It has them of a pickle that holds more than weights, which is then refused and says so.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Detected pickle protocol")
        yield


def weights_problem(path: Path) -> str | None:
    """Return what is wrong with a safetensors file, or None; only its header is read.

    Args:
        path: The file.

    >>> weights_problem(Path("no-such.safetensors"))
    'is missing'
    """
    if not path.is_file():
        return "is missing" if not path.exists() else "is no file"
    size = path.stat().st_size
    with path.open("rb") as stream:
        first = stream.read(8)
        length = int.from_bytes(first, "little")
        if len(first) == 8 and 2 <= length <= min(size - 8, LONGEST_HEADER):
            try:
                header = json.loads(stream.read(length))
                ends = [int(entry["data_offsets"][1]) for key, entry in header.items() if key != "__metadata__"]
            except (ValueError, KeyError, TypeError, IndexError, AttributeError):
                return "is no safetensors file"
            return None if 8 + length + max(ends, default=0) == size else "is cut off"
    if first.startswith(PICKLE_MARKS):
        return "is a pickle by the name of a safetensors file; it could run code and was not opened"
    return "is no safetensors file, or is cut off"


def check_folder(folder: Path, *, what: str) -> None:
    """See that every safetensors file of a folder is one.

    Args:
        folder: A model's folder.
        what: What it is, for the message, e.g. ``encoder 'my-encoder'``.

    Raises:
        InputError: If one is not; the message names it.
    """
    for path in sorted(folder.glob(f"*{SAFETENSORS}")):
        problem = weights_problem(path)
        if problem is not None:
            raise InputError(
                f"{what}: {path.name} {problem}.", hint="Get the files again from a source that you trust."
            )


def told(error: Exception) -> str:
    """Return in a few words why a model's files could not be read.

    torch's own advice for a pickle that runs code is to load it all the same; that is left out.
    """
    if type(error).__name__ == "UnpicklingError":
        return f"its weights file {RUNS_CODE}"
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first[:200]}" if first else type(error).__name__
