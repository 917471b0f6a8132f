"""Whether a launcher (``torchrun``, ``accelerate launch``) started this process as one of several. Loads nothing."""

from __future__ import annotations

import os

__all__ = ["LAUNCHED", "is_helper", "is_one_of_several"]

# What launchers set; a cluster's own WORLD_SIZE alone says nothing.
LAUNCHED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


def is_one_of_several() -> bool:
    """Tell whether a launcher started this process as one of several."""
    return all(name in os.environ for name in LAUNCHED) and int(os.environ["WORLD_SIZE"]) > 1


def is_helper() -> bool:
    """Tell whether this process is one of several and not the first."""
    return is_one_of_several() and int(os.environ["RANK"]) > 0
