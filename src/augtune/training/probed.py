"""``probed``: a linear probe as a classifier like any other: the encoder as it is, and a regression on top."""

from __future__ import annotations

import time

import numpy as np
import torch

from augtune.core.dataset import Dataset
from augtune.core.errors import DataError
from augtune.core.fingerprint import text_marks
from augtune.embedding.probe import Probe, fit_probe
from augtune.model.classifier import Classifier
from augtune.model.encoder import load_tokenizer, longest_input
from augtune.model.fitted import Fitted
from augtune.model.heads import Mean
from augtune.training.probe import features

__all__ = ["as_head", "probed"]


def as_head(classifier: Classifier, probe: Probe) -> None:
    """Make a regression's coefficients those of a classifier's linear layer."""
    with torch.no_grad():
        classifier.net.out.weight.copy_(torch.from_numpy(probe.weights.T.copy()))
        classifier.net.out.bias.copy_(torch.from_numpy(probe.bias.copy()))


def probed(dataset: Dataset, *, encoder: str, ridge: float, seed: int = 0, vectors: np.ndarray | None = None) -> Fitted:
    """Return regression on the frozen encoder's sentence vectors, as a classifier that can be saved and used.

    Nothing of it is left to chance: the least penalised cross-entropy is one point.

    Args:
        dataset: Rows to train on, single texts; where they may have several labels, each label has its own regression.
        encoder: Name of the encoder.
        ridge: Strength of the penalty.
        seed: What the classifier says its seed was.
        vectors: What a probe sees of the rows (``augtune.training.probe.features``), if it is at hand.

    Raises:
        DataError: If rows are pairs of texts.
    """
    started = time.monotonic()
    if dataset.is_pair:
        raise DataError(f"{dataset.name}: a probe is made for single texts, and these rows are pairs.")
    found = features(dataset, encoder) if vectors is None else vectors
    probe = fit_probe(found, dataset.targets(), balanced=False, ridge=ridge, many=dataset.labels.has_many)
    with torch.random.fork_rng(devices=[]):
        classifier = Classifier.new(encoder, dataset.labels.names, head=Mean(unit=True))
    as_head(classifier, probe)
    tokenizer = load_tokenizer(encoder)
    return Fitted(
        classifier=classifier.eval(),
        tokenizer=tokenizer,
        labels=dataset.labels,
        encoder=encoder,
        recipe="probe",
        steps=0,
        max_length=longest_input(tokenizer, classifier.encoder),
        seed=seed,
        settings={"encoder": encoder, "ridge": ridge},
        seconds=time.monotonic() - started,
        precision="fp32",
        seen=tuple(text_marks(dataset.texts, dataset.text_pairs)),
    )
