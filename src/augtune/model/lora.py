"""LoRA: low-rank updates are trained beside frozen weights, and merged into them at the end (Hu et al., ICLR 2022).

What comes out is a plain encoder of the same shape, which needs no peft to load. Loads without torch and peft.
"""

from __future__ import annotations

import warnings
from typing import Annotated, Any, Literal

from pydantic import Field

from augtune.core.errors import SettingsError
from augtune.core.extras import need
from augtune.core.settings import Settings, suggestion

__all__ = ["Lora", "adapt", "is_adapter", "merge"]

# How encoder families call what makes queries and values of attention, one by one or several in one.
ATTENTION = frozenset({
    "query", "value", "query_proj", "value_proj", "q_proj", "v_proj", "q_lin", "v_lin", "q", "v",
    "Wqkv", "qkv_proj", "in_proj",
})  # fmt: skip
# Parts of an encoder that LoRA leaves alone: they are trained whole (pooler) or not at all.
LEFT_ALONE = ("pooler", "embeddings")


class Lora(Settings):
    """How the updates are made; lr is best far higher than in full fine-tuning, e.g. 2e-3."""

    rank: int = Field(default=8, ge=1)
    """Rank of each update."""
    alpha: float = Field(default=16.0, gt=0, allow_inf_nan=False)
    """Each update is multiplied by alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout on what goes into an update."""
    targets: Literal["attention", "linear"] | tuple[Annotated[str, Field(min_length=1)], ...] = "attention"
    """What is updated: attention's queries and values, every linear layer of the blocks, or layers by name."""


def adapt(encoder: Any, lora: Lora) -> None:
    """Put updates beside an encoder's weights, in place; they start at no change, from torch's current random state.

    Args:
        encoder: A bare encoder.
        lora: Which and how large.

    Raises:
        ExtraError: If peft is not installed.
        SettingsError: If the encoder has none of the layers named.
    """
    peft = need("peft", extra="train", to="train with lora")
    config = peft.LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=_places(encoder, lora)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers for things by their older names
        peft.inject_adapter_in_model(config, encoder)


def _places(encoder: Any, lora: Lora) -> list[str]:
    from torch import nn

    linear = [
        name
        for name, module in encoder.named_modules()
        if isinstance(module, nn.Linear) and name.split(".")[0] not in LEFT_ALONE
    ]
    if lora.targets == "linear":
        return linear
    wanted = ATTENTION if lora.targets == "attention" else frozenset(lora.targets)
    last = list(dict.fromkeys(name.rpartition(".")[2] for name in linear))
    unknown = sorted(wanted.difference(last)) if lora.targets != "attention" else []
    if unknown:
        raise SettingsError(
            f"lora.targets: the encoder has no linear layer called {unknown[0]!r}{suggestion(unknown[0], last)}"
        )
    found = [name for name in linear if name.rpartition(".")[2] in wanted]
    if not found:
        raise SettingsError(
            f"lora.targets: the attention of an encoder of type {encoder.config.model_type!r} was not found; "
            f"set linear, or some of: {', '.join(last)}"
        )
    return found


def is_adapter(name: str) -> bool:
    """Tell whether a parameter's dotted name is that of an update."""
    return any(part.startswith("lora_") for part in name.split("."))


def merge(encoder: Any) -> None:
    """Add the updates to the weights they stand beside, and take them away, in place."""
    from peft.tuners.lora import LoraLayer

    for name, module in list(encoder.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            parent, _, own = name.rpartition(".")
            setattr(encoder.get_submodule(parent), own, module.get_base_layer())
    if hasattr(encoder, "peft_config"):
        del encoder.peft_config
