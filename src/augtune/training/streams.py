"""Where chance stands in a training: torch's random states and the stream of the dropout masks, kept and put back."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from augtune.model.dropout import MaskSource

__all__ = ["Streams"]


class Streams:
    """The random states a training step draws from.

    The order of the batches is not among them: it is a function of the seed and the step.

    Args:
        masks: Where a processor's dropout masks come from.
        device: Where training runs; a GPU draws its masks itself.
    """

    def __init__(self, masks: MaskSource, device: torch.device) -> None:
        self._masks = masks
        self._device = device

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the states as tensors."""
        found = {"torch": torch.get_rng_state(), "masks": torch.from_numpy(self._masks.state)}
        if self._device.type == "cuda":
            found["cuda"] = torch.cuda.get_rng_state(self._device)
        return found

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Put states back that ``state_dict`` returned."""
        torch.set_rng_state(state["torch"])
        self._masks.state = state["masks"].numpy()
        if "cuda" in state and self._device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"], self._device)
