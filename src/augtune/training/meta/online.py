"""Weights learned beside training: what one virtual step on a row would do to the loss of trusted rows.

In each step, and for each row of the batch alone, Adam's next move is worked out from that row's gradient and the
optimizer's present memory. The parameters are moved by all those moves, each as long as its row's weight says; the
trusted rows' loss is taken there; and its slope along a row's move says whether the row helps.

Which parameters the virtual step covers is a setting. By default it is the head alone: the encoder is then run once
per step for batch and trusted rows, and everything else happens on its output, hundreds of times cheaper than moving
the whole encoder, while a wrong label shows in the head's gradient first. ``all`` is the papers' form.

Shapes: ``N`` rows, ``B`` rows of a batch, ``M`` trusted rows, ``C`` rows of a chunk, ``P`` a parameter's own shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from augtune.core.seeds import generator
from augtune.model.classifier import Classifier
from augtune.model.encoder import layers_of
from augtune.model.losses import Loss
from augtune.model.precision import EXACT, Precision
from augtune.training.meta.passes import Cost, KnownRows, Passes
from augtune.training.meta.virtual import Moments, adam_step, moments_of
from augtune.training.recipes.hu2019 import Hu2019

__all__ = ["OnlineWeights"]

# The least a weight may be before it is normalised.
LEAST = 1e-5


@dataclass(frozen=True, slots=True)
class _Covered:
    """A parameter the virtual step covers.

    Args:
        parameter: The parameter.
        lr: Its learning rate in this step.
        moments: What Adam remembers of it.
    """

    parameter: nn.Parameter
    lr: float
    moments: Moments


class OnlineWeights:
    """One weight per row, learned as training goes.

    Args:
        recipe: How.
        classifier: What is trained.
        data: All rows of the training.
        trusted: Rows of the outer loss.
        weighed: ``(N,)`` True for the rows that get weights; the others count 1.
        seed: Of the training.
    """

    def __init__(
        self,
        recipe: Hu2019,
        classifier: Classifier,
        data: KnownRows,
        trusted: KnownRows,
        weighed: np.ndarray,
        seed: int,
    ) -> None:
        self.recipe, self.classifier, self.seed = recipe, classifier, seed
        self.data, self.trusted, self.weighed = data, trusted, weighed
        self.phi = torch.full((len(weighed),), recipe.w_init)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return what has been learned, for a checkpoint."""
        return {"phi": self.phi.clone()}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take up what ``state_dict`` returned."""
        self.phi.copy_(state["phi"])

    def weigh(
        self, rows: np.ndarray, optimizer: Any, loss: Loss, *, step: int, precision: Precision = EXACT
    ) -> np.ndarray:
        """Return the weights of a batch, ``(B,)``; all 1 in the first step, when Adam remembers nothing yet.

        Args:
            rows: ``(B,)`` positions of the batch's rows.
            optimizer: Adam, with its learning rates set for the step.
            loss: What a row costs; the same for trusted rows.
            step: Of the whole training, from 0.
            precision: Number format of the encoder's forward pass.
        """
        weights = np.ones(len(rows))
        places = np.flatnonzero(self.weighed[rows])
        covered = self._covered(optimizer)
        if not len(places) or not covered or not any(one.moments.steps for one in covered):
            return weights
        tested = self.trusted.positions
        if self.recipe.trusted_rows is not None and len(tested) > self.recipe.trusted_rows:
            tested = generator(self.seed, "trusted", step).choice(tested, self.recipe.trusted_rows, replace=False)
        with self._still([one.parameter for one in covered]):
            once = self.recipe.covers == "head"
            cost = Cost(loss, self.data.targets.sum(dim=0), precision)
            own, others = replace(self.data, positions=rows[places]), replace(self.trusted, positions=np.sort(tested))
            batch = Passes(self.classifier, own, cost, encoded_once=once)
            outer = Passes(self.classifier, others, cost, encoded_once=once)
            size = self.recipe.chunk
            chunks = [np.arange(at, min(at + size, len(places))) for at in range(0, len(places), size)]
            phi = self.phi[torch.from_numpy(rows[places])]
            slopes = torch.cat([self._slopes(batch, outer, chunk, covered, phi[chunk]) for chunk in chunks])
        weights[places] = self._updated(rows[places], slopes).numpy()
        return weights

    def _covered(self, optimizer: Any) -> list[_Covered]:
        wanted = {id(parameter) for parameter in self._wanted()}
        rates = {p: float(group["lr"]) for group in optimizer.param_groups for p in group["params"] if id(p) in wanted}
        memory = moments_of(optimizer, list(rates))
        return [_Covered(p, lr, moments) for (p, lr), moments in zip(rates.items(), memory, strict=True)]

    def _wanted(self) -> list[nn.Parameter]:
        covers = self.recipe.covers
        if covers == "all":
            return list(self.classifier.parameters())
        found = self.classifier.head_parameters()
        if covers != "head":
            found.extend(p for layer in list(layers_of(self.classifier.encoder))[-covers:] for p in layer.parameters())
        return found

    @contextmanager
    def _still(self, parameters: Sequence[nn.Parameter]) -> Iterator[None]:
        """No dropout, and gradients of the given parameters alone, until the end of the block."""
        training = [module for module in self.classifier.modules() if module.training]
        asked = [parameter for parameter in self.classifier.parameters() if parameter.requires_grad]
        self.classifier.eval()
        self.classifier.requires_grad_(False)
        for parameter in parameters:
            parameter.requires_grad_(True)
        try:
            yield
        finally:
            self.classifier.requires_grad_(False)
            for parameter in asked:
                parameter.requires_grad_(True)
            for module in training:
                module.training = True

    def _slopes(
        self, batch: Passes, outer: Passes, chunk: np.ndarray, covered: list[_Covered], phi: torch.Tensor
    ) -> torch.Tensor:
        """Return the slope of the outer loss along each row's virtual step, ``(C,)``, where all steps lead."""
        parameters = [one.parameter for one in covered]
        moves = [
            adam_step(gradient + self.recipe.l2 * one.parameter.detach(), one.moments, lr=one.lr)
            for gradient, one in zip(batch.gradients_by_row(chunk, parameters), covered, strict=True)
        ]
        if self.recipe.variant == "hu":
            before = [parameter.detach().clone() for parameter in parameters]
            for parameter, move in zip(parameters, moves, strict=True):
                parameter.data.add_(torch.tensordot(phi.to(move), move, dims=1))
            gradients = outer.gradient(parameters)
            for parameter, value in zip(parameters, before, strict=True):
                parameter.data.copy_(value)
        else:
            gradients = outer.gradient(parameters)
        products = [(gradient * move).flatten(1).sum(dim=1) for gradient, move in zip(gradients, moves, strict=True)]
        return torch.stack(products).sum(dim=0).cpu()

    def _updated(self, rows: np.ndarray, slopes: torch.Tensor) -> torch.Tensor:
        """Take the slopes into the rows' weights and return these, normalised to a mean of 1 in the batch."""
        recipe, at = self.recipe, torch.from_numpy(rows)
        if recipe.variant == "ren":
            raw = (-slopes).clamp_min(0)
            self.phi[at] = raw
        else:
            raw = (self.phi[at] / recipe.w_decay - slopes).clamp_min(LEAST)
            self.phi[at] = raw
            if recipe.norm == "softmax":
                return raw.softmax(dim=0) * len(raw)
        total = raw.sum()
        return raw * len(raw) / total if total > 0 else raw
