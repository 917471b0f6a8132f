"""Mixing carried out: hooks on the encoder's layers for one forward pass, and the targets that go with it.

A mixed text has the length, and so the attention mask, of whichever of the two has the larger share. With a share of 1
that is exactly the row itself, with 0 exactly its partner; no token ever looks at padding. Where the two overlap their
states are mixed; a token of the larger text beyond the end of the smaller one stays as it is. Batches are made of rows
of like length, so little is lost.

Shapes: ``B`` rows, ``T`` tokens of the longest, ``H`` hidden units, ``K`` classes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from augtune.model.classifier import Classifier
from augtune.model.encoder import layers_of
from augtune.model.losses import LossBatch
from augtune.model.mixing import INPUT, Mix

__all__ = ["mix_forward", "mix_targets"]

Change = Callable[[Any], Any]


def mix_targets(mix: Mix, known: LossBatch) -> LossBatch:
    """Return what the loss may know of a mixed batch: targets lambda t_i + (1 - lambda) t_j.

    Row weights are mixed alike, and a label counts by its own row's weight, so that the loss is
    lambda w_i loss(t_i) + (1 - lambda) w_j loss(t_j): what a row of weight 0 is labelled does not matter.

    Args:
        mix: What is mixed with what.
        known: Of the batch as it was.
    """
    device = known.targets.device
    partners = torch.from_numpy(mix.partners).to(device)
    own = torch.from_numpy(mix.shares).to(device)
    rest, weights = 1 - own, known.weights
    if weights is not None:
        mine, others = own * weights.float(), rest * weights.float()[partners]
        weights = mine + others
        some = weights > 0
        total = weights.where(some, torch.ones_like(weights))
        own, rest = torch.where(some, mine / total, own), torch.where(some, others / total, rest)
    targets = known.targets.float()
    mixed = own[:, None] * targets + rest[:, None] * targets[partners]
    return replace(known, targets=mixed, weights=weights)


def mix_forward(model: Any, classifier: Classifier, inputs: dict[str, torch.Tensor], mix: Mix) -> torch.Tensor:
    """Return the class scores of a mixed batch, ``(B, K)``.

    Args:
        model: What is called: the classifier, or a wrapper around it.
        classifier: The classifier in it, whose encoder gets the hooks for as long as the call takes.
        inputs: Token ids, attention mask and segments, ``(B, T)`` each.
        mix: What is mixed with what.
    """
    own = inputs["attention_mask"]
    partners = torch.from_numpy(mix.partners).to(own.device)
    shares = torch.from_numpy(mix.shares).to(own.device)
    larger = shares >= 0.5
    others = own[partners]
    mask = torch.where(larger[:, None], own, others)
    kept = torch.where((own != 0) & (others != 0), shares[:, None], larger[:, None].float())

    def mixed(hidden: torch.Tensor) -> torch.Tensor:
        share = kept.view(*kept.shape, *[1] * (hidden.dim() - 2))
        return (share * hidden.float() + (1 - share) * hidden[partners].float()).to(hidden.dtype)

    def chosen(given: Any) -> Any:
        """Return a prepared mask ``(B, …)`` of whichever text is larger; one for all rows stays."""
        if not isinstance(given, torch.Tensor) or given.shape[0] != len(larger):
            return given
        return torch.where(larger.view(-1, *[1] * (given.dim() - 1)), given, given[partners])

    layers = layers_of(classifier.encoder)
    with ExitStack() as hooks:
        if mix.layer == INPUT:
            hooks.enter_context(_before(layers[0], "hidden_states", mixed))
        else:
            hooks.enter_context(_after(layers[mix.layer], mixed))
        if not bool(larger.all()):
            # The encoder begins with every row's own mask; the head, and the layers above, see the chosen one.
            hooks.enter_context(_before(classifier.encoder, "attention_mask", lambda _: own))
            for layer in layers[mix.layer + 1 :]:
                hooks.enter_context(_before(layer, "attention_mask", chosen))
        scores: torch.Tensor = model({**inputs, "attention_mask": mask})
    return scores


@contextmanager
def _after(module: nn.Module, change: Change) -> Iterator[None]:
    """Change the hidden states a module returns, alone or first of several."""

    def hook(_: nn.Module, __: Any, output: Any) -> Any:
        return change(output) if isinstance(output, torch.Tensor) else (change(output[0]), *output[1:])

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _before(module: nn.Module, name: str, change: Change) -> Iterator[None]:
    """Change the argument called ``name``, however it is given; ``hidden_states`` is the first whatever its name."""
    names = list(inspect.signature(module.forward).parameters)

    def hook(_: nn.Module, given: Sequence[Any], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        place = 0 if name == "hidden_states" else names.index(name) if name in names else len(given)
        if place < len(given):
            return (*given[:place], change(given[place]), *given[place + 1 :]), named
        return tuple(given), {**named, name: change(named[name])} if name in named else named

    handle = module.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
