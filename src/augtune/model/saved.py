"""Saved classifiers: a folder of safetensors, configuration, tokenizer and labels, whole or absent, never a pickle."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForSequenceClassification

from augtune.core.decision import Decision
from augtune.core.errors import InputError, StorageError
from augtune.core.files import make_folder, read_json, sync, system_errors, write_json
from augtune.core.foreign import weights_problem
from augtune.core.labels import Labels
from augtune.core.tables import Weights
from augtune.core.untrusted import config_problem, link_problem
from augtune.model import HEADS
from augtune.model.averaged import Averaged
from augtune.model.classifier import Classifier
from augtune.model.encoder import load_tokenizer, quiet
from augtune.model.fitted import Fitted
from augtune.model.heads import PoolingHead
from augtune.model.pooled import Pooled

__all__ = ["check_place", "load", "save"]

ABOUT = "augtune.json"
BODY = "model.safetensors"
LOST = "Train it again or restore a copy; a run with keep_models: false leaves no weights."
HEAD = "head.safetensors"
MEMBER = "member-"
FORMAT = 1
# Fields of a Fitted that are plain values and are kept as they are.
PLAIN = (
    "encoder", "recipe", "steps", "max_length", "is_pair", "seed", "seconds", "precision", "truncated", "kept",
)  # fmt: skip


def check_place(folder: Path) -> None:
    """Refuse a place that ``save`` would refuse, before there is anything to save.

    Raises:
        StorageError: If it holds something that is no saved classifier, or cannot be a folder.
    """
    if folder.exists() and not (folder / ABOUT).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise StorageError(
            f"{folder}: holds something that is no saved classifier; it was left alone.", hint="Name another folder."
        )
    above = next(parent for parent in folder.absolute().parents if parent.exists())
    if not above.is_dir():
        raise StorageError(
            f"{folder}: {above} is a file, so there can be no folder in it.", hint="Name another folder."
        )
    if not os.access(above, os.W_OK):
        raise StorageError(f"{folder}: nothing may be written in {above}.", hint="Name another folder.")


def save(fitted: Fitted, folder: Path) -> Path:
    """Write a classifier beside its place, then rename it into place.

    Raises:
        StorageError: If it cannot be written, or the folder holds something else.
    """
    old = _standing(folder)
    check_place(folder)
    part = None
    try:
        if old != folder:
            old.rename(folder)
            old.parent.rmdir()
        make_folder(folder.parent)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name[:100]}.", suffix=".part", dir=folder.parent))
        with system_errors():
            _write(fitted, part)
        _put(part, folder)
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"{folder}: the classifier cannot be written: {getattr(error, 'strerror', None) or error}",
            hint="Free some space or choose another folder.",
        ) from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def _write(fitted: Fitted, folder: Path) -> None:
    parts = fitted.classifier.parts if isinstance(fitted.classifier, Averaged) else [fitted.classifier]
    for place, part in zip(_places(folder, len(parts)), parts, strict=True):
        place.mkdir(exist_ok=True)
        _write_net(part, fitted.labels, place)
    with quiet():
        fitted.tokenizer.save_pretrained(folder)
    about: dict[str, Any] = {"format": FORMAT, "head": fitted.classifier.head_settings.to_json()}
    if len(parts) > 1:
        about["members"] = [part.head_settings.to_json() for part in parts]
    about["labels"] = list(fitted.labels.names)
    about["descriptions"] = dict(fitted.labels.descriptions)
    about["task"] = fitted.labels.task
    about["thresholds"] = None if fitted.thresholds is None else list(fitted.thresholds)
    about["fingerprint"] = fitted.fingerprint
    about |= {name: getattr(fitted, name) for name in PLAIN}
    about["settings"] = dict(fitted.settings)
    if fitted.weights is not None:
        about["weights"] = {"ids": list(fitted.weights.ids), "values": fitted.weights.values.tolist()}
    about["notes"] = list(fitted.notes)
    about["history"] = [dict(row) for row in fitted.history]
    if fitted.temperature != 1.0:
        about["temperature"] = fitted.temperature
    about["seen"] = list(fitted.seen)
    if fitted.decision is not None:
        about["decision"] = fitted.decision.to_json()
    write_json(folder / ABOUT, about)
    folder.chmod(0o777 & ~_umask())
    for path in folder.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~_umask())
        sync(path)
    sync(folder)


def _standing(folder: Path) -> Path:
    """Return where a classifier is: if a process was killed while it replaced it, between two names, the old one."""
    if folder.exists():
        return folder
    return next(iter(sorted(folder.parent.glob(f".{glob.escape(folder.name[:100])}.*.old/was"))), folder)


def _places(folder: Path, members: int) -> list[Path]:
    """Return where the parts of a classifier are: the first in the folder itself, the others below it."""
    return [folder, *(folder / f"{MEMBER}{place}" for place in range(1, members))][:members]


def _write_net(classifier: Classifier, labels: Labels, folder: Path) -> None:
    net, own = classifier.net, classifier.head == "own"
    if own and labels.has_many:
        net.config.problem_type = "multi_label_classification"  # so that stock pipelines take the sigmoid
    with quiet():
        (net if own else net.encoder).save_pretrained(folder)
    if not own:
        save_file(net.head_state(), folder / HEAD)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _put(part: Path, folder: Path) -> None:
    """Rename ``part`` onto ``folder``; an older classifier there is moved away first and removed last."""
    if not folder.exists():
        part.rename(folder)
        sync(folder.parent)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name[:100]}.", suffix=".old", dir=folder.parent))
    folder.rename(old / "was")
    part.rename(folder)
    sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def load(folder: Path, *, labels: Labels | None = None) -> Fitted:
    """Return the classifier a folder holds, checked against the fingerprint it was saved with.

    Raises:
        InputError: If there is none, it is damaged, or its labels are not those expected.
    """
    folder = _standing(folder)
    about = _about(folder)
    own = Labels(tuple(about["labels"]), about.get("descriptions", {}), about.get("task", "single_label"))
    if labels is not None and set(labels.names) != set(own.names):
        raise InputError(f"{folder}: the classifier's labels are {own}, expected {labels}.")
    members = about.get("members", ())
    places = zip(_places(folder, len(members)), members, strict=True)
    parts = [_classifier(place, {**about, "head": head}) for place, head in places]
    classifier = Averaged(parts, own.rule).eval() if parts else _classifier(folder, about)
    decision = about.get("decision")
    weights, thresholds = about.get("weights"), about.get("thresholds")
    fitted = Fitted(
        classifier=classifier,
        tokenizer=load_tokenizer(str(folder)),
        labels=own,
        settings=about.get("settings", {}),
        history=tuple(about.get("history", ())),
        notes=tuple(about.get("notes", ())),
        weights=None if weights is None else Weights(tuple(weights["ids"]), np.array(weights["values"])),
        thresholds=None if thresholds is None else tuple(map(float, thresholds)),
        temperature=float(about.get("temperature", 1.0)),
        seen=tuple(about.get("seen", ())),
        decision=None if decision is None else Decision.from_json(decision),
        **{name: about[name] for name in PLAIN},
    )
    if fitted.fingerprint != about["fingerprint"]:
        raise _damaged(folder, "its weights are not those that were saved")
    return fitted


def _about(folder: Path) -> Mapping[str, Any]:
    if not folder.is_dir():
        raise InputError(f"{folder}: {'is a file, no folder' if folder.exists() else 'there is no such folder'}.")
    if not (folder / ABOUT).is_file():
        raise InputError(
            f"{folder}: holds no {ABOUT}, so it is no classifier saved by augtune.",
            hint="A classifier that another program saved is read by 'augtune import'. To train on top of an encoder, "
            "name the folder as train.encoder.",
        )
    about = read_json(folder / ABOUT)
    missing = [name for name in ("labels", "head", "fingerprint", *PLAIN) if name not in about]
    if about.get("format") != FORMAT:
        raise InputError(f"{folder / ABOUT}: expected format {FORMAT}, got {about.get('format')}.")
    if missing:
        raise _damaged(folder, f"{ABOUT} lacks {', '.join(missing)}")
    return about  # type: ignore[no-any-return]


def _classifier(folder: Path, about: Mapping[str, Any]) -> Classifier:
    # A bare name in folders written before heads had settings.
    head = HEADS.parse(about["head"], where=f"{folder / ABOUT}: head")
    own = not isinstance(head, PoolingHead)
    problem = link_problem(folder) or config_problem(folder)
    if problem is not None:
        raise _damaged(folder, problem)
    for path in [folder / BODY] if own else [folder / BODY, folder / HEAD]:
        _check_weights(folder, path)
    kind = AutoModelForSequenceClassification if own else AutoModel
    try:
        # Missing weights would be drawn anew; that uses chance, and is refused below.
        with quiet(), torch.random.fork_rng(devices=[]):
            net, found = kind.from_pretrained(
                folder, dtype=torch.float32, use_safetensors=True, local_files_only=True, output_loading_info=True
            )
            if isinstance(head, PoolingHead):
                net = Pooled(net, len(about["labels"]), head)
                net.load_head_state(load_file(folder / HEAD))
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _damaged(folder, str(error).splitlines()[0]) from error
    missing = [key for key in found["missing_keys"] if own or not key.startswith("pooler.")]
    wrong = [*missing, *found["unexpected_keys"], *(key[0] for key in found["mismatched_keys"])]
    if wrong:
        raise _damaged(folder, f"{len(wrong)} weights do not fit, the first is {wrong[0]!r}")
    return Classifier(net, head).eval()


def _check_weights(folder: Path, path: Path) -> None:
    problem = weights_problem(path)
    if problem is not None:
        raise _damaged(folder, f"{path.name} {problem}")


def _damaged(folder: Path, why: str) -> InputError:
    return InputError(f"{folder}: the saved classifier is damaged: {why}.", hint=LOST)
