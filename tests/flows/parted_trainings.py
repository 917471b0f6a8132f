"""Run by two processes under torchrun: small trainings in which each keeps a part of the model; losses as JSON."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np

from augtune.core.tables import Predictions
from augtune.training import parted
from augtune.training.running import Running
from augtune.training.settings import TrainSettings
from augtune.training.tables import Checkers
from augtune.training.train import train
from training_rows import human_rows, synthetic_rows

BASE = {"steps": 4, "batch_size": 9, "dropout": 0, "precision": "fp32", "lr": 1e-3}
WAYS = {
    # So much decay that it would show if the words that no text uses were left out of it.
    "parts of a step": {
        "loss": {"kind": "cross_entropy", "class_weights": "inverse"}, "micro_batch_size": 2, "weight_decay": 5,
    },
    "single rows": {"micro_batch_size": 1, "max_grad_norm": 0.1, "head": "own", "optimizer": "sgd"},
    "two stages": {"recipe": {"kind": "two_stage", "variant": "both"}, "optimizer": "adam"},
    "dimp": {"recipe": "dimp", "optimizer": "rmsprop"},
    "updates": {"lora": {"rank": 2}, "gradient_checkpointing": True},
    "hidden layers": {
        "head": {"kind": "attention", "layers": 1, "activation": "swiglu"}, "layer_decay": 0.8, "optimizer": "adagrad",
    },
    "best": {"keep": "best", "evaluate_every": 1, "optimizer": "lion", "freeze_embeddings": True},
}  # fmt: skip
# Ways in which chance or rounding follows how rows are shared out; compared with two processes of whole models.
SHARED_OUT_ALIKE = {
    "mixed, bf16": {"mix": "tmix", "precision": "bf16"},
    "dropout": {"dropout": 0.2, "steps": 6, "keep": "best", "evaluate_every": 2, "checkpoint_every": 2},
}
ALL = WAYS | SHARED_OUT_ALIKE
ROWS = human_rows(24) + synthetic_rows(20)
OPINION = Predictions(ROWS.ids, np.where(ROWS.targets() == 1, 0.8, 0.2), ROWS.labels)


def fitted(way, encoder, *, running=None, **more):
    settings = TrainSettings.parse({"encoder": encoder, **BASE, **ALL[way], **more}, where="train")
    validation = human_rows(12, "other") if settings.is_selected else None
    checkers = Checkers(OPINION, OPINION) if settings.recipe.needs else None
    return train(ROWS, settings=settings, validation=validation, checkers=checkers, running=running)


def losses(one):
    return [row["loss"] for row in one.history]


def cut_off(step, steps, loss):
    if step == 5:
        raise ConnectionError


def main(encoder, out):
    import torch

    found = {"shares": []}
    take_apart = parted._take_apart

    def watched(classifier, loop):
        take_apart(classifier, loop)
        own = sum(parameter.to_local().numel() for parameter in classifier.parameters())
        found["shares"].append(own / sum(parameter.numel() for parameter in classifier.parameters()))

    parted._take_apart = watched
    for way in ALL:
        one = fitted(way, encoder, sharding="parameters")
        found[way] = losses(one)
        if way in SHARED_OUT_ALIKE:
            found[f"{way}, whole"] = losses(fitted(way, encoder))
        if torch.distributed.get_rank() == 0:
            one.save(out / way)
    with suppress(ConnectionError):
        fitted("dropout", encoder, sharding="parameters", running=Running(folder=out / "kept", on_step=cut_off))
    notes = found["notes"] = []
    running = Running(folder=out / "kept", on_note=notes.append)
    again = fitted("dropout", encoder, sharding="parameters", running=running)
    if torch.distributed.get_rank() == 0:
        again.save(out / "carried on")
        (out / "losses.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
