"""How the published ELECTRA classifiers name the weights of their head, and what those are called here.

``classifier.layers`` is a numbered row of modules: a linear layer, an activation and, if its rate is above 0, a dropout
for each hidden layer, then the last linear layer. So with dropout the linear layers of two hidden ones are 0, 3, 6 and
the activations 1, 4; without it 0, 2, 4 and 1, 3. One SwiGLU is used in every hidden layer: a safetensors file has it
once, under either number, a ``.bin`` file may have it under both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from augtune.core.errors import InputError

__all__ = ["ACTIVATIONS", "HeadFound", "find_head"]

# What the configurations call an activation (a class of torch.nn, or their own), and its name here.
ACTIVATIONS = {
    "swishglu": "swiglu", "tanh": "tanh", "relu": "relu", "sigmoid": "sigmoid", "identity": "identity",
    "leakyrelu": "leaky_relu", "gelu": "gelu", "silu": "silu",
    "swiglu": "swiglu", "leaky_relu": "leaky_relu", "swish": "swish",
}  # fmt: skip
NAME = re.compile(r"classifier\.layers\.(\d+)\.(?:(projection)\.)?(weight|bias)")


@dataclass(frozen=True, slots=True)
class HeadFound:
    """A head as its weights show it.

    Args:
        state: The weights by the names they have here.
        names: The names they have in the file.
        layers: Hidden layers.
        width: Their units.
        classes: Outputs.
        has_glu: Whether its activation has weights.
        is_shared: Whether all hidden layers use the same.
        has_dropout: Whether the numbers leave room for dropout.
        notes: What is worth telling.
    """

    state: Mapping[str, torch.Tensor]
    names: frozenset[str]
    layers: int
    width: int
    classes: int
    has_glu: bool
    is_shared: bool
    has_dropout: bool
    notes: tuple[str, ...] = ()


def find_head(weights: Mapping[str, torch.Tensor], *, source: str) -> HeadFound | None:
    """Return the head among the weights of a file, or None if there is none of this kind.

    Args:
        weights: Tensors by name.
        source: The file, for messages.

    Raises:
        InputError: If there is one whose parts do not fit together.
    """
    names = {name: found for name in weights if (found := NAME.fullmatch(name))}
    if not names:
        return None
    linears = sorted({int(found[1]) for found in names.values() if found[2] is None})
    glus = sorted({int(found[1]) for found in names.values() if found[2] is not None})
    layers = len(linears) - 1
    step = linears[1] - linears[0] if layers > 0 else 0
    known = layers > 0 and step in (2, 3) and linears == [k * step for k in range(layers + 1)]
    if not known or not set(glus) <= {k * step + 1 for k in range(layers)}:
        raise InputError(
            f"import: {source}: classifier.layers is numbered in a way that is not known: linear layers "
            f"{linears}, gated ones {glus}; a part may be missing."
        )
    numbers = [
        (f"classifier.layers.{n}", f"hidden.linears.{k}" if k < layers else "out") for k, n in enumerate(linears)
    ]
    shared = _is_shared(weights, glus, layers)
    used = glus[:1] if shared else glus
    if glus and not shared and len(glus) != layers:
        raise InputError(f"import: {source}: {layers} hidden layers have {len(glus)} gated layers that differ.")
    numbers += [(f"classifier.layers.{n}.projection", f"hidden.glus.{k}.projection") for k, n in enumerate(used)]
    lost = [
        f"{theirs}.{part}" for theirs, _ in numbers for part in ("weight", "bias") if f"{theirs}.{part}" not in names
    ]
    if lost:
        raise InputError(f"import: {source}: the head lacks {lost[0]}.")
    state = {
        f"{ours}.{part}": weights[f"{theirs}.{part}"].float() for theirs, ours in numbers for part in ("weight", "bias")
    }
    return HeadFound(
        state=state,
        names=frozenset(names),
        layers=layers,
        width=int(state["hidden.linears.0.weight"].shape[0]),
        classes=int(state["out.weight"].shape[0]),
        has_glu=bool(glus),
        is_shared=shared,
        has_dropout=step == 3,
        notes=_notes(glus, layers, shared),
    )


def _is_shared(weights: Mapping[str, torch.Tensor], glus: list[int], layers: int) -> bool:
    """Return whether one gated layer serves all: fewer than hidden layers are stored, or all that are are equal."""
    if not glus:
        return False
    if len(glus) == 1:
        return True
    first = f"classifier.layers.{glus[0]}.projection"
    return all(
        torch.equal(weights[f"{first}.{part}"], weights[f"classifier.layers.{n}.projection.{part}"])
        for n in glus[1:]
        for part in ("weight", "bias")
        if f"{first}.{part}" in weights and f"classifier.layers.{n}.projection.{part}" in weights
    )


def _notes(glus: list[int], layers: int, shared: bool) -> tuple[str, ...]:
    if not glus:
        return ()
    stored = " and ".join(f"layers.{n}" for n in glus)
    times = "once" if len(glus) == 1 else f"{len(glus)} times, all equal"
    told = f"gated layer: stored {times}, as {stored}; used in each of {layers} hidden layers"
    return (told if shared else f"gated layers: {stored} differ; each is used in its own hidden layer",)
