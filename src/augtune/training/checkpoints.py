"""Checkpoints: where a training stands, in files that are whole or absent, so that a killed one carries on exactly.

A checkpoint is two files: ``.safetensors`` with all tensors and, written last, ``.json`` with everything else, the size
and hash of the first, and the stamp of the training it belongs to. Nothing is pickled. A checkpoint that is damaged or
cut off is passed over for the one before it, and one of another training is not used; both are said.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from augtune.core.errors import DataError, StorageError
from augtune.core.files import atomic_path, read_json, system_errors, write_json
from augtune.core.fingerprint import fingerprint
from augtune.training.team import pack, unpack

__all__ = ["Checkpoint", "CheckpointFolder", "differences", "remove_checkpoints"]

FORMAT = 1
Parts = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a training stands after a step.

    Args:
        step: Steps taken, over all stages.
        parts: By part of the training a flat mapping of tensors and plain JSON values.
    """

    step: int
    parts: Parts

    def to_bytes(self) -> bytes:
        """Return it as bytes, to be handed to another process."""
        tensors, values = _split(self.parts)
        return pack(tensors, [self.step, values])

    @classmethod
    def from_bytes(cls, content: bytes) -> Checkpoint:
        """Return the checkpoint that ``to_bytes`` gave."""
        tensors, (step, values) = unpack(content)
        return cls(step, _joined(tensors, values))


class CheckpointFolder:
    """The checkpoints of one training.

    Args:
        folder: Where they are; other trainings' may be there too.
        stamp: Everything the training's result depends on, as JSON: two trainings of one stamp are the same.
        keep: How many to keep; older ones are removed when a newer is whole.
        tell: Called with a sentence about what is found.
    """

    def __init__(self, folder: Path, stamp: Mapping[str, Any], *, keep: int, tell: Callable[[str], None]) -> None:
        self.folder = folder
        self._stamp = json.loads(json.dumps(stamp))
        self._name = fingerprint(self._stamp, length=8)
        self._keep = keep
        self._tell = tell
        for part in folder.glob(".*.part"):
            part.unlink(missing_ok=True)

    def write(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint and remove those there are too many of.

        Raises:
            StorageError: If it cannot be written; the ones before are as they were.
        """
        path = self.folder / f"{self._name}-step-{checkpoint.step:08d}.json"
        tensors, values = _split(checkpoint.parts)
        data = path.with_suffix(".safetensors")
        try:
            with atomic_path(data) as part, system_errors():
                save_file(tensors, part)
        except SafetensorError as error:
            raise StorageError(f"{data}: cannot be written: {error}") from error
        about = {"format": FORMAT, "stamp": self._stamp, "step": checkpoint.step, "values": values, "data": _seal(data)}
        write_json(path, {**about, "digest": fingerprint(about)})
        for old in self._own()[self._keep :]:
            _remove(old)

    def newest(self) -> Checkpoint | None:
        """Return the newest checkpoint that is whole, or None; what is passed over is told, with the reason."""
        own = self._own()
        for path in own:
            try:
                return _read(path)
            except (DataError, StorageError) as error:
                self._tell(f"{path}: the checkpoint is damaged and is not used: {error.message}")
                _remove(path)
        foreign = None if own else self._foreign()
        if foreign is not None:
            self._tell(foreign)
        return None

    def _own(self) -> list[Path]:
        """Return the training's checkpoints, newest first."""
        return sorted(self.folder.glob(f"{self._name}-step-*.json"), reverse=True)

    def _foreign(self) -> str | None:
        """Return what to say of checkpoints that belong to another training, or None if there are none."""
        for path in sorted(self.folder.glob("*-step-*.json"), reverse=True):
            try:
                stamp = read_json(path)["stamp"]
            except (DataError, KeyError, TypeError):
                continue
            other = ", ".join(differences(self._stamp, stamp))
            return (
                f"{path}: a checkpoint of another training (it differs in {other}) is not used; it is removed when "
                "this training is saved."
            )
        return None


def differences(stamp: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of what differs between two stamps; of settings, each key."""
    for name in dict.fromkeys([*stamp, *other]):
        mine, its = stamp.get(name), other.get(name)
        if mine == its:
            continue
        if isinstance(mine, Mapping) and isinstance(its, Mapping):
            yield from (f"{name}.{key}" for key in dict.fromkeys([*mine, *its]) if mine.get(key) != its.get(key))
        else:
            yield name


def remove_checkpoints(folder: Path) -> None:
    """Remove a folder of checkpoints, whole or not; one that holds anything else keeps that."""
    for path in [*folder.glob("*-step-*.json"), *folder.glob("*-step-*.safetensors"), *folder.glob(".*.part")]:
        path.unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        shutil.rmtree(folder)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_suffix(".safetensors").unlink(missing_ok=True)


def _split(parts: Parts) -> tuple[dict[str, torch.Tensor], dict[str, dict[str, Any]]]:
    """Return the tensors by ``part/name``, each with memory of its own, and the rest by part."""
    tensors: dict[str, torch.Tensor] = {}
    values: dict[str, dict[str, Any]] = {}
    seen: set[int] = set()
    for part, state in parts.items():
        values[part] = {name: _plain(value) for name, value in state.items() if not isinstance(value, torch.Tensor)}
        for name, value in state.items():
            if isinstance(value, torch.Tensor):
                tensor = value.detach().cpu().contiguous()
                address = tensor.untyped_storage().data_ptr()
                tensors[f"{part}/{name}"] = tensor.clone() if address in seen else tensor
                seen.add(address)
    return tensors, values


def _plain(value: Any) -> Any:
    """Return a value as JSON has it, which knows no infinite number: ``{"float": "-inf"}``."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return {"float": str(value)} if isinstance(value, float) and not math.isfinite(value) else value


def _from_plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_plain(one) for one in value]
    return float(value["float"]) if isinstance(value, dict) and value.keys() == {"float"} else value


def _read(path: Path) -> Checkpoint:
    """Return the checkpoint of a JSON file.

    Raises:
        DataError: If it, or the tensors beside it, are not what was written.
    """
    about = read_json(path)
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise DataError(f"expected format {FORMAT}.")
    digest = about.pop("digest", None)
    if digest != fingerprint(about):
        raise DataError("its content is not what was written.")
    data = path.with_suffix(".safetensors")
    size, sha = about["data"]
    found = data.stat().st_size if data.is_file() else 0
    if found != size:
        raise DataError(f"{data.name} has {found:,} of {size:,} bytes.")
    if _seal(data)[1] != sha:
        raise DataError(f"the content of {data.name} is not what was written.")
    return Checkpoint(about["step"], _joined(load_file(data), about["values"]))


def _joined(tensors: Mapping[str, torch.Tensor], values: Mapping[str, Mapping[str, Any]]) -> Parts:
    """Return the parts that ``_split`` was given."""
    parts = {part: {name: _from_plain(value) for name, value in own.items()} for part, own in values.items()}
    for name, tensor in tensors.items():
        part, _, key = name.partition("/")
        parts[part][key] = tensor
    return parts


def _seal(path: Path) -> list[Any]:
    with path.open("rb") as stream:
        return [path.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest()]
