"""Compiled layers: torch turns an encoder's layers into fused kernels, or training goes on without."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from augtune.model.classifier import Classifier
from augtune.model.encoder import layers_of

__all__ = ["compiled", "wants_compiling"]

# Compiling takes a minute or so; a training of fewer steps would not win it back.
STEPS_WORTH_IT = 2000
# Rows and tokens of the batch that is tried.
TRIAL = (2, 8)


def wants_compiling(wanted: Literal["auto"] | bool, device: torch.device, steps: int) -> bool:
    """Return whether to compile: as asked, or, where it is left open, on a GPU for a long training.

    Args:
        wanted: ``auto``, True or False.
        device: Where training runs.
        steps: Optimizer steps of the training.
    """
    return wanted if isinstance(wanted, bool) else device.type == "cuda" and steps >= STEPS_WORTH_IT


@contextmanager
def compiled(classifier: Classifier) -> Iterator[str | None]:
    """Compile the encoder's layers for as long as the block runs; gives None, or why that cannot be done here.

    Args:
        classifier: On its device; a small batch is computed with it at once, forth and back.
    """
    layers = list(layers_of(classifier.encoder))
    for layer in layers:
        layer.compile(dynamic=True)
    try:
        why = _trial(classifier)
        if why is not None:
            _undo(layers)
        yield why
    finally:
        _undo(layers)


def _trial(classifier: Classifier) -> str | None:
    """Return what goes wrong with a small batch, in a line; None if nothing does."""
    ones = torch.ones(TRIAL, dtype=torch.long, device=classifier.device)
    classifier.train()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a compiler's doubts about itself; what matters is whether it works
            classifier({"input_ids": ones, "attention_mask": ones}).sum().backward()
    # Whatever compiler is at work, its failures are of many types; without it the same batch is computed all the same.
    except Exception as error:
        lines = str(error).strip().splitlines()
        return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    finally:
        classifier.zero_grad(set_to_none=True)
    return None


def _undo(layers: list[torch.nn.Module]) -> None:
    for layer in layers:
        layer._compiled_call_impl = None
