"""Gradient checkpointing: less memory, more time; the layers' inner values are computed again for the gradient."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from augtune.core.errors import InputError
from augtune.model.dropout import MaskSource

__all__ = ["recomputing"]


@contextmanager
def recomputing(encoder: Any, source: MaskSource) -> Iterator[None]:
    """Keep only what goes into each layer for as long as the block runs, with the same gradient.

    Args:
        encoder: A bare encoder.
        source: Where dropout masks come from: a layer that is computed again gets the masks it had.

    Raises:
        InputError: If the encoder cannot do so.
    """
    if not getattr(encoder, "supports_gradient_checkpointing", False):
        raise InputError(
            f"encoder of type {encoder.config.model_type!r}: it does not support gradient checkpointing.",
            hint="Leave train.gradient_checkpointing out; train.micro_batch_size saves memory with any encoder.",
        )

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _again(source)

    # Newer transformers call it activation checkpointing.
    new = hasattr(encoder, "activation_checkpointing_enable")
    word = "activation" if new else "gradient"
    options = {f"{word}_checkpointing_kwargs": {"use_reentrant": False, "context_fn": contexts}}
    getattr(encoder, f"{word}_checkpointing_enable")(**options)
    # A cache of keys and values is for writing texts; some encoders have it on and would complain.
    cached = getattr(encoder.config, "use_cache", None)
    if cached:
        encoder.config.use_cache = False
    # Asked for by a way of checkpointing that is not used here; it would carry gradients through frozen layers.
    encoder.disable_input_require_grads()
    try:
        yield
    finally:
        getattr(encoder, f"{word}_checkpointing_disable")()
        if cached:
            encoder.config.use_cache = cached


def _again(source: MaskSource) -> AbstractContextManager[None]:
    """Return a context in which masks are those that follow now; afterwards the stream stands where it stood."""
    start = source.state

    @contextmanager
    def block() -> Iterator[None]:
        now = source.state
        source.state = start
        try:
            yield
        finally:
            source.state = now

    return block()
