"""Weights files of other programs, read to named tensors; of a pickle, weights only, whatever else it holds."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from augtune.core.errors import InputError
from augtune.core.foreign import SAFETENSORS, told, weights_problem
from augtune.core.untrusted import archive_problem

__all__ = ["read_weights"]

PICKLES = (".bin", ".pth", ".pt")
# What training programs put the weights under, beside the optimizer's state and the like.
INSIDE = ("model_state_dict", "state_dict", "model")
# What data-parallel training and torch.compile put before every name.
WRAPPERS = ("module.", "_orig_mod.")


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a file by name, wrappers' prefixes taken off.

    Args:
        path: A ``.safetensors`` file, or one of ``torch.save`` (``.bin``, ``.pth``, ``.pt``), which is read by
            ``torch.load(weights_only=True)``.

    Raises:
        InputError: If it is damaged, holds a pickle that would run code, or holds no weights.
    """
    if path.suffix == SAFETENSORS:
        problem = weights_problem(path)
        if problem is not None:
            raise InputError(f"import: {path} {problem}.", hint="Get the files again from a source that you trust.")
        try:
            return _named(load_file(path), path)
        except SafetensorError as error:
            raise InputError(f"import: {path} cannot be read: {told(error)}.") from error
    if path.suffix not in PICKLES:
        raise InputError(
            f"import: {path}: unknown kind of file {path.suffix!r}; known: {', '.join((SAFETENSORS, *PICKLES))}."
        )
    grown = archive_problem(path)
    if grown is not None:
        raise InputError(f"import: {path} {grown}.", hint="Get the files again from a source that you trust.")
    try:
        with warnings.catch_warnings(action="ignore"):  # of torch's, on what it calls inside; the reading is the same
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what it likes on a damaged file; the cause stays attached
        raise InputError(
            f"import: {path} was not read: {told(error)}.",
            hint="Save the weights alone where you trust the file, as safetensors or by torch.save(model.state_dict(), "
            "FILE).",
        ) from error
    return _named(found, path)


def _named(found: Any, path: Path) -> dict[str, torch.Tensor]:
    if isinstance(found, Mapping):
        inside = next((found[name] for name in INSIDE if isinstance(found.get(name), Mapping)), found)
        weights = {_bare(str(name)): tensor for name, tensor in inside.items() if isinstance(tensor, torch.Tensor)}
        if weights:
            return weights
    raise InputError(f"import: {path}: holds no weights by name.")


def _bare(name: str) -> str:
    for wrapper in WRAPPERS:
        name = name.removeprefix(wrapper)
    return name
