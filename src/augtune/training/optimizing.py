"""Which parameters a stage's optimizer moves, and how fast each."""

from __future__ import annotations

from typing import Any

from torch import nn

from augtune.model.classifier import Classifier
from augtune.model.encoder import depths

__all__ = ["parameter_groups"]


def parameter_groups(
    classifier: Classifier, *, lr: float, head_lr: float | None, weight_decay: float, layer_decay: float = 1.0
) -> list[dict[str, Any]]:
    """Return the trainable parameters, each in exactly one group: by its learning rate, and decayed or not.

    Biases and normalisation (every parameter of fewer than two dimensions) are not decayed.

    Args:
        classifier: Its ``requires_grad`` says what is trained.
        lr: Highest learning rate, of the encoder's top layer and what is above it.
        head_lr: Highest learning rate of the head; None: ``lr``.
        weight_decay: Of the decayed groups.
        layer_decay: The i-th layer below the top one has ``lr * layer_decay**i``, the embeddings, below all N layers,
            ``lr * layer_decay**N``.

    Raises:
        InputError: If ``layer_decay`` is not 1 and the encoder's layers are not found.
    """
    head = {id(parameter) for parameter in classifier.head_parameters()}
    depth = {} if layer_decay == 1.0 else depths(classifier.encoder)
    groups: dict[tuple[bool, int, bool], list[nn.Parameter]] = {}
    for parameter in classifier.parameters():
        if parameter.requires_grad:
            place = (id(parameter) in head, depth.get(id(parameter), 0), parameter.dim() > 1)
            groups.setdefault(place, []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": head_lr if in_head and head_lr is not None else lr * layer_decay**below,
            "weight_decay": weight_decay if decayed else 0.0,
        }
        for (in_head, below, decayed), parameters in groups.items()
    ]
