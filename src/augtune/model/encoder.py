"""Encoders and their tokenizers: loading by name, and finding the parts that training freezes or trains.

Works on any layout that keeps its embeddings and its list of layers under the base model, which BERT, RoBERTa,
DistilBERT, ELECTRA, DeBERTa, MPNet, ModernBERT and their like all do.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging as transformers_logging

from augtune.core.encoders import locate, not_loadable
from augtune.core.errors import InputError
from augtune.core.foreign import reading_quietly

__all__ = [
    "base_of",
    "depths",
    "embeddings_of",
    "layers_of",
    "load_encoder",
    "load_stock",
    "load_tokenizer",
    "longest_input",
    "pooler_of",
    "quiet",
]

# Else transformers has a server of the hub rewrite a repository that has no safetensors, and say so in public.
os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "true")
# Nothing from a model's folder is ever run, and nobody is asked at a prompt whether it may be.
NEVER: dict[str, Any] = {"trust_remote_code": False}

# Longest input where neither tokenizer nor configuration names one (relative positions).
NO_LIMIT = 512
# Dropout of hidden states and of attention, as the configurations of the supported families call them.
DROPOUT_FIELDS = (
    "hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout",
    "embedding_dropout", "mlp_dropout", "pooler_dropout",
)  # fmt: skip
# Parts beside the layers that come after the last one; every other part comes before the first.
ABOVE_LAYERS = ("pooler", "final_norm", "final_layer_norm", "norm")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' loading report and the hub's retries off the screen: a new head is always 'missing'."""
    level = transformers_logging.get_verbosity()
    hub = logging.getLogger("huggingface_hub")
    hub_level = hub.level
    hub.setLevel(logging.ERROR)
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        hub.setLevel(hub_level)
        if bars:
            transformers_logging.enable_progress_bar()


@contextmanager
def _or_not_loadable(name: str) -> Iterator[None]:
    try:
        with quiet(), reading_quietly():
            yield
    except InputError:
        raise
    except Exception as error:  # the loaders of other libraries raise what they like; the cause stays attached
        raise not_loadable(name, error) from error


def load_tokenizer(name: str) -> Any:
    """Return the tokenizer of an encoder.

    Args:
        name: A folder, ``bundled/minilm`` or a hub name.

    Raises:
        InputError: If it cannot be loaded, or has no padding token.
    """
    path = locate(name)
    with _or_not_loadable(name):
        tokenizer = AutoTokenizer.from_pretrained(path, use_fast=True, **NEVER)
    if tokenizer.pad_token_id is None:
        raise InputError(f"encoder {name!r}: its tokenizer has no padding token, so texts cannot share a batch.")
    return tokenizer


def load_encoder(name: str, *, dropout: float | None = None) -> Any:
    """Return the bare encoder (``AutoModel``) in float32.

    Args:
        name: A folder, ``bundled/minilm`` or a hub name.
        dropout: Dropout everywhere in it; None keeps the encoder's own.

    Raises:
        InputError: If it cannot be loaded.
    """
    path = locate(name)
    with _or_not_loadable(name):
        config = _config(path, dropout)
        model, found = AutoModel.from_pretrained(
            path, config=config, dtype=torch.float32, output_loading_info=True, **NEVER
        )
    _check_whole(name, found["missing_keys"])
    return model


def load_stock(name: str, labels: Sequence[str], *, dropout: float | None = None) -> Any:
    """Return ``AutoModelForSequenceClassification`` in float32: the encoder with its own, newly drawn, head.

    Args:
        name: A folder, ``bundled/minilm`` or a hub name.
        labels: The ``K`` class names in order; they go into the configuration as ``id2label``.
        dropout: Dropout everywhere in it; None keeps the encoder's own.

    Raises:
        InputError: If it cannot be loaded.
    """
    path = locate(name)
    with _or_not_loadable(name):
        config = _config(path, dropout)
        config.num_labels = len(labels)
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: k for k, label in enumerate(labels)}
        # The loss is a setting of training, never a part of the model: a saved folder reloads anywhere.
        config.problem_type = None
        model, found = AutoModelForSequenceClassification.from_pretrained(
            path, config=config, dtype=torch.float32, ignore_mismatched_sizes=True, output_loading_info=True, **NEVER
        )
    inside = f"{model.base_model_prefix}."
    lost = [*found["missing_keys"], *(key[0] for key in found["mismatched_keys"])]
    _check_whole(name, [key.removeprefix(inside) for key in lost if key.startswith(inside)])
    return model


def _check_whole(name: str, missing: Iterable[str]) -> None:
    """Refuse weights that lack a part of the encoder: transformers draws what is missing at random and goes on.

    Only a pooler may be missing, for pretraining does not train one.
    """
    lost = sorted(key for key in missing if not key.startswith("pooler."))
    if lost:
        raise InputError(
            f"encoder {name!r}: its weights lack {len(lost)} of the encoder's own, the first is {lost[0]!r}; "
            "they would be random.",
            hint="The file is of another kind of model, or only a part of it. 'augtune import' reads classifiers "
            "that other programs saved.",
        )


def _config(path: str, dropout: float | None) -> Any:
    config = AutoConfig.from_pretrained(path, **NEVER)
    for field in DROPOUT_FIELDS if dropout is not None else ():
        if isinstance(getattr(config, field, None), float | int):
            setattr(config, field, dropout)
    return config


def base_of(model: Any) -> Any:
    """Return the encoder inside a stock classifier; an encoder is its own base."""
    return getattr(model, getattr(model, "base_model_prefix", ""), model)


def embeddings_of(encoder: Any) -> nn.Module:
    """Return the module that turns token ids into vectors, positions and normalisation included.

    Raises:
        InputError: If the layout is not known.
    """
    for name in ("embeddings", "embed_tokens"):
        found = getattr(encoder, name, None)
        if isinstance(found, nn.Module):
            return found
    raise _unknown_layout(encoder, "embeddings")


def layers_of(encoder: Any) -> nn.ModuleList:
    """Return the list of the encoder's layers, lowest first.

    Raises:
        InputError: If the layout is not known.
    """
    depth = getattr(encoder.config, "num_hidden_layers", None)
    if getattr(encoder.config, "num_hidden_groups", depth) != depth:
        raise InputError(
            f"encoder of type {encoder.config.model_type!r}: its {depth} layers share their weights, so they cannot be "
            "told apart.",
            hint="With train.trainable: all or head and without layer_decay they need not be.",
        )
    for module in encoder.modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return module
    raise _unknown_layout(encoder, "list of layers")


def depths(encoder: Any) -> dict[int, int]:
    """Return how many layers lie above each parameter, by the parameter's ``id``.

    0 for the top one of ``L`` layers and what follows it (pooler, last normalisation), ``L`` for everything before the
    lowest one: embeddings of words, positions and segments, their projection, tables of relative positions.

    Raises:
        InputError: If the layers are not found.
    """
    layers = list(layers_of(encoder))
    inside = {id(p): place for place, layer in enumerate(reversed(layers)) for p in layer.parameters()}
    found = {}
    for name, parameter in encoder.named_parameters():
        part = name.removeprefix("encoder.").split(".")[0]
        # DeBERTa's convolution belongs to the lowest layer.
        beside = 0 if part in ABOVE_LAYERS else len(layers) - (part == "conv")
        found[id(parameter)] = inside.get(id(parameter), beside)
    return found


def pooler_of(encoder: Any) -> nn.Module | None:
    """Return the encoder's pooler, or None."""
    found = getattr(encoder, "pooler", None)
    return found if isinstance(found, nn.Module) else None


def _unknown_layout(encoder: Any, part: str) -> InputError:
    return InputError(
        f"encoder of type {encoder.config.model_type!r}: its {part} could not be found.",
        hint="With train.trainable: all and train.freeze_embeddings: false no part has to be found.",
    )


def longest_input(tokenizer: Any, encoder: Any) -> int:
    """Return how many tokens the encoder takes, special ones included."""
    limits = []
    places = getattr(encoder.config, "max_position_embeddings", None)
    if isinstance(places, int) and places > 0:
        table = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
        padding = getattr(table, "padding_idx", None)
        # RoBERTa-like models start counting positions after the padding token's.
        limits.append(places if padding is None else places - padding - 1)
    # A tokenizer that knows no limit names 10^30.
    if tokenizer.model_max_length < 10**6:
        limits.append(int(tokenizer.model_max_length))
    return min(limits or [NO_LIMIT])
