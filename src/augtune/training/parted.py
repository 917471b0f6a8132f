"""A model in parts: each process keeps a part of every weight, of its gradient and of the optimizer's memory (FSDP2).

A layer's weights are put together just before it is computed, forth and back, and taken apart again. What does that
cannot be taken off a model, so a copy is trained; the model itself stays on the processor and gets its weights at the
end.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from augtune.core.errors import InputError
from augtune.model.encoder import layers_of

if TYPE_CHECKING:
    from augtune.model.classifier import Classifier
    from augtune.model.vocabulary import SmallVocabulary
    from augtune.training.loop import Loop

__all__ = ["as_part", "as_parts", "in_parts", "put_together", "put_together_all"]


@contextmanager
def in_parts(loop: Loop, vocabulary: SmallVocabulary) -> Iterator[None]:
    """Let the loop train a copy of its classifier in parts for as long as the block runs, if that is asked for.

    Where the block ends well, the classifier has the weights that were trained. After an error the other processes may
    not be there to give their parts, and it has those it had.

    Args:
        loop: Of several processes, all of which come here.
        vocabulary: The word table in use, which is then the copy's.
    """
    if not loop.is_parted:
        yield
        return
    whole = loop.classifier
    part = copy.deepcopy(whole)
    _take_apart(part, loop)
    loop.classifier = part
    if vocabulary.table is not None:
        vocabulary.table = part.encoder.get_input_embeddings()
    try:
        yield
        own = whole.state_dict()
        for name, tensor in part.state_dict().items():
            own[name].copy_(put_together(tensor))
    finally:
        loop.classifier = whole


def _take_apart(classifier: Classifier, loop: Loop) -> None:
    """Keep this process's part of every weight, on its device: layer by layer, and the rest in one."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(loop.accelerator.device.type, (loop.team.size,))
    try:
        layers = list(layers_of(classifier.encoder))
    except InputError:  # a layout that is not known, or layers that share their weights
        layers = []
        loop.note("sharding: the encoder's layers cannot be told apart; its weights are put together all at once.")
    for module in (*layers, classifier):
        fully_shard(module, mesh=mesh, reshard_after_forward=True)


def put_together(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor whole, of which each process has a part; all have to call it. Any other comes back as it is."""
    full = getattr(tensor, "full_tensor", None)
    whole: torch.Tensor = tensor if full is None else full()
    return whole


def put_together_all(values: Mapping[str, Any], *, keep: bool) -> dict[str, Any]:
    """Return values whose tensors are whole, on the processor if they were in parts; all processes have to call it.

    Args:
        values: Tensors, in parts or not, and others, in the same order in all processes.
        keep: False returns nothing: for a process that takes part for the sake of the others.
    """
    found = {}
    for name, value in values.items():
        is_part = hasattr(value, "full_tensor")
        whole = put_together(value).cpu() if is_part else value
        if keep:
            found[name] = whole
    return found


def as_part(whole: torch.Tensor, like: Any) -> torch.Tensor:
    """Return this process's part of a tensor, taken apart as ``like`` is; the tensor itself if that is not in parts."""
    if not hasattr(like, "full_tensor") or whole.shape != like.shape:
        return whole
    from torch.distributed.tensor import distribute_tensor

    # Every process has the whole; nothing has to be sent.
    return distribute_tensor(whole.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def as_parts(tensors: Mapping[str, torch.Tensor], like: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return every tensor as the one of its name in ``like`` is: in parts or whole."""
    return {name: as_part(tensor, like.get(name)) for name, tensor in tensors.items()}
