"""Classifier: an encoder with a head on it, and which of its parts are trained.

Shapes: ``B`` rows, ``T`` tokens, ``K`` classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from augtune.core.errors import InputError
from augtune.model import HEADS
from augtune.model.batching import Encoded, length_batches
from augtune.model.encoder import base_of, embeddings_of, layers_of, load_encoder, load_stock, pooler_of
from augtune.model.heads import Head, PoolingHead
from augtune.model.lora import is_adapter
from augtune.model.pooled import Pooled
from augtune.model.precision import EXACT, Precision

__all__ = ["Classifier", "Trainable"]

Trainable = Literal["all", "head"] | int


class Classifier(nn.Module):
    """An encoder and a head.

    Args:
        net: A stock sequence classifier (head ``own``) or a ``Pooled`` one.
        head: Which head it is: a name, or its settings.
    """

    def __init__(self, net: Any, head: Head | str) -> None:
        super().__init__()
        self.net = net
        self.head_settings: Head = HEADS.parse(head, where="head")

    @classmethod
    def new(cls, encoder: str, labels: Sequence[str], *, head: Head | str, dropout: float | None = None) -> Classifier:
        """Return a classifier with pretrained encoder and a head drawn from torch's current random state.

        Args:
            encoder: A folder, ``bundled/minilm`` or a hub name.
            labels: The ``K`` class names in order.
            head: A name of ``augtune ls heads``, or its settings.
            dropout: Dropout in the encoder, and in a head that names none; None keeps the encoder's own.

        Raises:
            InputError: If the encoder cannot be loaded.
        """
        asked: Head = HEADS.parse(head, where="head")
        if not isinstance(asked, PoolingHead):
            return cls(load_stock(encoder, labels, dropout=dropout), asked)
        return cls(Pooled(load_encoder(encoder, dropout=dropout), len(labels), asked, dropout), asked)

    @property
    def head(self) -> str:
        """The name of its head."""
        return self.head_settings.kind

    @property
    def encoder(self) -> Any:
        """The encoder inside."""
        return base_of(self.net) if self.head == "own" else self.net.encoder

    @property
    def classes(self) -> int:
        """How many classes it tells apart, ``K``."""
        return int(self.net.config.num_labels if self.head == "own" else self.net.out.out_features)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return class scores.

        Args:
            inputs: ``input_ids``, ``attention_mask`` and, where the model knows segments, ``token_type_ids``,
                ``(B, T)`` each.

        Returns:
            ``(B, K)`` float32.
        """
        scores: torch.Tensor = self.net(**inputs).logits if self.head == "own" else self.net(inputs)
        return scores.float()

    def head_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that are not the encoder's."""
        inside = {id(parameter) for parameter in self.encoder.parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in inside]

    def train_only(self, trainable: Trainable, *, freeze_embeddings: bool = False) -> None:
        """Choose what is trained; the rest gets no gradient and runs without dropout.

        Where there are low-rank updates, they are trained in place of the encoder's weights.

        Args:
            trainable: ``all``; ``head``: the head alone; ``k``: head, pooler and the top ``k`` layers.
            freeze_embeddings: Freeze the embeddings where they would be trained.

        Raises:
            InputError: If ``k`` is more than the layers there are, or the encoder's parts are not found.
        """
        self._open(trainable, freeze_embeddings)
        named = list(self.encoder.named_parameters())
        if any(is_adapter(name) for name, _ in named):
            for name, parameter in named:
                if not is_adapter(name) and not name.startswith("pooler."):
                    parameter.requires_grad_(False)

    def _open(self, trainable: Trainable, freeze_embeddings: bool) -> None:
        self.requires_grad_(True)
        self.train()
        if trainable == "all":
            if freeze_embeddings:
                _freeze(embeddings_of(self.encoder))
            return
        _freeze(self.encoder)
        if trainable == "head":
            return
        layers = layers_of(self.encoder)
        if trainable > len(layers):
            raise InputError(
                f"trainable: expected at most {len(layers)} top layers, as many as the encoder has; got {trainable}."
            )
        opened: list[nn.Module | None] = [pooler_of(self.encoder), *list(layers)[len(layers) - trainable :]]
        for module in opened:
            if module is not None:
                module.requires_grad_(True)
                module.train()

    def scores(self, encoded: Encoded, *, batch_size: int = 64, precision: Precision = EXACT) -> np.ndarray:
        """Return class scores of tokenised rows, without dropout or gradient.

        Args:
            encoded: ``N`` tokenised rows.
            batch_size: Rows computed at once; rows of like length go together.
            precision: Number format; float32 if not given.

        Returns:
            ``(N, K)`` float64, in the order of the rows. The classifier is left in evaluation mode.
        """
        self.eval()
        device = self.device
        found = [(np.zeros(0, dtype=np.int64), np.zeros((0, self.classes)))]
        with torch.inference_mode(), precision.active(device):
            for rows in length_batches(encoded.lengths, batch_size=batch_size):
                inputs = {name: tensor.to(device) for name, tensor in encoded.batch(rows).inputs.items()}
                found.append((rows, self(inputs).double().cpu().numpy()))
        table = np.zeros((len(encoded), self.classes))
        table[np.concatenate([rows for rows, _ in found])] = np.concatenate([part for _, part in found])
        return table

    def digest(self) -> str:
        """Return the SHA-256 of all weights, by name: equal weights, equal digest."""
        found = hashlib.sha256()
        for name, tensor in sorted(self.state_dict().items()):
            found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return found.hexdigest()


def _freeze(module: nn.Module) -> None:
    module.requires_grad_(False)
    module.eval()
