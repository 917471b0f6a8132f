"""Classifiers that other programs saved, read into a ``Fitted``: weights only, nothing of theirs is ever run.

Read are the published ELECTRA sentiment classifiers (an encoder, pooling and hidden layers; ``mlp_head.py`` says how
their weights are named), the training checkpoints of the same program, and sequence classifiers of transformers. That
library's own loader gives such an ELECTRA model a head of random weights, and only warns.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from augtune.core.errors import DataError, InputError
from augtune.core.foreign import check_folder, told
from augtune.core.json_text import decoded
from augtune.core.labels import Labels
from augtune.core.settings import suggestion
from augtune.core.untrusted import config_problem
from augtune.model import HEADS
from augtune.model.classifier import Classifier
from augtune.model.encoder import NEVER, load_tokenizer, longest_input, quiet
from augtune.model.fitted import Fitted
from augtune.model.foreign_weights import read_weights
from augtune.model.heads import Own, PoolingHead
from augtune.model.mlp_head import ACTIVATIONS, HeadFound, find_head
from augtune.model.pooled import Pooled

__all__ = ["Imported", "import_classifier"]

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
POOLINGS = ("mean", "cls", "max")
STOCK = "ForSequenceClassification"


@dataclass(frozen=True, slots=True)
class Imported:
    """A classifier that another program saved, and what was found.

    Args:
        fitted: The classifier.
        found: A line for each thing found or left out.
    """

    fitted: Fitted
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the user says of a model, where its files say nothing."""

    encoder: str | None
    labels: Sequence[str] | None
    pooling: str | None
    activation: str | None


def import_classifier(
    source: str | Path,
    *,
    encoder: str | None = None,
    labels: Sequence[str] | None = None,
    pooling: str | None = None,
    activation: str | None = None,
) -> Imported:
    """Return a classifier that another program saved.

    Args:
        source: A folder with ``config.json`` and ``model.safetensors`` or ``pytorch_model.bin``, or a file of weights
            (``.safetensors``, ``.bin``, ``.pth``, ``.pt``).
        encoder: Folder or name of the encoder whose configuration and tokenizer belong to the weights; has to be given
            where the source does not hold them.
        labels: Class names in the order of the model's outputs; by default those of its configuration. A name is never
            guessed.
        pooling: ``mean``, ``cls`` or ``max``, where the configuration does not say.
        activation: Of the hidden layers, where neither configuration nor weights say.

    Raises:
        InputError: If the source is missing, damaged, holds a pickle that would run code, or is of no known kind, or
            if something has to be said that its files do not say.
    """
    place = Path(source).expanduser()
    asked = _Asked(encoder, labels, pooling, activation)
    if not place.exists():
        raise InputError(
            f"import: {place}: no such file or folder.",
            hint=f"To import from the hub, first fetch it: hf download {source} --local-dir DIR",
        )
    if (place / "augtune.json").is_file():
        raise InputError(f"import: {place}: this is a classifier of augtune already; predict reads it as it is.")
    file = place if place.is_file() else _weights_file(place)
    config = _config(place if place.is_dir() else place.parent)
    weights = read_weights(file)
    head = find_head(weights, source=str(file))
    if head is not None:
        return _with_layers(place, config, weights, head, asked)
    if place.is_dir() and any(name.endswith(STOCK) for name in config.get("architectures") or ()):
        return _stock(place, asked)
    raise InputError(
        f"import: {file}: of its {len(weights)} weights none is of a classifier's head that is known; it begins with "
        f"{', '.join(sorted(weights)[:3])}.",
        hint="Read are classifier.layers.… (the published ELECTRA classifiers) and folders of transformers' sequence "
        "classifiers. To train on top of an encoder, name its folder as --encoder of augtune train.",
    )


def _weights_file(folder: Path) -> Path:
    check_folder(folder, what="import")
    found = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if found is None:
        raise InputError(f"import: {folder}: holds neither {' nor '.join(WEIGHTS)}.")
    return found


def _config(folder: Path) -> Mapping[str, Any]:
    path = folder / CONFIG
    if not path.is_file():
        return {}
    try:
        config = decoded(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"import: {path}: not readable as JSON: {error}.") from error
    if not isinstance(config, dict):
        raise InputError(f"import: {path}: expected a JSON object.")
    return config


# ---- an encoder with hidden layers on it


def _with_layers(
    place: Path, config: Mapping[str, Any], weights: Mapping[str, torch.Tensor], head: HeadFound, asked: _Asked
) -> Imported:
    started = time.monotonic()
    labels = _labels(config, head.classes, asked, place)
    settings = _head_settings(config, head, asked, place)
    base = asked.encoder or (str(place) if place.is_dir() and config else None)
    if base is None:
        raise InputError(
            f"import: {place}: a file of weights does not say which encoder they are of.",
            hint="Name the encoder it was trained from, whose configuration and tokenizer are taken: --encoder NAME.",
        )
    tokenizer = load_tokenizer(base)
    body = _body(base, {name: t for name, t in weights.items() if name not in head.names}, place)
    with torch.random.fork_rng(devices=[]):
        net = Pooled(body, len(labels), settings)
    try:
        net.load_head_state(head.state)
    except RuntimeError as error:
        raise InputError(f"import: {place}: the head does not fit the encoder: {_first(error)}.") from error
    fitted = _fitted(Classifier(net, settings).eval(), tokenizer, labels, place, time.monotonic() - started)
    found = [
        f"encoder: {body.config.model_type}, {body.config.num_hidden_layers} layers of {body.config.hidden_size} "
        f"units, {_count(body):,} weights",
        f"head: {settings.kind} pooling, {settings.layers} hidden layers of {settings.width} units, "
        f"{settings.activation}{' shared by all layers' if settings.shared else ''}, dropout {settings.dropout:g}, "
        f"{sum(tensor.numel() for tensor in head.state.values()):,} weights",
        *head.notes,
        f"labels, in the order of the outputs: {labels}",
    ]
    if settings.kind == "max":
        found.append(
            "pooling: max here leaves padding out; where this model was made padding counted as 0, so a unit that is "
            "negative in every token was 0 there, and probabilities can differ"
        )
    return Imported(fitted, tuple(found))


def _body(base: str, weights: Mapping[str, torch.Tensor], place: Path) -> Any:
    """Return the bare encoder of a configuration, filled with the given weights."""
    from augtune.core.encoders import locate

    found = Path(locate(base))
    size = sum(tensor.numel() * tensor.element_size() for tensor in weights.values())
    problem = config_problem(found, weights=size) if found.is_dir() else None
    if problem is not None:
        raise InputError(f"import: encoder {base!r}: {problem}.", hint="Name the encoder the model was trained from.")
    try:
        with quiet(), torch.random.fork_rng(devices=[]):
            body = AutoModel.from_config(
                AutoConfig.from_pretrained(locate(base), **NEVER), dtype=torch.float32, **NEVER
            )
    except InputError:
        raise
    except Exception as error:  # the loaders of other libraries raise what they like; the cause stays attached
        raise InputError(f"import: encoder {base!r}: its configuration cannot be read: {told(error)}.") from error
    own = body.state_dict()
    firsts = {name.partition(".")[0] for name in weights if name not in own}
    inner = {
        name if name in own else name.partition(".")[2]: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in weights.items()
    }
    missing = sorted(name for name in own if name not in inner and not name.startswith("pooler."))
    wrong = [name for name in own if name in inner and own[name].shape != inner[name].shape]
    surplus = sorted(
        name for name in inner if name not in own and not name.startswith("pooler.") and "position_ids" not in name
    )
    if missing or wrong or surplus:
        lists = {"missing": missing, "of another shape": wrong, "unknown to it": surplus}
        told_of = "; ".join(f"{len(names)} {what}, e.g. {names[0]}" for what, names in lists.items() if names)
        raise InputError(
            f"import: {place}: the weights are not those of the encoder {base!r}: {told_of}.",
            hint="Name the encoder the model was trained from with --encoder"
            + (f" (the weights are named {', '.join(sorted(firsts))}.…)." if firsts else "."),
        )
    body.load_state_dict({name: inner[name] for name in own if name in inner}, strict=False)
    return body


def _head_settings(config: Mapping[str, Any], head: HeadFound, asked: _Asked, place: Path) -> PoolingHead:
    pooling = asked.pooling or config.get("pooling")
    if pooling not in POOLINGS:
        what = "nothing says how it pools" if pooling is None else f"pooling {pooling!r} is not known"
        raise InputError(f"import: {place}: {what}; expected one of: {', '.join(POOLINGS)}.", hint="Give --pooling.")
    named = str(asked.activation or config.get("hidden_activation") or "")
    activation = "swiglu" if head.has_glu else ACTIVATIONS.get(named.lower())
    if activation is None or (activation == "swiglu") != head.has_glu:
        what = f"activation {named!r} does not fit its weights or is not known" if named else "nothing says which"
        raise InputError(
            f"import: {place}: activation of the hidden layers: {what}; expected one of: {', '.join(ACTIVATIONS)}"
            f"{suggestion(named, ACTIVATIONS) if named and named not in ACTIVATIONS else '.'}",
            hint="Give --activation.",
        )
    stated = config.get("num_layers")
    if stated is not None and int(stated) != head.layers:
        raise InputError(
            f"import: {place}: {CONFIG} says num_layers {stated}, and the weights have {head.layers} hidden layers."
        )
    rate = float(config.get("dropout_rate", 0.1 if head.has_dropout else 0.0))
    fields = {"layers": head.layers, "width": head.width, "activation": activation, "dropout": rate}
    made = HEADS.parse({"kind": pooling, **fields, "shared": head.is_shared}, where="import")
    if not isinstance(made, PoolingHead):
        raise InputError(f"import: {place}: pooling {pooling!r} is no head that pools.")
    return made


def _labels(config: Mapping[str, Any], classes: int, asked: _Asked, place: Path) -> Labels:
    """Return the class names in the order of the outputs: those given, or the configuration's."""
    by_number = config.get("id2label") or {}
    names = list(asked.labels or ())
    if not names and isinstance(by_number, Mapping):
        try:
            names = [str(by_number[key]) for key in sorted(by_number, key=int)]
        except ValueError as error:
            raise InputError(f"import: {place}: {CONFIG}: id2label has keys that are no numbers.") from error
    order = "Give them in the order of the model's outputs: --labels negative,neutral,positive"
    if not names:
        raise InputError(f"import: {place}: nothing names its {classes} classes.", hint=order)
    if len(names) != classes:
        raise InputError(
            f"import: {place}: the model has {classes} classes, and {len(names)} are named: {', '.join(names)}.",
            hint=order,
        )
    if not asked.labels and all(name == f"LABEL_{k}" for k, name in enumerate(names)):
        raise InputError(f"import: {place}: its classes have numbers instead of names.", hint=order)
    try:
        return Labels(tuple(names))
    except DataError as error:
        raise InputError(f"import: {place}: {error.message}", hint=order) from error


# ---- a sequence classifier of transformers


def _stock(place: Path, asked: _Asked) -> Imported:
    started = time.monotonic()
    try:
        with quiet(), torch.random.fork_rng(devices=[]):
            net, loaded = AutoModelForSequenceClassification.from_pretrained(
                place, dtype=torch.float32, local_files_only=True, output_loading_info=True, **NEVER
            )
    except Exception as error:  # the loaders of other libraries raise what they like; the cause stays attached
        raise InputError(f"import: {place}: cannot be read by transformers: {told(error)}.") from error
    lost = sorted([*loaded["missing_keys"], *(key[0] for key in loaded["mismatched_keys"])])
    if lost:
        raise InputError(f"import: {place}: {len(lost)} weights are missing, the first is {lost[0]!r}.")
    if net.config.num_labels < 2 or net.config.problem_type not in (None, "single_label_classification"):
        raise InputError(
            f"import: {place}: it does not choose one of several classes (problem_type "
            f"{net.config.problem_type!r}, {net.config.num_labels} outputs)."
        )
    labels = _labels(net.config.to_dict(), net.config.num_labels, asked, place)
    net.config.id2label, net.config.label2id = dict(enumerate(labels)), {name: k for k, name in enumerate(labels)}
    classifier = Classifier(net, Own()).eval()
    fitted = _fitted(classifier, load_tokenizer(asked.encoder or str(place)), labels, place, time.monotonic() - started)
    found = (
        f"encoder: {net.config.model_type}, {_count(classifier.encoder):,} weights",
        f"head: that of transformers, {sum(p.numel() for p in classifier.head_parameters()):,} weights",
        f"labels, in the order of the outputs: {labels}",
    )
    return Imported(fitted, found)


# ---- both


def _fitted(classifier: Classifier, tokenizer: Any, labels: Labels, place: Path, seconds: float) -> Fitted:
    return Fitted(
        classifier=classifier,
        tokenizer=tokenizer,
        labels=labels,
        encoder=place.resolve().name,
        recipe="imported",
        steps=0,
        max_length=longest_input(tokenizer, classifier.encoder),
        settings={"imported": {"source": place.resolve().name}},
        seconds=seconds,
    )


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _first(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__).rstrip(".")
