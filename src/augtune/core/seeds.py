"""Random streams: no global state; each use of chance has a name, so adding one never shifts another.

>>> generator(0, "sample").integers(10) == generator(0, "sample").integers(10)
True
"""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["derive", "generator"]


def derive(seed: int, *names: str | int) -> int:
    """Return a seed in [0, 2**63) for the stream called ``names`` under ``seed``; 0 is a seed like any other."""
    text = "/".join([str(int(seed)), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return numpy's generator for the stream called ``names`` under ``seed``."""
    return np.random.default_rng(derive(seed, *names))
