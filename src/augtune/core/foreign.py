"""Weight files that somebody else wrote: what they are, told from their first bytes, before any library opens them.

Only safetensors files and plain ``torch`` weights are ever read, the latter by ``torch.load(weights_only=True)``. A
pickle can run whatever its author likes, so one that goes by another name is refused here, and nothing of it is run.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augtune.core.errors import InputError
from augtune.core.json_text import decoded
from augtune.core.untrusted import archive_problem, config_problem, link_problem

__all__ = ["check_folder", "reading_quietly", "told", "weights_problem"]

SAFETENSORS = ".safetensors"
# A pickle of protocol 2 or later, and the zip that torch.save writes around one.
PICKLE_MARKS = (b"\x80", b"PK\x03\x04")
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
LARGEST = 2**63
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
            return _header_problem(stream.read(length), size - 8 - length)
    if first.startswith(PICKLE_MARKS):
        return "is a pickle by the name of a safetensors file; it could run code and was not opened"
    return "is no safetensors file, or is cut off"


def _header_problem(header: bytes, data: int) -> str | None:
    """Return what is wrong with a header, or None.

    Its tensors have to lie one behind the other, without overlap or gap, and each be as long as its shape says: what
    the library that reads them asks for too, told here before anything is read.

    Args:
        header: The header.
        data: Bytes that come after it.
    """
    try:
        entries = decoded(header.decode())
        tensors = [_Tensor.of(entry) for key, entry in entries.items() if key != "__metadata__"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return "is no safetensors file"
    if data < max((tensor.end for tensor in tensors), default=0):
        return "is cut off"
    end = 0
    for tensor in sorted(tensors, key=lambda one: (one.start, one.end)):
        if tensor.start != end or tensor.end < tensor.start:
            return "is no safetensors file: its tensors overlap or have gaps between them"
        if tensor.wanted is not None and tensor.end - tensor.start != tensor.wanted:
            return "is no safetensors file: a tensor is not as long as its shape says"
        end = tensor.end
    return None if end == data else "is no safetensors file: there is more in it than its tensors"


@dataclass(frozen=True, slots=True)
class _Tensor:
    """Where a tensor begins and ends, in bytes, and how long its shape says it is; None for a kind not known here."""

    start: int
    end: int
    wanted: int | None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> _Tensor:
        """Return the tensor that an entry of a header describes.

        Raises:
            ValueError, KeyError, TypeError: If it describes none.
        """
        start, end = entry["data_offsets"]
        shape = entry["shape"]
        if not all(type(number) is int and 0 <= number < LARGEST for number in (start, end, *shape)):
            raise ValueError("no sizes")
        size = SIZES.get(entry["dtype"])
        return cls(start, end, None if size is None else size * math.prod(shape))


def check_folder(folder: Path, *, what: str) -> None:
    """See that every safetensors file of a folder is one, that nothing is out of proportion, nothing leads elsewhere.

    Args:
        folder: A model's folder.
        what: What it is, for the message, e.g. ``encoder 'my-encoder'``.

    Raises:
        InputError: If something is; the message names it.
    """
    problem = link_problem(folder) or config_problem(folder)
    for path in sorted(folder.glob(f"*{SAFETENSORS}")):
        found = weights_problem(path)
        problem = problem or (found and f"{path.name} {found}")
    for path in sorted(folder.glob("*.bin")):
        found = archive_problem(path)
        problem = problem or (found and f"{path.name} {found}")
    if problem is not None:
        raise InputError(f"{what}: {problem}.", hint="Get the files again from a source that you trust.")


def told(error: Exception) -> str:
    """Return in a few words why a model's files could not be read.

    torch's own advice for a pickle that runs code is to load it all the same; that is left out.
    """
    if type(error).__name__ == "UnpicklingError":
        return f"its weights file {RUNS_CODE}"
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first[:200]}" if first else type(error).__name__
