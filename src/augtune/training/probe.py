"""What a linear probe sees of a dataset's rows: sentence vectors of a frozen encoder, made once.

Shapes: ``N`` rows, ``H`` features.
"""

from __future__ import annotations

import numpy as np

from augtune.core.dataset import Dataset
from augtune.embedding.encode import embed
from augtune.embedding.probe import Probe, fit_probe, pair_vectors

__all__ = ["Probe", "features", "fit_probe"]

# Vectors of the rows asked for last, by their fingerprint and the encoder's name.
_KEPT: dict[tuple[str, str], np.ndarray] = {}


def features(dataset: Dataset, encoder: str) -> np.ndarray:
    """Return what a probe sees of each row, ``(N, H)`` float64.

    A single text is its sentence vector; a pair is both vectors, their absolute difference and their product. The
    vectors of the rows asked for last are kept, since the checkers of all seeds look at the same ones.

    Args:
        dataset: The rows.
        encoder: Name of the encoder.
    """
    key = (dataset.fingerprint, encoder)
    if key not in _KEPT:
        _KEPT.clear()
        _KEPT[key] = _vectors(dataset, encoder)
    return _KEPT[key]


def _vectors(dataset: Dataset, encoder: str) -> np.ndarray:
    first = embed(dataset.texts, encoder=encoder).astype(np.float64)
    if not dataset.is_pair:
        return first
    second = embed([pair or "" for pair in dataset.text_pairs], encoder=encoder).astype(np.float64)
    return pair_vectors(first, second)
