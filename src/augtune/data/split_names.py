"""Names of splits: the three that have a role, the other words for them, and what is never read as human rows."""

from __future__ import annotations

import re

__all__ = ["MAIN", "canonical", "is_synthetic"]

MAIN = ("train", "validation", "test")
ALIASES = {"dev": "validation", "valid": "validation", "val": "validation", "eval": "validation"}
# A dataset of the hub that fits one file is stored as "train-00000-of-00001.parquet".
ONLY_SHARD = re.compile(r"-0+-of-0*1$")


def canonical(name: str) -> str:
    """Return the name of the split a file or a user means: ``dev`` is ``validation``; other names stay as they are.

    >>> canonical("Dev"), canonical("test-00000-of-00001"), canonical("crowd_human")
    ('validation', 'test', 'crowd_human')
    """
    bare = ONLY_SHARD.sub("", name.strip())
    lower = ALIASES.get(bare.lower(), bare.lower())
    return lower if lower in MAIN else bare


def is_synthetic(stem: str) -> bool:
    """Return whether a file of this stem holds rows a model wrote, which are never loaded as human ones."""
    return stem.lower() == "synthetic" or stem.lower().startswith(("synthetic_", "synthetic-"))
